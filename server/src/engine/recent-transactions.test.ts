// A transaction that the stream brought but a new snapshot does not see yet would be applied by neither.
import { expect, test } from 'vitest';
import { parseSnapshot } from '../pg/snapshot.ts';
import { RecentTransactions } from './recent-transactions.ts';

test('a transaction that was brought and still counts as running is found, across the wraparound of ids too', () => {
  const recent = new RecentTransactions();
  for (const xid of [100, 4294967290, 5]) recent.add(xid);
  expect(recent.hasRunning(parseSnapshot('100:110:100'))).toBe(true);
  expect(recent.hasRunning(parseSnapshot('101:110:101,105'))).toBe(false);
  expect(recent.hasRunning(parseSnapshot('110:110:'))).toBe(false);
  expect(recent.hasRunning(parseSnapshot('4294967290:4294967310:4294967290'))).toBe(true);
  expect(recent.hasRunning(parseSnapshot('4294967301:4294967310:4294967301'))).toBe(true);
});

test('the last million are remembered', () => {
  const recent = new RecentTransactions();
  recent.add(7);
  for (let n = 0; n < (1 << 20) - 1; n++) recent.add(1000 + n);
  expect(recent.hasRunning(parseSnapshot('7:8:7'))).toBe(true);
  recent.add(5);
  expect(recent.hasRunning(parseSnapshot('7:8:7'))).toBe(false);
});
