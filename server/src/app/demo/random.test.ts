import { describe, expect, test } from 'vitest';
import { Random } from './random.ts';

describe('Random', () => {
  test('repeats itself with the same seed, and not with another', () => {
    const draw = (seed: number): readonly number[] => {
      const random = new Random(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  test('reaches both ends of a range and stays within', () => {
    const random = new Random(1);
    const drawn = new Set(Array.from({ length: 1_000 }, () => random.between(3, 6)));
    expect(drawn).toEqual(new Set([3, 4, 5, 6]));
  });

  test('chooses by weight, and never what weighs nothing', () => {
    const random = new Random(1);
    const choices = [
      { value: 'often', weight: 9 },
      { value: 'seldom', weight: 1 },
      { value: 'never', weight: 0 },
    ];
    const drawn = Array.from({ length: 10_000 }, () => random.weighted(choices));
    const often = drawn.filter((value) => value === 'often').length;
    expect(often).toBeGreaterThan(8_800);
    expect(often).toBeLessThan(9_200);
    expect(drawn).not.toContain('never');
  });
});
