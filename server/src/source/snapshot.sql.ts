// The statements that fix the moment of a historical load and say what the table is at that moment.
import { type QualifiedName, quoteName } from '../pg/ident.ts';
import { columnsVersionSql } from './catalog.sql.ts';

export const BEGIN_SNAPSHOT = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/**
 * The lock that SELECT takes, on a partitioned table with all that hangs below it. LOCK TABLE takes no snapshot, so the one that the
 * next statement takes sees everything that was done under stronger locks before.
 */
export function lockTable(table: QualifiedName, relkind: 'r' | 'p'): string {
  return `LOCK TABLE ${relkind === 'p' ? '' : 'ONLY '}${quoteName(table)} IN ACCESS SHARE MODE`;
}

/**
 * The snapshot that all rows are read in. The WAL position is read after it was taken: what the snapshot sees committed before that.
 */
export const TAKE_SNAPSHOT = `
  SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text,
         pg_catalog.pg_current_wal_insert_lsn()::pg_catalog.text,
         pg_catalog.pg_export_snapshot(),
         pg_catalog.current_setting('server_version_num'),
         pg_catalog.statement_timestamp()::pg_catalog.text`;

/** The relation under OID `$1` and all partitions below it. */
export const RELATIONS = `
  WITH RECURSIVE tree (oid) AS (
    SELECT $1::pg_catalog.oid
    UNION ALL
    SELECT i.inhrelid
      FROM tree
      JOIN pg_catalog.pg_class AS parent ON parent.oid = tree.oid AND parent.relkind = 'p'
      JOIN pg_catalog.pg_inherits AS i ON i.inhparent = tree.oid
  )
  SELECT c.oid, c.relkind, n.nspname, c.relname,
         coalesce(pg_catalog.pg_relation_filenode(c.oid), 0),
         coalesce(pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8, 0),
         coalesce(pg_catalog.pg_table_size(c.oid), 0),
         coalesce(am.amname = 'heap', false),
         CASE WHEN c.relkind = 'r' THEN ${columnsVersionSql('c.oid')} END
    FROM tree
    JOIN pg_catalog.pg_class AS c ON c.oid = tree.oid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam`;

/** The columns of the relation `$1`. */
export const COLUMNS = `
  SELECT attnum, attname, atttypid, atttypmod
    FROM pg_catalog.pg_attribute
   WHERE attrelid = $1::pg_catalog.oid AND attnum > 0 AND NOT attisdropped
   ORDER BY attnum`;

/**
 * Settings that exist only on some versions, by name and value. Timeouts of a role must not end a long load, and a table
 * that was replaced by a view must not make us run the view's functions.
 */
export const GUARD_SETTINGS = `
  SELECT pg_catalog.set_config(s.name, wanted.value, false)
    FROM (VALUES ('transaction_timeout', '0'),
                 ('idle_session_timeout', '0'),
                 ('restrict_nonsystem_relation_kind', 'view, foreign-table')) AS wanted (name, value)
    JOIN pg_catalog.pg_settings AS s ON s.name = wanted.name`;

/** Whether somebody waits for a lock that only our ACCESS SHARE lock on the snapshot's relations withholds: DDL, TRUNCATE. */
export const IS_IN_THE_WAY = `
  SELECT EXISTS (
    SELECT FROM pg_catalog.pg_locks AS held
      JOIN pg_catalog.pg_locks AS wanted
        ON wanted.locktype = 'relation' AND wanted.database = held.database AND wanted.relation = held.relation
       AND NOT wanted.granted AND wanted.mode = 'AccessExclusiveLock'
     WHERE held.pid = pg_catalog.pg_backend_pid() AND held.locktype = 'relation' AND held.granted)`;

/** Ends the statements of other sessions of ours. */
export const CANCEL_BACKENDS = 'SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.unnest($1::pg_catalog.int4[]) AS pid';
