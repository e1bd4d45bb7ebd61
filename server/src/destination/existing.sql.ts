// What must be known of a table that somebody else made before anything is written to it, and the mark that it is theirs.
// Source: PostgreSQL manual, "52.11. pg_class", "52.7. pg_attribute", "52.26. pg_index".
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';
import { STATE_SCHEMA } from './names.ts';

const OBJECT = `${quoteIdent(STATE_SCHEMA)}.object`;

/** One row about the relation `$1`: its kind, what our role lacks on it, and what watches its rows. */
export const EXISTING_TABLE = `
  SELECT c.relkind, c.relpersistence,
         c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid OR h.inhrelid = c.oid),
         pg_catalog.array_to_json(ARRAY(
           SELECT p.name FROM pg_catalog.unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (name)
            WHERE NOT pg_catalog.has_table_privilege(c.oid, p.name))),
         c.relkind = 'r' AND pg_catalog.row_security_active(c.oid),
         pg_catalog.array_to_json(ARRAY(
           SELECT 'trigger ' || t.tgname FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal
           UNION ALL
           SELECT 'rule ' || r.rulename FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN'
           UNION ALL
           SELECT 'foreign key ' || k.conname FROM pg_catalog.pg_constraint k WHERE k.contype = 'f' AND c.oid IN (k.conrelid, k.confrelid)
           UNION ALL
           SELECT 'check ' || k.conname FROM pg_catalog.pg_constraint k WHERE k.contype = 'c' AND k.conrelid = c.oid
           ORDER BY 1)),
         EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
    FROM pg_catalog.pg_class c
   WHERE c.oid = $1::pg_catalog.oid`;

/** What the columns of the table `$1` demand of a row, in the order of `readColumns`. */
export const EXISTING_COLUMNS = `
  SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
         a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '', a.attidentity = 'a',
         CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END
    FROM pg_catalog.pg_attribute a
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped
   ORDER BY a.attnum`;

/** The unique indexes of the table `$1` that rows can be found by: their columns by name as JSON. */
export const EXISTING_KEYS = `
  SELECT (SELECT pg_catalog.jsonb_agg(a.attname)
            FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]))
    FROM pg_catalog.pg_index i
   WHERE i.indrelid = $1::pg_catalog.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
     -- Two keys of the source could be one key here.
     AND NOT EXISTS (
       SELECT FROM pg_catalog.unnest(i.indcollation::pg_catalog.oid[]) AS used (oid)
         JOIN pg_catalog.pg_collation l ON l.oid = used.oid
        WHERE NOT l.collisdeterministic)`;

export function holdsRows(table: QualifiedName): string {
  return `SELECT EXISTS (SELECT FROM ONLY ${quoteName(table)})`;
}

/** Writes down whether (`$4`) the table of the object `$1`, `$2`, `$3` was there before us. */
export const MARK_ADOPTED = `
  UPDATE ${OBJECT} SET adopted = $4 WHERE pipeline = $1 AND source_schema = $2 AND source_name = $3`;

/** Whether some object has the table `$1` that others made. */
export const IS_ADOPTED = `SELECT EXISTS (SELECT FROM ${OBJECT} WHERE destination_oid = $1::pg_catalog.oid AND adopted)`;
