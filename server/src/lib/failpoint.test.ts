import { describe, expect, test } from 'vitest';
import { FAILPOINTS, failpoint, parseFailpoint } from './failpoint.ts';

describe('a crash point', () => {
  test('does nothing when no environment asks for it', () => {
    for (const name of FAILPOINTS) failpoint(name);
  });

  test('is read from its name and the pass that is meant', () => {
    expect(parseFailpoint('copy.mid_chunk')).toEqual({ name: 'copy.mid_chunk', nth: 1 });
    expect(parseFailpoint('copy.mid_chunk:12')).toEqual({ name: 'copy.mid_chunk', nth: 12 });
  });

  test('is nothing when the variable is missing or empty', () => {
    expect(parseFailpoint(undefined)).toBeNull();
    expect(parseFailpoint('')).toBeNull();
  });

  test('with a misspelled name is refused: the test that names it would prove nothing', () => {
    for (const text of ['copy.mid-chunk', 'copy.mid_chunk:0', 'copy.mid_chunk:x', ':1']) {
      expect(() => parseFailpoint(text)).toThrow(TypeError);
    }
  });
});
