import { describe, expect, test } from 'vitest';
import { builtinModifiers, extensionModifiers } from './types-format.ts';

const text = (name: string, typmod: number, version = 170_000): unknown => builtinModifiers(name, typmod, version);

describe('modifiers of built-in types', () => {
  test.each([
    ['varchar', 14, '(10)'],
    ['bpchar', 5, '(1)'],
    ['bit', 8, '(8)'],
    ['timestamptz', 3, '(3)'],
    ['numeric', ((10 << 16) | 2) + 4, '(10,2)'],
    ['numeric', ((3 << 16) | (-2 & 0x7ff)) + 4, '(3,-2)'],
    ['numeric', ((1000 << 16) | 1000) + 4, '(1000,1000)'],
    ['interval', (0x7fff << 16) | 3, '(32767,3)'],
    ['interval', (4 << 16) | 0xffff, '(4)'],
    ['text', -1, ''],
    ['int4', 7, ''],
  ])('%s with typmod %i reads %s', (name, typmod, expected) => {
    expect(text(name, typmod)).toEqual({ kind: 'text', text: expected });
  });

  test('a negative scale needs PostgreSQL 15', () => {
    expect(text('numeric', ((3 << 16) | (-2 & 0x7ff)) + 4, 140_010)).toEqual({ kind: 'needs_version', versionNum: 150_000 });
  });

  test('a scale beyond the precision needs PostgreSQL 15', () => {
    expect(text('numeric', ((3 << 16) | 5) + 4, 130_000)).toEqual({ kind: 'needs_version', versionNum: 150_000 });
  });
});

describe('modifiers of extension types', () => {
  test.each([
    ['public.geometry(Point,4326)', '(Point,4326)'],
    ['public.vector(3)[]', '(3)'],
    ['public.hstore', ''],
    ['public."odd(3)"', ''],
    ["public.t(1); DROP TABLE x; --(')", ''],
    [undefined, ''],
  ])('%s gives %s', (formatted, expected) => {
    expect(extensionModifiers(formatted)).toBe(expected);
  });
});
