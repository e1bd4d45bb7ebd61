import { expect, test } from 'vitest';
import { judgeMarker, presentMarker, spread } from './marker.ts';

test('a sample reaches from the first number to the last', () => {
  expect(spread(5, 9, { step: 1, count: 3 })).toEqual([5, 7, 9]);
  expect(spread(4, 20, { step: 4, count: 100 })).toEqual([4, 8, 12, 16, 20]);
  expect(spread(7, 7, { step: 1, count: 50 })).toEqual([7]);
});

test('a sample keeps to the step', () => {
  const ids = spread(4, 2_000_000, { step: 4, count: 50 });
  expect(ids).toHaveLength(50);
  expect(ids.every((id) => id % 4 === 0)).toBe(true);
  expect([ids[0], ids.at(-1)]).toEqual([4, 2_000_000]);
});

test('a part of a transaction is a failure, not a wait', () => {
  const marker = presentMarker([1, 2, 3]);
  expect([judgeMarker(marker, 0), judgeMarker(marker, 3)]).toEqual(['absent', 'arrived']);
  expect(() => judgeMarker(marker, 2)).toThrow('not atomic');
});
