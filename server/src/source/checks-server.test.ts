import { describe, expect, test } from 'vitest';
import { parseServerVersion } from '../pg/version.ts';
import type { SettingFacts, SourceFacts } from './checks-facts.ts';
import { checkFutureTables, checkServer, checkVersion } from './checks-server.ts';

function setting(value: string, number = Number(value), pendingRestart = false): SettingFacts {
  return { value, number, pendingRestart };
}

const SETTINGS = {
  wal_level: setting('logical', Number.NaN),
  max_replication_slots: setting('10'),
  max_wal_senders: setting('10'),
  wal_sender_timeout: setting('60000'),
  max_slot_wal_keep_size: setting('51200', 50 * 1024 ** 3),
};

type Changes = Partial<Omit<SourceFacts, 'settings'>> & { readonly settings?: Readonly<Record<string, SettingFacts>> };

function facts(changes: Changes): SourceFacts {
  const { settings, ...rest } = changes;
  return {
    version: parseServerVersion('170010'),
    encoding: 'UTF8',
    inRecovery: false,
    database: 'shop',
    role: { name: 'mill"race', superuser: false, mayReplicate: true },
    slotsInUse: 1,
    sendersInUse: 1,
    ownSlot: false,
    mayCreateInDatabase: true,
    longTransactions: [],
    ...rest,
    settings: new Map(Object.entries({ ...SETTINGS, ...settings })),
  };
}

/** What is wrong with a server that differs from a good one by `changes`. */
function problems(changes: Changes): readonly string[] {
  return checkServer(facts(changes))
    .filter((finding) => finding.status !== 'pass')
    .map((finding) => `${finding.status} ${finding.name}`);
}

describe('the verdicts about the source server', () => {
  test.each([
    ['a good server', {}, []],
    ['an old version', { version: parseServerVersion('120022') }, ['fail source_version_unsupported']],
    ['a standby of a version that can decode there', { inRecovery: true }, ['fail source_in_recovery']],
    ['an older standby', { version: parseServerVersion('150018'), inRecovery: true }, ['fail source_in_recovery']],
    ['a low wal_level', { settings: { wal_level: setting('replica', Number.NaN) } }, ['fail wal_level_not_logical']],
    ['no free slot', { slotsInUse: 10 }, ['fail no_free_slot']],
    ['no free slot but ours', { slotsInUse: 10, ownSlot: true }, []],
    ['no free sender', { sendersInUse: 10 }, ['fail no_free_sender']],
    ['a role that may not replicate', { role: { name: 'r', superuser: false, mayReplicate: false } }, ['fail replication_role_missing']],
    ['no declared encoding', { encoding: 'SQL_ASCII' }, ['warn text_not_decodable']],
    ['another encoding', { encoding: 'LATIN1' }, []],
    ['no sender timeout', { settings: { wal_sender_timeout: setting('0') } }, ['warn source_setting_risky']],
    ['a sender timeout of an hour', { settings: { wal_sender_timeout: setting('3600000') } }, ['warn source_setting_risky']],
    ['no limit of WAL', { settings: { max_slot_wal_keep_size: setting('-1') } }, ['warn source_setting_risky']],
    ['a tight limit of WAL', { settings: { max_slot_wal_keep_size: setting('64', 64 * 1024 ** 2) } }, ['warn source_setting_risky']],
    ['a timeout of idle slots', { settings: { idle_replication_slot_timeout: setting('3600', 3_600_000) } }, ['warn source_setting_risky']],
    [
      'a long transaction before the slot exists',
      { longTransactions: [{ pid: 7, gid: null, ageSeconds: 90, database: 'x' }] },
      ['warn slot_creation_blocked'],
    ],
    ['a long transaction after it exists', { ownSlot: true, longTransactions: [{ pid: 7, gid: null, ageSeconds: 90, database: 'x' }] }, []],
  ] as const)('%s', (_name, changes, expected) => {
    expect(problems(changes)).toEqual(expected);
  });

  test('say so when only a restart is missing', () => {
    const [found] = checkServer(facts({ settings: { wal_level: setting('replica', Number.NaN, true) } })).filter(
      (finding) => finding.status === 'fail',
    );
    expect(found).toMatchObject({ cause: 'wal_level is replica; another value waits for a restart', fix: 'Restart the server.' });
  });

  test('quote the role in what is to be pasted', () => {
    const role = { name: 'mill"race', superuser: false, mayReplicate: false };
    expect(checkServer(facts({ role })).find((finding) => finding.status === 'fail')?.fix).toBe(
      'ALTER ROLE "mill""race" WITH REPLICATION;',
    );
    expect(checkFutureTables(facts({}), [{ schema: 's', owner: 'app' }])[0]?.fix).toBe(
      'ALTER DEFAULT PRIVILEGES FOR ROLE "app" IN SCHEMA "s" GRANT SELECT ON TABLES TO "mill""race";',
    );
  });

  test('name the version', () => {
    expect(checkVersion({ version: parseServerVersion('150018') })).toMatchObject({
      status: 'pass',
      title: 'the source is PostgreSQL 15.18',
    });
  });
});
