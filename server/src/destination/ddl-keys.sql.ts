// The statements that take away keys of ours which the source's table no longer has.
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';

/**
 * The unique indexes of the table `$1`: name, primary or not, whether checked only at the commit, and the columns by name as JSON.
 * Source: PostgreSQL manual, "52.26. pg_index", "52.13. pg_constraint".
 */
export const KEYS_OF_TABLE = `
  SELECT c.relname, i.indisprimary, COALESCE(k.condeferrable, false),
         (SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attname)
            FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = 'p'
   WHERE i.indrelid = $1::pg_catalog.oid AND i.indisunique`;

/** Fails rather than take along what others built on the key. */
export function dropPrimaryKey(table: QualifiedName, constraint: string): string {
  return `ALTER TABLE ${quoteName(table)} DROP CONSTRAINT ${quoteIdent(constraint)}`;
}

export function dropIndex(table: QualifiedName, index: string): string {
  return `DROP INDEX ${quoteName({ schema: table.schema, name: index })}`;
}

/** A column that is no longer part of a key may be NULL. */
export function allowNull(table: QualifiedName, column: string): string {
  return `ALTER TABLE ${quoteName(table)} ALTER COLUMN ${quoteIdent(column)} DROP NOT NULL`;
}
