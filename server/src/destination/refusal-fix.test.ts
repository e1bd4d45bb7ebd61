import { describe, expect, test } from 'vitest';
import { fixOfRefusal } from './refusal-fix.ts';

const TABLE = { schema: 'public', name: 'a "b"' };

describe('what refused a row is taken away', () => {
  test.each([
    [
      '23505',
      { constraint: 'u"1' },
      /^ALTER TABLE "public"\."a ""b""" DROP CONSTRAINT IF EXISTS "u""1"; DROP INDEX IF EXISTS "public"\."u""1";\n/,
    ],
    ['23P01', { constraint: 'x' }, /DROP CONSTRAINT IF EXISTS "x"/],
    ['23514', { constraint: 'small' }, /^ALTER TABLE "public"\."a ""b""" DROP CONSTRAINT "small";\n/],
    ['23503', { constraint: 'fk' }, /DROP CONSTRAINT "fk";\n/],
    ['23502', { column: 'v' }, /ALTER COLUMN "v" DROP NOT NULL;\n/],
    ['42703', {}, /objects restart/],
  ])('SQLSTATE %s', (code, fields, expected) => {
    expect(fixOfRefusal({ code, ...fields }, TABLE)).toMatch(expected);
  });

  test.each([
    ['P0001', {}],
    ['23505', {}],
    ['22003', { column: 'v' }],
  ])('but nothing is guessed: %s', (code, fields) => {
    expect(fixOfRefusal({ code, ...fields }, TABLE)).toBeNull();
  });
});
