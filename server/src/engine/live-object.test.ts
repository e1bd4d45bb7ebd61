// One function decides whose a change is; a wrong answer here is a lost or a doubled row.
import { describe, expect, test } from 'vitest';
import { TRANSITIONS, type ObjectState } from '../model/object-state.ts';
import { type Lsn, LSN_ZERO } from '../pg/lsn.ts';
import { parseSnapshot } from '../pg/snapshot.ts';
import { type LiveObject, neededFrom, overlaps, owns } from './live-object.ts';

const lsn = (position: number) => BigInt(position) as Lsn;
const at = (position: number, xid: number) => ({ finalLsn: lsn(position), xid });

describe('a transaction', () => {
  test('is owned when its commit record does not lie before what is applied', () => {
    const object = live({ applied: lsn(100) });
    expect([99, 100, 101].map((position) => owns(object, at(position, 5)))).toEqual([false, true, true]);
  });

  test('before the end of a hand-off is owned when the snapshot did not see it, and after it always', () => {
    const object = live({ handoff: { snapshot: parseSnapshot('20:30:20,25'), end: lsn(500), overlap: false } });
    expect([19, 20, 21, 25, 29, 30, 31].map((xid) => owns(object, at(499, xid)))).toEqual([false, true, false, true, false, true, true]);
    expect([19, 20, 21].map((xid) => owns(object, at(500, xid)))).toEqual([true, true, true]);
  });

  test('meets rows that may be newer only before the end of a resumed load', () => {
    const snapshot = parseSnapshot('20:30:');
    const resumed = live({ handoff: { snapshot, end: lsn(500), overlap: true } });
    const whole = live({ handoff: { snapshot, end: lsn(500), overlap: false } });
    expect([499, 500].map((position) => overlaps(resumed, lsn(position)))).toEqual([true, false]);
    expect([overlaps(whole, lsn(1)), overlaps(live({}), lsn(1))]).toEqual([false, false]);
  });
});

test('an object holds its place in the log in every state from which it goes on, and in no other', () => {
  const holds = (Object.keys(TRANSITIONS) as ObjectState[]).filter((state) => neededFrom(live({ state, applied: lsn(7) })) !== null);
  expect(holds.sort()).toEqual(['catching_up', 'copying', 'failed', 'paused', 'streaming']);
  expect(neededFrom(live({ state: 'failed', applied: LSN_ZERO }))).toBeNull();
});

function live(parts: Partial<LiveObject>): LiveObject {
  return {
    key: 'public.t',
    source: { schema: 'public', name: 't' },
    sourceOid: 1,
    state: 'streaming',
    applied: LSN_ZERO,
    handoff: null,
    expected: [],
    identity: [],
    deletes: 'hard',
    shape: null,
    ...parts,
  };
}
