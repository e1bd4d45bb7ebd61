import { describe, expect, test } from 'vitest';
import type { DestinationTable } from '../../model/destination-table.ts';
import { LSN_ZERO } from '../../pg/lsn.ts';
import { parseSnapshot } from '../../pg/snapshot.ts';
import type { CopyLeaf } from '../../source/chunks.ts';
import { type CopyFacts, decideCopy, type FinishedPiece, hasSingleKey, isComplete, type UnfinishedCopy } from './resume.ts';
import { NATIVE_LAYOUT } from '../../model/layout.ts';

const LEAF: CopyLeaf = { oid: 1, schema: 's', name: 't', relfilenode: 10, pages: 9, sizeBytes: 9, byPages: true, only: true };

function piece(fromPage: number, toPage: number | null): FinishedPiece {
  return { no: fromPage + 1, leafOid: 1, fromPage, toPage, rows: 1, bytes: 1 };
}

function unfinished(rest: Partial<UnfinishedCopy> = {}): UnfinishedCopy {
  const leaves = [{ oid: 1, relfilenode: 10 }];
  return { snapshotText: '800:900:800,850', endLsn: LSN_ZERO, leaves, finished: [piece(0, 3)], ...rest };
}

function facts(rest: Partial<CopyFacts> = {}): CopyFacts {
  return { hasSingleKey: true, leaves: [LEAF], snapshot: parseSnapshot('950:960:950'), ...rest };
}

describe('an interrupted load', () => {
  test('goes on where it stood, reading again what was written since the oldest transaction that it did not see', () => {
    expect(decideCopy(unfinished(), facts())).toMatchObject({ kind: 'resume', writtenSince: 800 });
  });

  test('names that transaction by the low 32 bits, which is what rows carry', () => {
    const old = unfinished({ snapshotText: `${2n ** 33n + 5n}:${2n ** 33n + 9n}:` });
    const snapshot = parseSnapshot(`${2n ** 33n + 20n}:${2n ** 33n + 20n}:`);
    expect(decideCopy(old, facts({ snapshot }))).toMatchObject({ kind: 'resume', writtenSince: 5 });
  });

  test('begins anew when there is nothing to keep', () => {
    expect(decideCopy(null, facts())).toEqual({ kind: 'fresh', reason: 'first_attempt' });
    expect(decideCopy(unfinished({ finished: [] }), facts())).toEqual({ kind: 'fresh', reason: 'nothing_finished' });
  });

  test('begins anew when rows have no key, or a second one that an old row could hold against a new one', () => {
    expect(decideCopy(unfinished(), facts({ hasSingleKey: false }))).toEqual({ kind: 'fresh', reason: 'no_single_key' });
  });

  test('begins anew when a leaf was rewritten, came or went: page numbers mean other rows then', () => {
    for (const leaves of [
      [{ ...LEAF, relfilenode: 11 }],
      [],
      [LEAF, { ...LEAF, oid: 2 }],
      [{ ...LEAF, oid: 2 }],
      [{ ...LEAF, byPages: false }],
    ]) {
      expect(decideCopy(unfinished(), facts({ leaves }))).toEqual({ kind: 'fresh', reason: 'relations_changed' });
    }
  });

  test('begins anew when so many transactions passed that their ages could not be told apart', () => {
    const snapshot = parseSnapshot('1600000000:1600000000:');
    expect(decideCopy(unfinished(), facts({ snapshot }))).toEqual({ kind: 'fresh', reason: 'too_long_ago' });
  });

  test('is complete when its pieces cover every leaf to the end, and not a page less', () => {
    expect(isComplete(unfinished({ finished: [piece(0, 3), piece(3, null)] }))).toBe(true);
    expect(isComplete(unfinished({ finished: [piece(3, null), piece(0, 2)] }))).toBe(false);
    expect(isComplete(unfinished({ finished: [piece(0, 3)] }))).toBe(false);
    expect(
      isComplete(
        unfinished({
          finished: [piece(0, null)],
          leaves: [
            { oid: 1, relfilenode: 10 },
            { oid: 2, relfilenode: 20 },
          ],
        }),
      ),
    ).toBe(false);
  });

  test('of a partitioned table without partitions is complete from the start', () => {
    expect(isComplete(unfinished({ leaves: [], finished: [] }))).toBe(true);
  });
});

describe('a single key', () => {
  const table = (rest: Partial<DestinationTable>): DestinationTable => ({
    schema: 's',
    name: 't',
    columns: [],
    excluded: [],
    metadata: [],
    layout: NATIVE_LAYOUT,
    primaryKey: [],
    uniqueKey: [],
    identity: { kind: 'none' },
    binarySafe: true,
    ...rest,
  });

  test('is a primary key or a replica identity index, but not both', () => {
    expect(hasSingleKey(table({ identity: { kind: 'key', columns: ['a'] }, primaryKey: ['a'] }))).toBe(true);
    expect(hasSingleKey(table({ identity: { kind: 'key', columns: ['b'] }, uniqueKey: ['b'] }))).toBe(true);
    expect(hasSingleKey(table({ identity: { kind: 'key', columns: ['b'] }, primaryKey: ['a'], uniqueKey: ['b'] }))).toBe(false);
  });

  test('is missing where rows are found by all their columns or not at all', () => {
    expect(hasSingleKey(table({ identity: { kind: 'full' } }))).toBe(false);
    expect(hasSingleKey(table({}))).toBe(false);
    expect(hasSingleKey(table({ primaryKey: ['a'] }))).toBe(false);
  });
});
