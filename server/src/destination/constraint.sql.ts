// Which tables a constraint is about, where the server's error does not say whose change broke it.
import { type QualifiedName, quoteLiteral } from '../pg/ident.ts';

/** Schema and name of the constraint's own table and of the one that it refers to. */
export function relationsOfConstraint(schema: string, table: string, constraint: string): string {
  return `SELECT n.nspname, c.relname
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_class AS own ON own.oid = k.conrelid
    JOIN pg_catalog.pg_namespace AS own_schema ON own_schema.oid = own.relnamespace
    JOIN pg_catalog.pg_class AS c ON c.oid IN (k.conrelid, k.confrelid)
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE own_schema.nspname = ${quoteLiteral(schema)} AND own.relname = ${quoteLiteral(table)} AND k.conname = ${quoteLiteral(constraint)}`;
}

/** Schema and name of those of `tables` that a table outside of them refers to: these can't be truncated. */
export function referredToFromOutside(tables: readonly QualifiedName[]): string {
  const values = tables.map(({ schema, name }) => `(${quoteLiteral(schema)}, ${quoteLiteral(name)})`).join(', ');
  return `WITH emptied AS (
      SELECT c.oid, n.nspname, c.relname
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE (n.nspname, c.relname) IN (VALUES ${values})
    )
    SELECT e.nspname, e.relname
    FROM emptied AS e
    WHERE EXISTS (
      SELECT FROM pg_catalog.pg_constraint AS k
      WHERE k.contype = 'f' AND k.confrelid = e.oid AND NOT EXISTS (SELECT FROM emptied AS other WHERE other.oid = k.conrelid))`;
}
