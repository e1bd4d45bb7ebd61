// The preflight's verdicts about the source server and our role on it. Pure: each takes the facts and gives one finding.
import { must } from '../lib/assert.ts';
import { type Finding, passed, problem } from '../model/finding.ts';
import { quoteIdent } from '../pg/ident.ts';
import { formatServerVersion, hasFeature } from '../pg/version.ts';
import { STANDBY_CAUSE } from './system.ts';
import type { LongTransaction, SettingFacts, SourceFacts, UnreadableFuture } from './checks-facts.ts';

/** All verdicts about the server, in the order in which a person would mend them. */
export function checkServer(facts: SourceFacts): readonly Finding[] {
  return SERVER_CHECKS.map((check) => check(facts));
}

/** Whether the server is too old for the other questions to be asked at all. */
export function checkVersion(facts: Pick<SourceFacts, 'version'>): Finding {
  const version = formatServerVersion(facts.version);
  if (hasFeature(facts.version, 'publishViaRoot')) return passed('source_version', `the source is PostgreSQL ${version}`);
  return problem('fail', 'source_version_unsupported', { cause: `the source is PostgreSQL ${version}` });
}

/** With `include_new_tables`: whether our role will be able to read tables that others make later. */
export function checkFutureTables(facts: SourceFacts, futures: readonly UnreadableFuture[]): readonly Finding[] {
  if (futures.length === 0) return [passed('source_new_tables', 'new tables will be readable')];
  return futures.map((future) =>
    problem('warn', 'select_missing', {
      cause: `role ${facts.role.name} will not be able to read tables that ${future.owner} makes in schema ${future.schema}`,
      fix: `ALTER DEFAULT PRIVILEGES FOR ROLE ${quoteIdent(future.owner)} IN SCHEMA ${quoteIdent(future.schema)} GRANT SELECT ON TABLES TO ${quoteIdent(facts.role.name)};`,
    }),
  );
}

const SERVER_CHECKS: readonly ((facts: SourceFacts) => Finding)[] = [
  checkVersion,
  checkRecovery,
  checkWalLevel,
  checkSlots,
  checkSenders,
  checkReplicationRole,
  checkEncoding,
  checkSenderTimeout,
  checkSlotWalLimit,
  checkIdleSlotTimeout,
  checkLongTransactions,
];

function checkRecovery(facts: SourceFacts): Finding {
  if (!facts.inRecovery) return passed('source_primary', 'the source is a primary');
  return problem('fail', 'source_in_recovery', { cause: STANDBY_CAUSE });
}

function checkWalLevel(facts: SourceFacts): Finding {
  const setting = settingOf(facts, 'wal_level');
  if (setting.value === 'logical') return passed('source_wal_level', 'wal_level is logical');
  return setting.pendingRestart
    ? problem('fail', 'wal_level_not_logical', {
        cause: `wal_level is ${setting.value}; another value waits for a restart`,
        fix: 'Restart the server.',
      })
    : problem('fail', 'wal_level_not_logical', { cause: `wal_level is ${setting.value}` });
}

function checkSlots(facts: SourceFacts): Finding {
  const limit = settingOf(facts, 'max_replication_slots').number;
  const use = `${facts.slotsInUse} of ${limit} replication slots are in use`;
  if (facts.ownSlot || facts.slotsInUse < limit) return passed('source_slots', use);
  const fix = `ALTER SYSTEM SET max_replication_slots = ${limit + HEADROOM}; then restart the server. Or drop a slot that nobody uses.`;
  return problem('fail', 'no_free_slot', { cause: use, fix });
}

function checkSenders(facts: SourceFacts): Finding {
  const limit = settingOf(facts, 'max_wal_senders').number;
  const use = `${facts.sendersInUse} of ${limit} WAL senders are in use`;
  if (facts.sendersInUse < limit) return passed('source_senders', use);
  return problem('fail', 'no_free_sender', {
    cause: use,
    fix: `ALTER SYSTEM SET max_wal_senders = ${limit + HEADROOM}; then restart the server.`,
  });
}

