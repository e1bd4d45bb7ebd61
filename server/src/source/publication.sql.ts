// Statements about publications: what exists, and the DDL that makes it what it should be.
// Source: PostgreSQL manual, "CREATE PUBLICATION", "ALTER PUBLICATION", "52.40. pg_publication".
import { type QualifiedName, quoteIdent, quoteLiteral, quoteName } from '../pg/ident.ts';

/** Which catalogue columns a server has. */
export interface PublicationColumns {
  /** 15 and later: row filters, column lists and whole schemas. */
  readonly filters: boolean;
  /** 18 and later: `pubgencols`. */
  readonly generated: boolean;
}

/** $1 text[]: names. */
export function publicationsSql(columns: PublicationColumns): string {
  return `
SELECT p.oid, p.pubname, pg_catalog.pg_has_role(p.pubowner, 'USAGE') AS owned, p.puballtables,
       p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
       ${columns.generated ? "p.pubgencols <> 'n'" : 'false'} AS publishes_generated
FROM pg_catalog.pg_publication AS p
WHERE p.pubname = ANY ($1::pg_catalog.text[])`;
}

/** $1 oid[]: publications. One row per table that is named in one. */
export function publicationTablesSql(columns: PublicationColumns): string {
  return `
SELECT r.prpubid, r.oid, c.oid, n.nspname, c.relname,
       ${columns.filters ? 'r.prattrs IS NOT NULL' : 'false'} AS filtered,
       ${columns.filters ? 'pg_catalog.pg_get_expr(r.prqual, r.prrelid)' : 'NULL::pg_catalog.text'} AS condition
FROM pg_catalog.pg_publication_rel AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.prrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE r.prpubid = ANY ($1::pg_catalog.oid[])
ORDER BY n.nspname, c.relname`;
}

/** $1 oid[]: publications. One row per schema that is published whole; 15 and later. */
export const PUBLICATION_SCHEMAS_SQL = `
SELECT s.pnpubid, n.nspname, s.oid
FROM pg_catalog.pg_publication_namespace AS s
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.pnnspid
WHERE s.pnpubid = ANY ($1::pg_catalog.oid[])`;

/** A table with the condition of its rows, as the server printed it; absent: all rows. */
export interface PublishedTable extends QualifiedName {
  readonly condition?: string | undefined;
}

export function createPublicationSql(name: string, publish: string, tables: readonly PublishedTable[]): string {
  const list = tables.length === 0 ? '' : ` FOR TABLE ${tables.map(publishedTable).join(', ')}`;
  return `CREATE PUBLICATION ${quoteIdent(name)}${list} WITH (publish = ${quoteLiteral(publish)}, publish_via_partition_root = true)`;
}

/** ONLY, because naming an inheritance parent alone would publish its children too. */
export function publishedTable(table: PublishedTable): string {
  const only = `ONLY ${quoteName(table)}`;
  return table.condition === undefined ? only : `${only} WHERE (${table.condition})`;
}

export function addTablesSql(name: string, tables: readonly PublishedTable[]): string {
  return `ALTER PUBLICATION ${quoteIdent(name)} ADD TABLE ${tables.map(publishedTable).join(', ')}`;
}

export function dropTablesSql(name: string, tables: readonly QualifiedName[]): string {
  return `ALTER PUBLICATION ${quoteIdent(name)} DROP TABLE ${tables.map((table) => `ONLY ${quoteName(table)}`).join(', ')}`;
}

export function dropSchemasSql(name: string, schemas: readonly string[]): string {
  return `ALTER PUBLICATION ${quoteIdent(name)} DROP TABLES IN SCHEMA ${schemas.map(quoteIdent).join(', ')}`;
}

export function setOptionsSql(name: string, publish: string, columns: PublicationColumns): string {
  const generated = columns.generated ? ', publish_generated_columns = none' : '';
  return `ALTER PUBLICATION ${quoteIdent(name)} SET (publish = ${quoteLiteral(publish)}, publish_via_partition_root = true${generated})`;
}

/** Changes nothing, and yet tells every decoding server to look its tables' publications up again. */
export function touchPublicationSql(name: string, viaRoot: boolean): string {
  return `ALTER PUBLICATION ${quoteIdent(name)} SET (publish_via_partition_root = ${viaRoot})`;
}

export function dropPublicationSql(name: string): string {
  return `DROP PUBLICATION IF EXISTS ${quoteIdent(name)}`;
}

/** $1 oid[]: tables. Who holds a lock that a change of a publication (SHARE UPDATE EXCLUSIVE on the table) waits for. */
export const BLOCKERS_SQL = `
SELECT l.pid, n.nspname, c.relname, l.mode
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  AND l.relation = ANY ($1::pg_catalog.oid[])
  AND l.granted
  AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
LIMIT 1`;
