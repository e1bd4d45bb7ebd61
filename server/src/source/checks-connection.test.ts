import { describe, expect, test } from 'vitest';
import { MillraceError } from '../model/error.ts';
import { judgeDirectness, replicationProblem } from './checks-connection.ts';

describe('whether a connection reaches the server itself', () => {
  test.each([
    ['one process, our settings', { announcedPid: 7, pids: [7, 7, 7], settingsInEffect: true }, 'source_direct'],
    ['a process that was not announced', { announcedPid: 1, pids: [7, 7, 7], settingsInEffect: true }, 'pooler_in_between'],
    ['another process later on', { announcedPid: 7, pids: [7, 8, 7], settingsInEffect: true }, 'pooler_in_between'],
    ['settings that were dropped', { announcedPid: 7, pids: [7, 7, 7], settingsInEffect: false }, 'pooler_in_between'],
  ])('%s', (_name, facts, expected) => {
    expect(judgeDirectness(facts).name).toBe(expected);
  });
});

describe('why replication is refused', () => {
  test.each([
    ['42501', 'replication_role_missing', 'replication_role_missing', 'ALTER ROLE "u" WITH REPLICATION;'],
    ['42501', 'database_missing', 'replication_access_denied', 'GRANT CONNECT ON DATABASE "d" TO "u";'],
    ['28000', 'no_hba_entry', 'no_hba_entry', undefined],
    ['53300', 'connection_lost', 'no_free_sender', undefined],
    ['42601', 'unexpected', 'pooler_in_between', undefined],
    ['08P01', 'connection_settings_rejected', 'pooler_in_between', undefined],
    [undefined, 'connection_failed', 'connection_failed', undefined],
  ] as const)('%s as %s is %s', (sqlstate, errorName, expected, fix) => {
    const finding = replicationProblem(new MillraceError(errorName, { cause: 'why', sqlstate }), { user: 'u', database: 'd' });
    expect(finding).toMatchObject({ status: 'fail', name: expected, cause: 'why', sqlstate: sqlstate ?? null });
    if (fix !== undefined) expect(finding.fix).toBe(fix);
  });
});
