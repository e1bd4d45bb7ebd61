// Statements that let the server judge a row condition: it parses the text, prints it, and says which columns it looks at.
// Source: PostgreSQL manual, "29.4. Row Filters", "52.42. pg_publication_rel", "52.18. pg_depend".
import { quoteIdent } from '../pg/ident.ts';
import { type PublishedTable, publishedTable } from './publication.sql.ts';

/** In a transaction that is rolled back: nobody ever sees this publication. */
export function createProbeSql(name: string, table: PublishedTable): string {
  return `CREATE PUBLICATION ${quoteIdent(name)} FOR TABLE ${publishedTable(table)} WITH (publish_via_partition_root = true)`;
}

export function alterProbeSql(name: string, table: PublishedTable): string {
  return `ALTER PUBLICATION ${quoteIdent(name)} SET TABLE ${publishedTable(table)}`;
}

/** The members of the publication `$1`: their OIDs and conditions. More than one would mean that the text was no single expression. */
export const PROBE_MEMBERS_SQL = `
SELECT r.oid, r.prrelid, pg_catalog.pg_get_expr(r.prqual, r.prrelid)
FROM pg_catalog.pg_publication_rel AS r
JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
WHERE p.pubname = $1`;

/** Database, role and the owner of the table `$1`: what a GRANT has to name. */
export const GRANT_NAMES_SQL = `
SELECT pg_catalog.current_database(), CURRENT_USER, pg_catalog.pg_get_userbyid(c.relowner)
FROM pg_catalog.pg_class AS c
WHERE c.oid = $1::pg_catalog.oid`;

/** The columns by attnum that the condition of the membership `$1` looks at. */
export const CONDITION_COLUMNS_SQL = `
SELECT DISTINCT d.refobjsubid
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_publication_rel AS r ON r.oid = d.objid AND r.prrelid = d.refobjid
WHERE d.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass AND d.objid = $1::pg_catalog.oid
  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjsubid > 0`;
