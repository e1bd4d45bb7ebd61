// The statements for the indexes of tables that keep more than the present rows.
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';
import type { KeptIndex } from './kept-columns.ts';

/** The valid indexes of the table `$1` over plain columns: those by name, as JSON without spaces. */
export const INDEXES_OF_TABLE = `
  SELECT '[' || (SELECT pg_catalog.string_agg(pg_catalog.to_json(a.attname::pg_catalog.text)::pg_catalog.text, ',' ORDER BY k.place)
                   FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) || ']'
    FROM pg_catalog.pg_index AS i
   WHERE i.indrelid = $1::pg_catalog.oid AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL`;

export function createIndex(table: QualifiedName, { columns }: KeptIndex): string {
  return `CREATE INDEX ON ${quoteName(table)} (${columns.map(quoteIdent).join(', ')})`;
}
