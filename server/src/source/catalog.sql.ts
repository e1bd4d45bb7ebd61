// The catalogue queries behind `readTables`: a handful for the whole database, so that ten thousand tables take seconds.
// Source: PostgreSQL manual, chapter "System Catalogs".

/**
 * A text that changes with every change of a column's description: a digest of the transactions that wrote the columns' `pg_attribute`
 * rows. `relation` is the SQL of an OID. VACUUM keeps these numbers when it freezes a row.
 */
export function columnsVersionSql(relation: string): string {
  return `(
         SELECT pg_catalog.hashtextextended(
                  pg_catalog.string_agg(a.attnum::pg_catalog.text || ':' || a.xmin::pg_catalog.text, ',' ORDER BY a.attnum) COLLATE pg_catalog."C", 0)
         FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = ${relation} AND a.attnum > 0
       )`;
}

/**
 * $1 text[]: schemas, or NULL for all; $2 boolean: with the temporary tables of every session.
 * Partitions come from every schema: the leaves of a wanted root may live elsewhere.
 *
 * Sizes take ACCESS SHARE for a moment and would queue behind ACCESS EXCLUSIVE, so a relation that is locked so right now
 * answers with the planner's figure instead: listing tables must not hang because of one VACUUM FULL.
 */
export const RELATIONS_SQL = `
WITH locked AS MATERIALIZED (
  SELECT DISTINCT l.relation
  FROM pg_catalog.pg_locks AS l
  WHERE l.locktype = 'relation'
    AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
),
visible AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition, c.relreplident, c.relfilenode,
         c.reltuples, c.relpages, c.relowner, c.relnatts, n.oid AS nspoid,
         c.oid NOT IN (SELECT locked.relation FROM locked) AS measurable,
         pg_catalog.current_setting('block_size')::pg_catalog.int8 AS block_size
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm')
    AND n.nspname NOT IN ('information_schema', '_millrace')
    AND (n.nspname NOT LIKE 'pg\\_%' OR ($2 AND c.relpersistence = 't'))
    AND (c.relpersistence <> 't' OR $2)
    AND ($1::pg_catalog.text[] IS NULL OR n.nspname = ANY ($1::pg_catalog.text[]) OR c.relispartition)
)
SELECT v.oid, v.nspname, v.relname, v.relkind, v.relpersistence, v.relispartition, v.relreplident, v.relfilenode,
       v.reltuples::pg_catalog.int8,
       CASE WHEN v.relkind NOT IN ('r', 'm') THEN 0
            WHEN v.measurable THEN pg_catalog.pg_relation_size(v.oid) / v.block_size
            ELSE v.relpages END AS pages,
       CASE WHEN v.relkind NOT IN ('r', 'm') THEN 0
            WHEN v.measurable THEN pg_catalog.pg_table_size(v.oid)
            ELSE v.relpages * v.block_size END AS size_bytes,
       pg_catalog.has_schema_privilege(v.nspoid, 'USAGE') AS schema_usable,
       pg_catalog.has_table_privilege(v.oid, 'SELECT') AS selectable,
       v.relkind IN ('r', 'p') AND pg_catalog.row_security_active(v.oid) AS policies_apply,
       pg_catalog.pg_has_role(v.relowner, 'USAGE') AS owned,
       EXISTS (
         SELECT FROM pg_catalog.pg_inherits AS i
         JOIN pg_catalog.pg_class AS child ON child.oid = i.inhrelid AND NOT child.relispartition
         WHERE i.inhparent = v.oid
       ) AS has_children,
       pg_catalog.pg_get_userbyid(v.relowner) AS owner,
       CASE WHEN v.relkind = 'r' THEN ${columnsVersionSql('v.oid')} END AS columns_version,
       v.relnatts
FROM visible AS v
ORDER BY v.nspname, v.relname`;

/**
 * $1 oid[]. Generated columns depend on nothing but built-ins when pg_depend names only the table itself: dependencies on
 * pinned objects are not recorded. Before 15 the expression's dependencies hang on the column (type `a`, unlike the `n` of its
 * own type), later on its pg_attrdef row. Source: manual, "52.18. pg_depend".
 */
export const COLUMNS_SQL = `
SELECT a.attrelid, a.attname, a.attnum, a.atttypid, a.atttypmod,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS formatted,
       a.attcollation <> t.typcollation AS own_collation,
       a.attnotnull, a.attgenerated,
       CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS expression,
       a.attgenerated <> '' AND NOT EXISTS (
         SELECT FROM pg_catalog.pg_depend AS dependency
         WHERE (dependency.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND dependency.objid = d.oid
                OR dependency.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND dependency.objid = a.attrelid
                   AND dependency.objsubid = a.attnum AND dependency.deptype = 'a')
           AND NOT (dependency.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND dependency.refobjid = d.adrelid)
       ) AS builtins_only
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated <> ''
WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum`;

/**
 * $1 oid[]. One row per key column of every primary key and every replica-identity index, in index order.
 * Source: manual, "52.26. pg_index".
 */
export const KEYS_SQL = `
SELECT i.indrelid, i.indexrelid, i.indisprimary, i.indisreplident,
       i.indimmediate AND i.indisvalid AND i.indisready AND i.indisunique AND i.indpred IS NULL AS usable,
       a.attname, a.attnotnull, a.attgenerated <> '' AS generated
FROM pg_catalog.pg_index AS i
CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS position
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[position]
WHERE i.indrelid = ANY ($1::pg_catalog.oid[]) AND (i.indisprimary OR i.indisreplident)
ORDER BY i.indrelid, i.indexrelid, position`;

/**
 * Every step from a partition to its parent. A partition was created in place when its creation and its `pg_inherits` row
 * are of one command: the row of the system column `tableoid` keeps the creating transaction for ever, and ATTACH would have
 * rewritten the row of every user column with the command id of the `pg_inherits` row itself. A row that somebody began to
 * change (xmax) may show a combined command id, so it proves nothing.
 */
export function partitionEdgesSql(hasDetachPending: boolean): string {
  return `
SELECT i.inhrelid, i.inhparent, i.xmin::pg_catalog.text || ':' || i.cmin::pg_catalog.text AS version,
       i.xmax = '0' AND birth.xmin = i.xmin AND EXISTS (
         SELECT FROM pg_catalog.pg_attribute AS a
         WHERE a.attrelid = i.inhrelid AND a.attnum > 0
           AND a.xmin = i.xmin AND a.xmax = '0'
           AND a.cmin::pg_catalog.text::pg_catalog.int8 < i.cmin::pg_catalog.text::pg_catalog.int8
       ) AS created_in_place
FROM pg_catalog.pg_inherits AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid AND c.relispartition
JOIN pg_catalog.pg_attribute AS birth ON birth.attrelid = i.inhrelid AND birth.attname = 'tableoid' AND birth.attnum < 0
${hasDetachPending ? 'WHERE NOT i.inhdetachpending' : ''}`;
}

export const SERVER_VERSION_SQL = `SELECT pg_catalog.current_setting('server_version_num')`;
