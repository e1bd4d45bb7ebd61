// The catalogue queries behind `readTypes`: every type that a set of types is made of, in one pass.
// Source: PostgreSQL manual, "52.64. pg_type", "52.42. pg_range", "52.20. pg_enum".

/** $1 oid[]. `hasMultiranges`: 14 and later. */
export function typesSql(hasMultiranges: boolean): string {
  return `
WITH RECURSIVE reachable (oid) AS (
  SELECT seed FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS seed
  UNION
  SELECT part.oid
  FROM reachable
  CROSS JOIN LATERAL (
    SELECT element.oid
    FROM pg_catalog.pg_type AS list
    JOIN pg_catalog.pg_type AS element ON element.oid = list.typelem AND element.typarray = list.oid
    WHERE list.oid = reachable.oid
    UNION ALL
    SELECT domain.typbasetype FROM pg_catalog.pg_type AS domain WHERE domain.oid = reachable.oid AND domain.typtype = 'd'
    UNION ALL
    SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = reachable.oid
    ${hasMultiranges ? 'UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range AS r WHERE r.rngmultitypid = reachable.oid' : ''}
    UNION ALL
    SELECT a.atttypid
    FROM pg_catalog.pg_type AS composite
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = composite.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE composite.oid = reachable.oid AND composite.typtype = 'c'
  ) AS part
)
SELECT t.oid, n.nspname, t.typname, t.typtype,
       CASE t.typtype
         WHEN 'd' THEN t.typbasetype
         WHEN 'r' THEN (SELECT r.rngsubtype FROM pg_catalog.pg_range AS r WHERE r.rngtypid = t.oid)
         ${hasMultiranges ? "WHEN 'm' THEN (SELECT r.rngtypid FROM pg_catalog.pg_range AS r WHERE r.rngmultitypid = t.oid)" : ''}
         ELSE (SELECT element.oid FROM pg_catalog.pg_type AS element WHERE element.oid = t.typelem AND element.typarray = t.oid)
       END AS element_oid,
       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE -1 END AS element_typmod,
       (SELECT c.relkind <> 'c' FROM pg_catalog.pg_class AS c WHERE c.oid = t.typrelid) AS is_table_row,
       (SELECT e.extname
        FROM pg_catalog.pg_depend AS d
        JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e') AS extension,
       t.typsend <> 0 AND t.typreceive <> 0 AS has_binary
FROM reachable
JOIN pg_catalog.pg_type AS t ON t.oid = reachable.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
ORDER BY t.oid`;
}

/** $1 oid[]: types. */
export const ENUM_LABELS_SQL = `
SELECT e.enumtypid, e.enumlabel
FROM pg_catalog.pg_enum AS e
WHERE e.enumtypid = ANY ($1::pg_catalog.oid[])
ORDER BY e.enumtypid, e.enumsortorder`;

/** $1 oid[]: types. */
export const ATTRIBUTES_SQL = `
SELECT t.oid, a.attname, a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod) AS formatted
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.typrelid
WHERE t.oid = ANY ($1::pg_catalog.oid[]) AND t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY t.oid, a.attnum`;

/** $1 oid[]: types. The operator class and the collation are NULL where they are the subtype's own. */
export const RANGES_SQL = `
SELECT r.rngtypid, r.rngcanonical <> 0 AS has_canonical,
       CASE WHEN NOT opc.opcdefault THEN opcn.nspname END AS opclass_schema,
       CASE WHEN NOT opc.opcdefault THEN opc.opcname END AS opclass_name,
       CASE WHEN r.rngcollation <> subtype.typcollation THEN colln.nspname END AS collation_schema,
       CASE WHEN r.rngcollation <> subtype.typcollation THEN coll.collname END AS collation_name
FROM pg_catalog.pg_range AS r
JOIN pg_catalog.pg_type AS subtype ON subtype.oid = r.rngsubtype
JOIN pg_catalog.pg_opclass AS opc ON opc.oid = r.rngsubopc
JOIN pg_catalog.pg_namespace AS opcn ON opcn.oid = opc.opcnamespace
LEFT JOIN pg_catalog.pg_collation AS coll ON coll.oid = r.rngcollation
LEFT JOIN pg_catalog.pg_namespace AS colln ON colln.oid = coll.collnamespace
WHERE r.rngtypid = ANY ($1::pg_catalog.oid[])`;
