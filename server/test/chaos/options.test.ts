import { expect, test } from 'vitest';
import { LANES, parseOptions } from './options.ts';

test('without options everything is tried, with a seed by the clock', () => {
  expect(parseOptions([], 12_345_678)).toMatchObject({ lanes: LANES, kills: 100, serverKills: 10, seed: 345_678, durable: true });
});

test('lanes run in their own order, whatever the order they are asked for in', () => {
  expect(parseOptions(['--only', 'network,kills', '--kills', '3', '--seed', '9'], 0)).toMatchObject({
    lanes: ['kills', 'network'],
    kills: 3,
    seed: 9,
  });
});

test('a wrong option is named', () => {
  expect(() => parseOptions(['--only', 'fire'], 0)).toThrow('--only: choose from kills');
  expect(() => parseOptions(['--kills', 'many'], 0)).toThrow('--kills: a whole number is expected, not many');
  expect(() => parseOptions(['--version', '9'], 0)).toThrow('--version: choose from');
});
