import { expect, test } from 'vitest';
import { summariseLag } from './lag-summary.ts';

const seen = [
  { clockUs: 1_000, highest: [0, 0] },
  { clockUs: 3_000, highest: [1, 0] },
  { clockUs: 9_000, highest: [2, 1] },
];

test('the lag of a transaction ends at the first look that shows it', () => {
  const committed = [
    { writer: 0, number: 1, committedUs: 500 },
    { writer: 0, number: 2, committedUs: 1_000 },
    { writer: 1, number: 1, committedUs: 8_500 },
  ];
  expect(summariseLag(committed, seen)).toEqual({ p50Ms: 2.5, p99Ms: 8, maxMs: 8, transactions: 3, ratePerSecond: 250 });
});

test('a transaction that never showed is a failure', () => {
  expect(() => summariseLag([{ writer: 1, number: 2, committedUs: 1 }], seen)).toThrow('transaction 2 of writer 1');
});

test('ticks in a wrong order are refused, since their lag would be wrong', () => {
  const committed = [10, 2].map((number) => ({ writer: 0, number, committedUs: 1 }));
  expect(() => summariseLag(committed, [{ clockUs: 2, highest: [10] }])).toThrow('order');
});
