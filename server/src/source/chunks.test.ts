import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Chunk, type CopyLeaf, missingRanges, planChunks } from './chunks.ts';

const PAGE_BYTES = 8192;

function leaf(oid: number, pages: number, rest: Partial<CopyLeaf> = {}): CopyLeaf {
  const name = `leaf_${oid}`;
  return { oid, schema: 's', name, relfilenode: oid, pages, sizeBytes: pages * PAGE_BYTES, byPages: true, only: true, ...rest };
}

/** How often each page below `pages` is covered, and each page at and after it. */
function coverage(chunks: readonly Chunk[], leafOid: number, pages: number): readonly number[] {
  const counts = Array.from({ length: pages + 2 }, () => 0);
  for (const chunk of chunks.filter((piece) => piece.leafOid === leafOid)) {
    const end = Math.min(chunk.toPage ?? Number.POSITIVE_INFINITY, counts.length);
    for (let page = chunk.fromPage; page < end; page++) counts[page] = (counts[page] ?? 0) + 1;
  }
  return counts;
}

describe('the plan of a load', () => {
  test('takes a small table as a whole', () => {
    expect(planChunks([leaf(7, 100)], { tidRangeScans: true })).toEqual([{ no: 1, leafOid: 7, fromPage: 0, toPage: null }]);
  });

  test('takes an empty table as a whole: rows may have come since its size was read', () => {
    expect(planChunks([leaf(7, 0)], { tidRangeScans: true })).toEqual([{ no: 1, leafOid: 7, fromPage: 0, toPage: null }]);
  });

  test('cuts a large table into equal parts, the last of them open', () => {
    const chunks = planChunks([leaf(7, 10)], { tidRangeScans: true, chunkBytes: 4 * PAGE_BYTES });
    expect(chunks.map(({ fromPage, toPage }) => [fromPage, toPage])).toEqual([
      [0, 3],
      [3, 7],
      [7, null],
    ]);
  });

  test('counts values stored out of line: few pages may stand for many bytes', () => {
    const chunks = planChunks([leaf(7, 4, { sizeBytes: 400_000_000 })], { tidRangeScans: true, chunkBytes: 100_000_000 });
    expect(chunks).toHaveLength(4);
  });

  test('makes larger pieces of a huge table rather than ever more of them', () => {
    const chunks = planChunks([leaf(7, 4_000_000_000)], { tidRangeScans: true });
    expect(chunks.length).toBeLessThanOrEqual(2_000);
    expect(chunks.length).toBeGreaterThan(1_900);
  });

  test('takes each leaf as a whole where a page range would be read by scanning it all', () => {
    expect(planChunks([leaf(7, 10_000), leaf(8, 20_000)], { tidRangeScans: false })).toEqual([
      { no: 1, leafOid: 8, fromPage: 0, toPage: null },
      { no: 2, leafOid: 7, fromPage: 0, toPage: null },
    ]);
    expect(planChunks([leaf(7, 10_000, { byPages: false })], { tidRangeScans: true })).toHaveLength(1);
  });

  test('goes on with numbers that no finished piece has', () => {
    const finished = [{ no: 5, leafOid: 7, fromPage: 0, toPage: 50 }];
    expect(planChunks([leaf(7, 100)], { tidRangeScans: true, finished })).toEqual([{ no: 6, leafOid: 7, fromPage: 50, toPage: null }]);
  });

  test('covers every page of every leaf exactly once, however the table grew since a part of it was finished', () => {
    const anyLeaves = fc.uniqueArray(fc.record({ oid: fc.integer({ min: 1, max: 9 }), pages: fc.nat(60) }), { selector: ({ oid }) => oid });
    const property = fc.property(
      anyLeaves,
      fc.nat(40),
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
      (sizes, growth, firstPages, secondPages, kept) => {
        const before = sizes.map(({ oid, pages }) => leaf(oid, pages));
        const after = sizes.map(({ oid, pages }) => leaf(oid, pages + growth));
        const first = planChunks(before, { tidRangeScans: true, chunkBytes: firstPages * PAGE_BYTES });
        const finished = first.filter((_, index) => kept[index % kept.length]);
        const rest = planChunks(after, { tidRangeScans: true, chunkBytes: secondPages * PAGE_BYTES, finished });
        for (const plan of [first, [...finished, ...rest]]) {
          expect(new Set(plan.map(({ no }) => no)).size).toBe(plan.length);
          for (const { oid, pages } of after) expect(coverage(plan, oid, pages)).toEqual(Array.from({ length: pages + 2 }, () => 1));
        }
        for (const { oid } of after) expect(missingRanges(oid, [...finished, ...rest])).toEqual([]);
      },
    );
    fc.assert(property);
  });
});
