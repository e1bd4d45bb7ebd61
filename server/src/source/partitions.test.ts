import { describe, expect, test } from 'vitest';
import type { PartitionEdge, SourceLeaf } from '../model/table.ts';
import { diffPartitions, needsReload, wasRewritten } from './partitions.ts';

const ROOT = 100;

function edge(childOid: number, parentOid: number, createdInPlace: boolean, version = '1:0'): PartitionEdge {
  return { childOid, parentOid, version, createdInPlace };
}

function leaf(oid: number, lineage: readonly PartitionEdge[], relfilenode = oid): SourceLeaf {
  return { oid, schema: 'public', name: `leaf_${oid}`, relfilenode, pages: 1, lineage };
}

function kinds(before: readonly SourceLeaf[], after: readonly SourceLeaf[]): readonly string[] {
  return diffPartitions(before, after).map((event) => `${event.kind} ${event.leaf.oid}`);
}

describe('the difference between two reads of a partition tree', () => {
  const old = leaf(1, [edge(1, ROOT, false)]);

  test('is empty when nothing changed', () => {
    expect(diffPartitions([old], [old])).toEqual([]);
    expect(needsReload([])).toBe(false);
  });

  test('tells a partition that was created from one that was attached', () => {
    expect(kinds([old], [old, leaf(2, [edge(2, ROOT, true)])])).toEqual(['created 2']);
    expect(kinds([old], [old, leaf(2, [edge(2, ROOT, false)])])).toEqual(['attached 2']);
  });

  test('asks the whole way up: a leaf created in a subtree that was attached afterwards is attached', () => {
    const inAttached = leaf(3, [edge(3, 30, true), edge(30, ROOT, false)]);
    const inCreated = leaf(4, [edge(4, 40, true), edge(40, ROOT, true)]);
    expect(kinds([old], [old, inAttached, inCreated])).toEqual(['attached 3', 'created 4']);
  });

  test('trusts a subtree that was there before, however it came', () => {
    const first = leaf(3, [edge(3, 30, true), edge(30, ROOT, false)]);
    const second = leaf(5, [edge(5, 30, true), edge(30, ROOT, false)]);
    expect(kinds([first], [first, second])).toEqual(['created 5']);
  });

  test('sees that a partition was detached and attached again in between', () => {
    expect(kinds([old], [leaf(1, [edge(1, ROOT, false, '9:0')])])).toEqual(['attached 1']);
  });

  test('sees a new file, also of a partition that is new itself', () => {
    expect(kinds([old], [leaf(1, [edge(1, ROOT, false)], 77)])).toEqual(['rewritten 1']);
    expect(kinds([], [leaf(2, [edge(2, ROOT, true)], 77)])).toEqual(['rewritten 2']);
  });

  test('says what is gone, last', () => {
    expect(kinds([old], [leaf(2, [edge(2, ROOT, true)])])).toEqual(['created 2', 'detached_or_dropped 1']);
  });

  test('needs a reload unless every newcomer was created in place', () => {
    expect(needsReload(diffPartitions([old], [old, leaf(2, [edge(2, ROOT, true)])]))).toBe(false);
    expect(needsReload(diffPartitions([old], []))).toBe(true);
    expect(needsReload(diffPartitions([old], [old, leaf(2, [edge(2, ROOT, false)])]))).toBe(true);
  });
});

describe('a rewrite that the log says nothing of', () => {
  const before = { ...leaf(1, [], 10), columnsVersion: 'a' };

  test.each([
    ['a new file with new descriptions', 11, 'b', true],
    ['a new file alone', 11, 'a', false],
    ['new descriptions alone', 10, 'b', false],
    ['descriptions that are not known', 11, undefined, false],
  ])('%s', (_what, relfilenode, columnsVersion, expected) => {
    expect(wasRewritten([before], [{ ...before, relfilenode, columnsVersion }])).toBe(expected);
  });

  test('is looked for in each leaf by itself', () => {
    const [a, b] = [before, { ...before, oid: 2, relfilenode: 20 }];
    expect(
      wasRewritten(
        [a, b],
        [
          { ...a, relfilenode: 11 },
          { ...b, columnsVersion: 'b' },
        ],
      ),
    ).toBe(false);
    expect(wasRewritten([a], [a, { ...b, columnsVersion: 'b' }])).toBe(false);
  });
});
