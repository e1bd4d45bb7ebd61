import { expect, test } from 'vitest';
import { brokenPromises, count, emptyTally, renderLane } from './report.ts';

test('a lane is one line with what was done, how long it took and whether it held', () => {
  const tally = { ...emptyTally(), resumeMs: [1_000, 3_000, 2_000], checks: 2, rowsCompared: 50 };
  count(tally, 'kills -9');
  count(tally, 'kills -9');
  expect(renderLane({ lane: 'kills', tally, seconds: 12.4, failure: null })).toBe(
    'kills       held      12 s · 2 kills -9 · resumed 2.00 / 3.00 / 3.00 s (median, 90 %, most of 3) · caught up – · 2 comparisons of 50 rows',
  );
});

test('slow resumes and half-open connections that are noticed late break a promise', () => {
  const tally = { ...emptyTally(), resumeMs: [9_999, 10_001], noticeMs: [61_000] };
  expect(brokenPromises(tally, { resumeMs: 10_000 })).toEqual([
    '1 of 2 resumed later than 10000 ms',
    '1 half-open connections were noticed later than 60000 ms',
  ]);
  expect(brokenPromises(emptyTally(), { resumeMs: 10_000 })).toEqual([]);
});
