// Compares tables by the bytes that their server sends for each value, whatever the order of rows and columns.
import { createHash } from 'node:crypto';
import { WireSession } from '../../src/db/wire-session.ts';
import { type QualifiedName, quoteIdent, quoteName } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';

/** What to read; `columns` in the order of comparison, and rows by `orderBy`, which must be unique. */
export interface BinaryRows {
  readonly table: QualifiedName;
  readonly columns: readonly string[];
  readonly orderBy: string;
}

/** Row count and a hash of the table's COPY BINARY output. */
export async function binaryDigest(database: TestDatabase, rows: BinaryRows): Promise<string> {
  const wire = new WireSession(await database.open());
  const hash = createHash('sha256');
  const select = `SELECT ${rows.columns.map(quoteIdent).join(', ')} FROM ${quoteName(rows.table)} ORDER BY ${quoteIdent(rows.orderBy)}`;
  const { count } = await wire.copyOut(`COPY (${select}) TO STDOUT (FORMAT binary)`, (bytes, start, end) => {
    hash.update(bytes.subarray(start, end));
  });
  await wire.close();
  return `${count} rows, ${hash.digest('hex')}`;
}

/** Row count and a hash of all rows in text form. */
export async function textDigest(database: TestDatabase, table: QualifiedName): Promise<string> {
  const [row] = await database.query(`
    SELECT pg_catalog.count(*), pg_catalog.md5(pg_catalog.string_agg(t::pg_catalog.text, '|' ORDER BY t::pg_catalog.text COLLATE "C"))
    FROM ${quoteName(table)} AS t`);
  return (row ?? []).join(' rows, ');
}
