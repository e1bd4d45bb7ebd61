import { describe, expect, test } from 'vitest';
import type { ObjectRecord } from '../../destination/state-records.ts';
import { layoutSignature, NATIVE_LAYOUT } from '../../model/layout.ts';
import { Mends, mayBeMended } from './mends.ts';

describe('an object that its destination refused', () => {
  test('is tried again when its table has changed, and not before', () => {
    const mends = new Mends();
    expect(mends.due([failed()], shapes('a'), 0)).toEqual([]);
    expect(mends.due([failed()], shapes('a'), 2_000)).toEqual([]);
    expect(mends.due([failed()], shapes('b'), 4_000)).toHaveLength(1);
    expect(mends.due([failed()], shapes('b'), 6_000)).toEqual([]);
  });

  test('is tried from time to time without a change, more and more seldom', () => {
    const mends = new Mends();
    const triedAtSeconds: number[] = [];
    for (let second = 0; second <= 3_600; second++) {
      // Every try fails at once.
      for (const look of [0, 1]) {
        if (mends.due([failed()], shapes('a'), second * 1_000 + look).length > 0) triedAtSeconds.push(second);
      }
    }
    expect(triedAtSeconds).toEqual([8, 24, 57, 121, 250, 506, 1019, 1919, 2820]);
  });

  test('and failed for another reason is left to its operator', () => {
    expect(mayBeMended(failed())).toBe(true);
    expect(mayBeMended({ ...failed(), reason: { name: 'type_refused', code: '', cause: '', fix: '' } })).toBe(false);
    expect(mayBeMended({ ...failed(), state: 'paused' })).toBe(false);
  });
});

function shapes(shape: string): ReadonlyMap<number, string> {
  return new Map([[7, shape]]);
}

function failed(): ObjectRecord {
  return {
    source: { schema: 's', name: 't' },
    sourceOid: 1,
    state: 'failed',
    desired: 'included',
    restartRequested: false,
    resumeRequested: false,
    reason: { name: 'row_rejected', code: '2062', cause: '', fix: '' },
    destination: { schema: 's', name: 't' },
    destinationOid: 7,
    columns: null,
    identity: null,
    snapshot: null,
    snapshotLsn: null,
    appliedLsn: null,
    overlap: false,
    leaves: null,
    published: null,
    layout: layoutSignature(NATIVE_LAYOUT),
    copyGeneration: 0,
    counters: { rowsCopied: 0n, bytesCopied: 0n, inserted: 0n, updated: 0n, deleted: 0n, truncated: 0n },
  };
}
