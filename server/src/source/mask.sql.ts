// How the source itself masks values, for loads and comparisons: they leave it as the stream's changes look once they are masked.
import type { Secret } from '../lib/secret.ts';
import type { Mask } from '../model/object-filter.ts';
import { quoteLiteral } from '../pg/ident.ts';

/**
 * Settings of a session that masks. The salt is no part of any statement, since statements are logged and shown to others: it goes into the
 * start of the connection, which is not. Only the session itself and superusers' debuggers can read it there. In hexadecimal, because the
 * server would take the bytes of other characters for characters of its own encoding.
 */
export function maskSettings(salt: Secret | null): Readonly<Record<string, string>> {
  return salt === null ? {} : { [SALT_SETTING]: Buffer.from(salt.reveal()).toString('hex') };
}

/**
 * The expression for a masked column; `column` is the column as SQL. The text is that of the type's output function, as in the stream: a
 * cast would print booleans otherwise, and strip the blanks of `bpchar`. `IS NOT DISTINCT FROM NULL`, because a composite value whose
 * fields are all NULL `IS NULL` without being it.
 */
export function maskedValue(column: string, mask: Mask): string {
  switch (mask.kind) {
    case 'null':
      return 'NULL::pg_catalog.text';
    case 'fixed':
      return `${quoteLiteral(mask.text)}::pg_catalog.text`;
    case 'sha256':
      return (
        `CASE WHEN ${column} IS NOT DISTINCT FROM NULL THEN NULL ELSE ` +
        `pg_catalog.encode(pg_catalog.sha256(${SALT} OPERATOR(pg_catalog.||) ` +
        `pg_catalog.convert_to(pg_catalog.concat(${column}), 'UTF8')), 'hex') END`
      );
  }
}

const SALT_SETTING = 'millrace.mask_salt';
const SALT = `pg_catalog.decode(pg_catalog.current_setting('${SALT_SETTING}'), 'hex')`;
