// The statements for the indexes of tables that keep more than the present rows.
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';
import type { KeptIndex } from './kept-columns.ts';

/**
 * The valid indexes of the table `$1` over plain columns: name, the columns by name as JSON without spaces, whether unique, and the
 * predicate.
 */
export const INDEXES_OF_TABLE = `
  SELECT c.relname,
         '[' || (SELECT pg_catalog.string_agg(pg_catalog.to_json(a.attname::pg_catalog.text)::pg_catalog.text, ',' ORDER BY k.place)
                   FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, place)
                   JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum) || ']',
         i.indisunique, COALESCE(pg_catalog.pg_get_expr(i.indpred, i.indrelid), '')
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
   WHERE i.indrelid = $1::pg_catalog.oid AND i.indisvalid AND i.indexprs IS NULL`;

export function createIndex(table: QualifiedName, { columns, isUnique, only }: KeptIndex): string {
  const where = only === null ? '' : ` WHERE ${only.is ? '' : 'NOT '}${quoteIdent(only.column)}`;
  return `CREATE ${isUnique ? 'UNIQUE ' : ''}INDEX ON ${quoteName(table)} (${columns.map(quoteIdent).join(', ')})${where}`;
}
