import { describe, expect, test } from 'vitest';
import { Pace } from './workload.ts';

describe('Pace', () => {
  test('waits for the rest of the interval, not longer after a slow transaction', () => {
    const pace = new Pace(100, 0);
    expect(pace.waitMs(4)).toBe(6);
    expect(pace.waitMs(18)).toBe(2);
    expect(pace.waitMs(35)).toBe(0);
    expect(pace.waitMs(36)).toBe(4);
  });

  test('forgets what it could not do for longer than a second', () => {
    const pace = new Pace(100, 0);
    expect(pace.waitMs(60_000)).toBe(0);
    const ahead = Array.from({ length: 100 }, () => pace.waitMs(60_000));
    expect(ahead.filter((waitMs) => waitMs === 0)).toHaveLength(100);
    expect(pace.waitMs(60_000)).toBe(10);
  });
});
