import { expect, test } from 'vitest';
import { maximum, median, minimum, percentile } from './statistics.ts';

test('the median of an odd count is the middle value, whatever the order', () => {
  expect(median([9, 1, 5])).toBe(5);
});

test('the median of an even count lies between the two middle values', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('a percentile is a value that occurred', () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(percentile(values, 0.5)).toBe(50);
  expect(percentile(values, 0.99)).toBe(99);
  expect(percentile(values, 1)).toBe(100);
  expect(percentile([7], 0.5)).toBe(7);
});

test('the extremes come from the values, also when they have more than one digit', () => {
  expect([minimum([10, 9, 100]), maximum([10, 9, 100])]).toEqual([9, 100]);
});

test('an empty list has no statistics', () => {
  expect(() => median([])).toThrow('no values');
  expect(() => percentile([], 0.5)).toThrow('no values');
});
