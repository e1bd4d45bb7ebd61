import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitsIdentifier } from '../pg/ident.ts';
import { assignNames, hashedName, mapSchema, nameKey, ownName, type WantedName } from './names.ts';

const wanted = (schema: string, name: string, rest: Partial<WantedName> = {}): WantedName => ({
  schema,
  name,
  target: null,
  assigned: null,
  ...rest,
});
const label = (name: { schema: string; name: string }): string => `${name.schema}.${name.name}`;

describe('mapSchema', () => {
  test('keeps the schema, takes the destination’s, or fills the pattern', () => {
    expect(mapSchema({ kind: 'source' }, 'shop')).toBe('shop');
    expect(mapSchema({ kind: 'destination', schema: 'analytics' }, 'shop')).toBe('analytics');
    expect(mapSchema({ kind: 'pattern', pattern: 'eu_{schema}_{schema}' }, 'shop')).toBe('eu_shop_shop');
  });

  test('does not read a replacement pattern in a schema name', () => {
    expect(mapSchema({ kind: 'pattern', pattern: 'eu_{schema}' }, '$&$1')).toBe('eu_$&$1');
  });

  test.each(['_millrace', 'pg_catalog', 'pg_toast', 'information_schema'])('refuses the reserved schema %s', (schema) => {
    expect(() => mapSchema({ kind: 'destination', schema }, 'shop')).toThrowError(/reserved/);
  });

  test('refuses a pattern that leads to our own schema', () => {
    expect(() => mapSchema({ kind: 'pattern', pattern: '_{schema}' }, 'millrace')).toThrowError(/reserved/);
  });
});

describe('assignNames', () => {
  test('leaves case twins alone', () => {
    const names = assignNames({ kind: 'source' }, [wanted('public', 'Orders'), wanted('public', 'orders')]);
    expect(names.map(label)).toEqual(['public.Orders', 'public.orders']);
  });

  test('gives the later of two twins a suffix of its own source name', () => {
    const rule = { kind: 'destination', schema: 'dw' } as const;
    const names = assignNames(rule, [wanted('b', 'orders'), wanted('a', 'orders')]).map(label);
    expect(names[1]).toBe('dw.orders');
    expect(names[0]).toMatch(/^dw\.orders_[0-9a-f]{12}$/);
  });

  test('keeps a name that was assigned before, whatever joins', () => {
    const rule = { kind: 'destination', schema: 'dw' } as const;
    const names = assignNames(rule, [wanted('a', 'orders'), wanted('b', 'orders', { assigned: { schema: 'dw', name: 'orders' } })]);
    expect(names.map(label)[1]).toBe('dw.orders');
    expect(names.map(label)[0]).toMatch(/^dw\.orders_/);
  });

  test('lets an explicit target win over a derived name', () => {
    const names = assignNames({ kind: 'source' }, [wanted('s', 'a'), wanted('s', 'z', { target: 'a' })]).map(label);
    expect(names[1]).toBe('s.a');
    expect(names[0]).toMatch(/^s\.a_/);
  });

  test('refuses two equal targets and names both objects', () => {
    const objects = [wanted('s', 'one', { target: 'x' }), wanted('s', 'two', { target: 'x' })];
    expect(() => assignNames({ kind: 'source' }, objects)).toThrowError(/s\.one and s\.two/);
  });

  test('refuses a target that Postgres would cut', () => {
    expect(() => assignNames({ kind: 'source' }, [wanted('s', 'a', { target: 'é'.repeat(32) })])).toThrowError(/not a possible table name/);
  });

  test('gives any set of names distinct names that fit, in any order the same', () => {
    const name = fc.oneof(
      fc.constantFrom('orders', 'Orders', '__proto__', 'x'.repeat(63), 'é'.repeat(50)),
      fc.string({ minLength: 1, unit: 'grapheme' }),
    );
    const schema = fc.constantFrom('a', 'b', 'ü'.repeat(40));
    const objects = fc.uniqueArray(fc.record({ schema, name }), { selector: nameKey, maxLength: 30 });
    const rule = fc.constantFrom(
      { kind: 'source' } as const,
      { kind: 'destination', schema: 'dw' } as const,
      { kind: 'pattern', pattern: 'p' } as const,
    );
    fc.assert(
      fc.property(objects, rule, (list, namespace) => {
        const all = list.map((object) => wanted(object.schema, object.name));
        const names = assignNames(namespace, all).map(nameKey);
        expect(new Set(names).size).toBe(all.length);
        expect(assignNames(namespace, all.toReversed()).map(nameKey)).toEqual(names.toReversed());
        for (const key of names) for (const part of key.split('\0')) expect(fitsIdentifier(part)).toBe(true);
      }),
    );
  });
});

describe('names of our own', () => {
  test('fit and differ by schema, table and kind', () => {
    const tables = ['a', 'b'].flatMap((schema) => ['t', 'ü'.repeat(31), 'x'.repeat(63)].map((name) => ({ schema, name })));
    const names = tables.flatMap((table) => [ownName(table, 'pkey'), ownName(table, 'key')]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.every(fitsIdentifier)).toBe(true);
  });

  test('never split a character', () => {
    expect(hashedName('😀'.repeat(20), 'x')).toMatch(/^(?:😀)+_[0-9a-f]{12}$/u);
  });
});
