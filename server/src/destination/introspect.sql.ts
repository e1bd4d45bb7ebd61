// Catalogue queries about the destination: the server itself, its types, and what stands where we want to write.

/** One row of facts about the server, the database and our role. Source: PostgreSQL manual, "9.27.2. Access Privilege Inquiry Functions". */
export const SERVER_FACTS = `
  SELECT pg_catalog.current_setting('server_version_num'),
         pg_catalog.current_database(),
         current_user::pg_catalog.text,
         r.rolsuper,
         pg_catalog.pg_encoding_to_char(d.encoding),
         pg_catalog.pg_is_in_recovery(),
         pg_catalog.has_database_privilege(d.oid, 'CREATE'),
         pg_catalog.has_database_privilege(d.oid, 'TEMPORARY'),
         EXISTS (
           SELECT 1
             FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) AS setting
            WHERE s.setdatabase IN (0, d.oid) AND s.setrole IN (0, r.oid)
              AND setting IN ('default_transaction_read_only=on', 'default_transaction_read_only=true',
                              'default_transaction_read_only=1', 'default_transaction_read_only=yes')
         )
    FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
   WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user`;

/**
 * How text is sorted and folded by default, as one comparable text. The row is read as JSON since its columns differ by version
 * (providers came with 15; the locale's column was renamed in 17).
 */
export const COLLATION = `
  SELECT pg_catalog.jsonb_build_array(
           d.j -> 'datcollate', d.j -> 'datctype', COALESCE(d.j ->> 'datlocprovider', 'c'),
           COALESCE(d.j ->> 'datlocale', d.j ->> 'daticulocale'), d.j -> 'daticurules')
    FROM (SELECT pg_catalog.to_jsonb(p) AS j FROM pg_catalog.pg_database p
           WHERE p.datname = pg_catalog.current_database()) AS d`;

/** Schemas of `$1` that exist, with what we may do in them. */
export const SCHEMAS = `
  SELECT n.nspname,
         pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
         pg_catalog.has_schema_privilege(n.oid, 'CREATE'),
         pg_catalog.pg_get_userbyid(n.nspowner)
    FROM pg_catalog.pg_namespace n
   WHERE n.nspname = ANY ($1::pg_catalog.text[])`;

/** Relations of any kind that have a name of `$1` (a JSON array of [schema, name]). */
export const RELATIONS = `
  SELECT n.nspname, c.relname, c.oid, c.relkind
    FROM pg_catalog.jsonb_array_elements($1::pg_catalog.jsonb) AS w
    JOIN pg_catalog.pg_namespace n ON n.nspname = w ->> 0
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w ->> 1`;

/** Types that every database has. Arrays are left out: they follow their elements. */
export const BUILTIN_TYPES = `
  SELECT n.nspname, t.typname
    FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
   WHERE n.nspname IN ('pg_catalog', 'information_schema')
     AND t.typtype IN ('b', 'd', 'e', 'r', 'm')
     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)`;

/** Types that extensions own. Source: PostgreSQL manual, "52.18. pg_depend" (deptype `e`). */
export const EXTENSION_TYPES = `
  SELECT x.extname, n.nspname, t.typname, t.typsend <> 0 AND t.typreceive <> 0
    FROM pg_catalog.pg_depend d
    JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
    JOIN pg_catalog.pg_type t ON t.oid = d.objid
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
   WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass
     AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
     AND d.deptype = 'e'`;

/**
 * A type as [schema, name, is array, typmod]; an array is named by its element, modifiers of users' types are left out. The aliases are
 * long because the arguments are expressions over the aliases of the query around.
 */
function refOf(typeOid: string, typmod: string): string {
  return `(
    SELECT pg_catalog.jsonb_build_array(
             named.nspname, COALESCE(element.typname, plain.typname), element.oid IS NOT NULL,
             CASE WHEN named.nspname = 'pg_catalog' THEN ${typmod} ELSE -1 END)
      FROM pg_catalog.pg_type plain
      LEFT JOIN pg_catalog.pg_type element ON element.typarray = plain.oid
      JOIN pg_catalog.pg_namespace named ON named.oid = COALESCE(element.typnamespace, plain.typnamespace)
     WHERE plain.oid = ${typeOid})`;
}

/**
 * Types of users in the schemas `$1` with the names `$2`, each with what it is made of as JSON:
 * enum: labels; domain: [base]; composite: [[name, type]…]; range: [subtype, operator class, collation]; null for anything that we
 * would not have made. Source: PostgreSQL manual, "52.64. pg_type", "52.42. pg_range", "52.20. pg_enum".
 */
export const USER_TYPES = `
  SELECT t.oid, n.nspname, t.typname, t.typtype, t.typsend <> 0 AND t.typreceive <> 0,
         COALESCE(c.relkind <> 'c', false),
         CASE t.typtype
           WHEN 'e' THEN (SELECT COALESCE(pg_catalog.jsonb_agg(l.enumlabel ORDER BY l.enumsortorder), '[]')
                            FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid)
           WHEN 'd' THEN CASE WHEN NOT t.typnotnull
                               AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid)
                              THEN pg_catalog.jsonb_build_array(${refOf('t.typbasetype', 't.typtypmod')}) END
           WHEN 'c' THEN CASE WHEN c.relkind = 'c' THEN
                         (SELECT COALESCE(pg_catalog.jsonb_agg(
                                   pg_catalog.jsonb_build_array(a.attname, ${refOf('a.atttypid', 'a.atttypmod')}) ORDER BY a.attnum), '[]')
                            FROM pg_catalog.pg_attribute a
                           WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END
           WHEN 'r' THEN CASE WHEN r.rngcanonical = 0 THEN pg_catalog.jsonb_build_array(
                           ${refOf('r.rngsubtype', '-1')},
                           (SELECT pg_catalog.jsonb_build_array(on_.nspname, o.opcname)
                              FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace on_ ON on_.oid = o.opcnamespace
                             WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
                           (SELECT pg_catalog.jsonb_build_array(cn.nspname, l.collname)
                              FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace cn ON cn.oid = l.collnamespace,
                                   pg_catalog.pg_type s
                             WHERE l.oid = r.rngcollation AND s.oid = r.rngsubtype AND s.typcollation <> l.oid)) END
         END,
         (SELECT pg_catalog.jsonb_build_array(mn.nspname, m.typname)
            FROM pg_catalog.pg_type m JOIN pg_catalog.pg_namespace mn ON mn.oid = m.typnamespace
           WHERE m.oid = (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::pg_catalog.oid)
    FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid
   WHERE n.nspname = ANY ($1::pg_catalog.text[])
     AND t.typname = ANY ($2::pg_catalog.text[])
     AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)`;

/** Columns of the relation `$1`: name, type, generated or not. */
export const COLUMNS = `
  SELECT a.attname, ${refOf('a.atttypid', 'a.atttypmod')}, a.attgenerated <> ''
    FROM pg_catalog.pg_attribute a
   WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
   ORDER BY a.attnum`;
