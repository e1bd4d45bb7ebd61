import { describe, expect, test } from 'vitest';
import { connectError } from './connect-error.ts';

const SETTINGS = { host: 'db', port: 5432, database: 'shop', user: 'millrace' };

function nameOf(code: string, message: string, replication?: 'database'): string {
  const error = Object.assign(new Error(message), { severity: 'FATAL', code });
  return connectError(error, SETTINGS, { side: 'source', replication }).errorName;
}

describe('a connection that is refused', () => {
  test.each([
    ['08P01', 'unsupported startup parameter: options', undefined, 'pooler_in_between'],
    ['08P01', 'unsupported startup parameter in options: search_path', undefined, 'pooler_in_between'],
    ['08P01', 'invalid startup packet layout', undefined, 'connection_settings_rejected'],
    ['53300', 'number of requested standby connections exceeds "max_wal_senders" (currently 10)', 'database', 'no_free_sender'],
    ['53300', 'number of requested standby connections exceeds max_wal_senders (currently 10)', 'database', 'no_free_sender'],
    ['53300', 'sorry, too many clients already', 'database', 'connection_lost'],
    ['53300', 'sorry, too many clients already', undefined, 'connection_lost'],
    ['57P01', 'terminating connection due to unexpected postmaster exit', undefined, 'connection_lost'],
    ['57P02', 'the database system is in recovery mode', 'database', 'connection_lost'],
    ['57P03', 'the database system is starting up', undefined, 'connection_lost'],
    ['53100', 'could not write init file: No space left on device', undefined, 'connection_lost'],
    ['58030', 'could not read file "global/pg_filenode.map"', undefined, 'connection_lost'],
    ['22023', 'invalid value for parameter "TimeZone"', undefined, 'connection_settings_rejected'],
    ['28000', 'no pg_hba.conf entry for host "10.0.0.1"', undefined, 'no_hba_entry'],
    ['28P01', 'password authentication failed for user "millrace"', undefined, 'authentication_failed'],
  ] as const)('with %s "%s" (replication: %s) is %s', (code, message, replication, name) => {
    expect(nameOf(code, message, replication)).toBe(name);
  });
});
