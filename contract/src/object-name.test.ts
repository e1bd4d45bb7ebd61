import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatObjectName, isObjectNameProblem, parseObjectName } from './object-name.ts';

describe('an object name', () => {
  test.each([
    ['public.orders', 'public', 'orders'],
    ['Public.Orders', 'Public', 'Orders'],
    ['"My.Schema".orders', 'My.Schema', 'orders'],
    ['public."a ""b"""', 'public', 'a "b"'],
    ['public.naïve 🚂', 'public', 'naïve 🚂'],
  ])('%s is read as its two parts with case kept', (text, schema, name) => {
    expect(parseObjectName(text)).toEqual({ schema, name });
  });

  test.each([
    ['orders', /names no schema/, /public\.orders/],
    ['a.b.c', /more than two parts/, /a\."b\.c"/],
    ['.orders', /empty part/, /schema\.table/],
    ['public.', /empty part/, /schema\.table/],
    ['', /empty part/, /schema\.table/],
    ['public."x', /unbalanced/, /""/],
    ['public."x"y', /unbalanced/, /""/],
  ])('%j is refused with a hint', (text, message, hint) => {
    const parsed = parseObjectName(text);
    expect(parsed).toMatchObject({ message: expect.stringMatching(message), hint: expect.stringMatching(hint) });
  });

  test('every name that Postgres can hold is read back as it was written', () => {
    const part = fc.string({ minLength: 1, unit: 'binary' }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(part, part, (schema, name) => {
        const parsed = parseObjectName(formatObjectName({ schema, name }));
        expect(isObjectNameProblem(parsed)).toBe(false);
        expect(parsed).toEqual({ schema, name });
      }),
    );
  });
});
