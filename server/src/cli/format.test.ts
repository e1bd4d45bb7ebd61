import { describe, expect, test } from 'vitest';
import { formatBytes, formatCount, formatDuration, formatEta, formatLag, formatRate, plural } from './format.ts';

describe('numbers for people', () => {
  test.each([
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [1024, '1.0 kB'],
    [1536, '1.5 kB'],
    [1024 * 1024 - 1, '1.0 MB'],
    [123 * 1024 * 1024, '123 MB'],
    [5 * 1024 ** 4, '5.0 TB'],
    [Number.MAX_SAFE_INTEGER, '8.0 PB'],
    [-5, '0 bytes'],
  ])('%d bytes are written as %s', (size, expected) => expect(formatBytes(size)).toBe(expected));

  test.each([
    [0, '0.0 s'],
    [0.26, '0.3 s'],
    [9.99, '10 s'],
    [59.7, '1 min 00 s'],
    [185, '3 min 05 s'],
    [7_620, '2 h 07 min'],
    [86_400 * 3 + 3_600 * 4, '3 d 4 h'],
    [-1, '0.0 s'],
  ])('%d seconds are written as %s', (seconds, expected) => expect(formatDuration(seconds)).toBe(expected));

  test.each([
    [0, '0 rows/s'],
    [0.51, '0.5 rows/s'],
    [85_012.4, '85,012 rows/s'],
  ])('a rate of %d is written as %s', (rate, expected) => expect(formatRate(rate, 'rows')).toBe(expected));

  test('a lag leaves out what is unknown', () => {
    expect([formatLag(0.5, 2048), formatLag(null, 2048), formatLag(12, null), formatLag(null, null)]).toEqual([
      '0.5 s, 2.0 kB',
      '2.0 kB',
      '12 s',
      '-',
    ]);
  });

  test('an estimate is given only when it can be known', () => {
    const facts = { done: 50, total: 100, perSecond: 10, observedSeconds: 5 };
    expect(formatEta(facts)).toBe('5.0 s');
    expect(formatEta({ ...facts, observedSeconds: 1 })).toBe('estimating');
    expect(formatEta({ ...facts, total: null })).toBe('estimating');
    expect(formatEta({ ...facts, total: -1 })).toBe('estimating');
    expect(formatEta({ ...facts, perSecond: 0 })).toBe('estimating');
    expect(formatEta({ ...facts, done: 100 })).toBe('finishing');
  });

  test('counts are grouped and nouns counted', () => {
    expect([formatCount(1_234_567), plural(1, 'object'), plural(0, 'object'), plural(2_000, 'object')]).toEqual([
      '1,234,567',
      '1 object',
      '0 objects',
      '2,000 objects',
    ]);
  });
});