function checkReplicationRole(facts: SourceFacts): Finding {
  const { name, mayReplicate } = facts.role;
  if (mayReplicate) return passed('source_replication_role', `role ${name} may replicate`);
  return problem('fail', 'replication_role_missing', {
    cause: `role ${JSON.stringify(name)} may not start replication`,
    fix: `ALTER ROLE ${quoteIdent(name)} WITH REPLICATION;`,
  });
}

function checkEncoding(facts: SourceFacts): Finding {
  if (facts.encoding !== 'SQL_ASCII') return passed('source_encoding', `the source's encoding is ${facts.encoding}`);
  return problem('warn', 'text_not_decodable', {
    cause: 'the source declares no encoding (SQL_ASCII): bytes that are not UTF-8 stop the object that holds them',
    fix: 'Make sure that all text is UTF-8, or move to a database with an encoding.',
  });
}

function checkSenderTimeout(facts: SourceFacts): Finding {
  const timeout = settingOf(facts, 'wal_sender_timeout').number;
  if (timeout === 0 || timeout > LONGEST_SENDER_TIMEOUT_MS) {
    return problem('warn', 'source_setting_risky', {
      cause: `wal_sender_timeout is ${timeout === 0 ? 'off' : `${timeout / 1000} s`}: a connection that died holds the slot for that long`,
      fix: "ALTER SYSTEM SET wal_sender_timeout = '60s'; SELECT pg_catalog.pg_reload_conf();",
    });
  }
  return passed('source_sender_timeout', `wal_sender_timeout is ${timeout / 1000} s`);
}

function checkSlotWalLimit(facts: SourceFacts): Finding {
  const limit = settingOf(facts, 'max_slot_wal_keep_size').number;
  if (limit < 0) {
    return problem('warn', 'source_setting_risky', {
      cause: 'max_slot_wal_keep_size is off: while the pipeline is stopped, the source keeps WAL until its disk is full',
      fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_catalog.pg_reload_conf(); (choose what the disk can spare)",
    });
  }
  if (limit < SMALLEST_WAL_LIMIT_BYTES) {
    return problem('warn', 'source_setting_risky', {
      cause: `max_slot_wal_keep_size is ${limit / 1024 ** 2} MB: a short outage is enough to lose the slot`,
      fix: "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_catalog.pg_reload_conf(); (choose what the disk can spare)",
    });
  }
  return passed('source_slot_wal_limit', `max_slot_wal_keep_size is ${limit / 1024 ** 2} MB`);
}

function checkIdleSlotTimeout(facts: SourceFacts): Finding {
  const timeout = facts.settings.get('idle_replication_slot_timeout')?.number ?? 0;
  if (timeout === 0) return passed('source_idle_slot_timeout', 'idle slots are kept');
  return problem('warn', 'source_setting_risky', {
    cause: `idle_replication_slot_timeout is ${timeout / 1000} s: a pipeline that is stopped for longer loses its slot`,
    fix: 'ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_catalog.pg_reload_conf();',
  });
}

function checkLongTransactions(facts: SourceFacts): Finding {
  const [oldest] = facts.longTransactions;
  if (facts.ownSlot || oldest === undefined) return passed('source_long_transactions', 'no long transaction delays the slot');
  return problem('warn', 'slot_creation_blocked', {
    cause: `the slot will have to wait for ${facts.longTransactions.map(describeLong).join(', ')}`,
    fix:
      oldest.gid === null
        ? `Wait, or: SELECT pg_catalog.pg_terminate_backend(${oldest.pid});`
        : `COMMIT PREPARED or ROLLBACK PREPARED in database ${oldest.database}; its name is ${JSON.stringify(oldest.gid)}.`,
  });
}

const HEADROOM = 10;
const LONGEST_SENDER_TIMEOUT_MS = 600_000;
const SMALLEST_WAL_LIMIT_BYTES = 1024 ** 3;

function describeLong(transaction: LongTransaction): string {
  const who = transaction.gid === null ? `process ${transaction.pid}` : `prepared transaction ${JSON.stringify(transaction.gid)}`;
  return `${who} in database ${transaction.database} (open for ${transaction.ageSeconds} s)`;
}

function settingOf(facts: SourceFacts, name: string): SettingFacts {
  return must(facts.settings.get(name), `the setting ${name}`);
}
