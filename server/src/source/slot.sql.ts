// Statements about replication slots. Source: PostgreSQL manual, "54.19. pg_replication_slots", "53.4. Streaming Replication Protocol".
import { quoteIdent } from '../pg/ident.ts';
import { hasFeature, type ServerVersion } from '../pg/version.ts';

/** $1 text: name. One row, or none. */
export function slotSql(version: ServerVersion): string {
  return `
SELECT s.slot_type, s.plugin, s.database = pg_catalog.current_database() AS here, s.temporary, s.active_pid,
       s.restart_lsn, s.confirmed_flush_lsn, s.wal_status, s.safe_wal_size,
       ${hasFeature(version, 'failoverSlots') ? 's.invalidation_reason' : 'NULL'} AS invalidation_reason,
       ${hasFeature(version, 'slotConflicting') ? 's.conflicting' : 'false'} AS conflicting,
       pg_catalog.pg_wal_lsn_diff(${CURRENT_LSN}, s.restart_lsn)::pg_catalog.int8 AS retained_bytes,
       ${version.major >= SLOT_STATISTICS_MAJOR ? DECODED_TRANSACTIONS : 'NULL'} AS decoded_transactions
FROM pg_catalog.pg_replication_slots AS s
WHERE s.slot_name = $1`;
}

/** Where the server's log ends: on a standby, what it has replayed. */
export const CURRENT_LSN = `CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
     ELSE pg_catalog.pg_current_wal_flush_lsn() END`;

/** `total_txns` of `pg_stat_replication_slots`. */
const SLOT_STATISTICS_MAJOR = 14;
const DECODED_TRANSACTIONS = `(
         SELECT statistics.total_txns FROM pg_catalog.pg_stat_replication_slots AS statistics WHERE statistics.slot_name = s.slot_name
       )`;

/** $1 text: name. */
export const DROP_SLOT_SQL = 'SELECT pg_catalog.pg_drop_replication_slot($1)';

/** $1 int: process id. */
export const TERMINATE_SQL = 'SELECT pg_catalog.pg_terminate_backend($1::pg_catalog.int4)';
export const CANCEL_SQL = 'SELECT pg_catalog.pg_cancel_backend($1::pg_catalog.int4)';

/**
 * The replication command that makes the slot and exports the snapshot of its first position. `failover`: let standbys keep a
 * copy of the slot (17 and later).
 */
export function createSlotCommand(name: string, version: ServerVersion, failover: boolean): string {
  const command = `CREATE_REPLICATION_SLOT ${quoteIdent(name)} LOGICAL pgoutput`;
  if (!hasFeature(version, 'slotOptionsInParentheses')) return `${command} EXPORT_SNAPSHOT`;
  return `${command} (SNAPSHOT 'export'${failover && hasFeature(version, 'failoverSlots') ? ', FAILOVER true' : ''})`;
}

/** $1 int: the process that creates a slot. The transactions that it waits for right now. */
export const SLOT_BLOCKERS_SQL = `
WITH locks AS MATERIALIZED (
  SELECT l.pid, l.transactionid, l.granted
  FROM pg_catalog.pg_locks AS l
  WHERE l.locktype = 'transactionid'
)
SELECT holder.transactionid, holder.pid, p.gid,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - COALESCE(a.xact_start, p.prepared))::pg_catalog.int8 AS age_seconds,
       COALESCE(a.datname, p.database) AS database, COALESCE(a.usename, p.owner) AS role, a.application_name, a.state
FROM locks AS waiting
JOIN locks AS holder ON holder.transactionid = waiting.transactionid AND holder.granted
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = holder.pid
LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction = holder.transactionid
WHERE waiting.pid = $1::pg_catalog.int4 AND NOT waiting.granted`;
