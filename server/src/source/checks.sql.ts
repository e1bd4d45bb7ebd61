// What the preflight asks the source. Everything is readable by an ordinary role; what it may not see comes back as NULL.

/** $1 text: our slot. One row about the server, the role and what is in use. */
export const SERVER_FACTS_SQL = `
SELECT pg_catalog.current_setting('server_version_num'),
       pg_catalog.current_setting('server_encoding'),
       pg_catalog.pg_is_in_recovery(),
       pg_catalog.current_database(),
       r.rolname, r.rolsuper, r.rolreplication,
       EXISTS (
         SELECT FROM pg_catalog.pg_roles AS managed
         WHERE managed.rolname = ANY (ARRAY['rds_replication', 'rds_superuser', 'azure_pg_admin', 'alloydbsuperuser'])
           AND pg_catalog.pg_has_role(managed.oid, 'USAGE')
       ) AS managed_replication,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) AS slots,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS senders,
       EXISTS (SELECT FROM pg_catalog.pg_replication_slots AS s WHERE s.slot_name = $1) AS own_slot,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create
FROM pg_catalog.pg_roles AS r
WHERE r.rolname = CURRENT_USER`;

/** One row per setting that matters; `setting` is in `unit`. Source: PostgreSQL manual, "54.24. pg_settings". */
export const SETTINGS_SQL = `
SELECT s.name, s.setting, s.unit, s.pending_restart
FROM pg_catalog.pg_settings AS s
WHERE s.name IN ('wal_level', 'max_replication_slots', 'max_wal_senders', 'wal_sender_timeout', 'max_slot_wal_keep_size',
                 'idle_replication_slot_timeout')`;

/** $1 int: seconds. Transactions that have written and have been open for longer, the oldest first. */
export const LONG_TRANSACTIONS_SQL = `
SELECT long.pid, long.gid, long.age_seconds, long.database
FROM (
  SELECT a.pid, NULL::pg_catalog.text AS gid, a.datname AS database,
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8 AS age_seconds
  FROM pg_catalog.pg_stat_activity AS a
  WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()
  UNION ALL
  SELECT NULL, p.gid, p.database,
         pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared)::pg_catalog.int8
  FROM pg_catalog.pg_prepared_xacts AS p
) AS long
WHERE long.age_seconds > $1
ORDER BY long.age_seconds DESC
LIMIT 20`;

/**
 * $1 text[]: schemas. Owners of tables there whose future tables our role will not be able to read, because no default privilege
 * of theirs says so. Source: manual, "52.9. pg_default_acl".
 */
export const FUTURE_TABLES_SQL = `
SELECT owned.nspname, pg_catalog.pg_get_userbyid(owned.relowner)
FROM (
  SELECT DISTINCT n.oid AS nspoid, n.nspname, c.relowner
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1::pg_catalog.text[])
) AS owned
WHERE NOT pg_catalog.pg_has_role(owned.relowner, 'USAGE')
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_roles AS reader
    WHERE reader.rolname = 'pg_read_all_data' AND pg_catalog.pg_has_role(reader.oid, 'USAGE')
  )
  AND NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_default_acl AS d
    CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS granted
    WHERE d.defaclrole = owned.relowner AND d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, owned.nspoid)
      AND granted.privilege_type = 'SELECT'
      AND (granted.grantee = 0 OR pg_catalog.pg_has_role(granted.grantee, 'USAGE'))
  )
ORDER BY owned.nspname, 2`;

/** Whether the settings that every session of ours begins with are in effect, and which server process answers. */
export const SESSION_FACTS_SQL = `
SELECT pg_catalog.pg_backend_pid(),
       pg_catalog.current_setting('search_path') = '' AND pg_catalog.current_setting('row_security') = 'off'
         AND pg_catalog.current_setting('extra_float_digits') = '3' AND pg_catalog.current_setting('timezone') = 'UTC'`;
