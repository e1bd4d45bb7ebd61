import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fitsIdentifier } from '../pg/ident.ts';
import { assignNames, assignRawNames, columnNames, hashedName, mapSchema, nameKey, ownName, type WantedName } from './names.ts';

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

describe('plain names', () => {
  const rule = { kind: 'source' } as const;

  test('keep letters of any script, digits, underscores and the case; reserved words are quoted as any name is', () => {
    const names = ['Order Items', 'größe_2', '注文', 'a.b$c-d"e', 'select', '1st', '\u{1F980}'];
    expect(
      assignNames(
        rule,
        names.map((name) => wanted('s', name)),
        'plain',
      ).map(({ name }) => name),
    ).toEqual(['Order_Items', 'größe_2', '注文', 'a_b_c_d_e', 'select', '1st', '_']);
  });

  test('that meet get a suffix made of the source name, whatever the order', () => {
    const twins = [wanted('s', 'a b'), wanted('s', 'a-b'), wanted('s', 'A b')];
    const names = assignNames(rule, twins, 'plain').map(({ name }) => name);
    expect(names[0]).toBe('a_b');
    expect(names[1]).toMatch(/^a_b_[0-9a-f]{12}$/);
    expect(names[2]).toBe('A_b');
    expect(
      assignNames(rule, twins.toReversed(), 'plain')
        .map(({ name }) => name)
        .toReversed(),
    ).toEqual(names);
  });

  test('of columns give way to columns that were there before, so that a new one renames none', () => {
    const before = columnNames('plain', ['total €', 'a b']);
    const after = columnNames('plain', ['total €', 'a b', 'a_b', 'total $']);
    expect([...before.values()]).toEqual(['total__', 'a_b']);
    expect([...after.values()].slice(0, 2)).toEqual([...before.values()]);
    expect(after.get('a_b')).toMatch(/^a_b_[0-9a-f]{12}$/);
    expect(after.get('total $')).toMatch(/^total___[0-9a-f]{12}$/);
  });

  test('are at most 63 bytes, and no two of a table are the same', () => {
    const piece = fc.constantFrom('a', 'A', ' ', '-', '_', 'é', '\u{1F980}', '注', '"', 'x'.repeat(40));
    const list = fc.uniqueArray(
      fc.array(piece, { minLength: 1, maxLength: 12 }).map((parts) => parts.join('')),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(list, fc.constantFrom('plain' as const, 'as_is' as const), (names, naming) => {
        const given = [...columnNames(naming, names).values()];
        expect(new Set(given).size).toBe(names.length);
        expect(given.every((name) => fitsIdentifier(name))).toBe(true);
        if (naming === 'plain') expect(given.every((name) => /^[\p{L}\p{M}\p{N}_]+$/u.test(name))).toBe(true);
      }),
    );
  });
});

describe('raw names', () => {
  const raw = (schema: string, name: string, assigned: string | null = null) => ({
    source: { schema, name },
    rawSchema: 'raw',
    assigned: assigned === null ? null : { schema: 'raw', name: assigned },
  });

  test('are folded as a name without quotes is, and begin with no digit', () => {
    const names = assignRawNames([raw('public', 'Order Items'), raw('2024', 'a.b')], []);
    expect(names.map(label)).toEqual(['raw.public_raw__stream_order_items', 'raw._2024_raw__stream_a_b']);
  });

  test('that meet get a suffix of at most 63 bytes in all, whatever the order', () => {
    const long = 'é'.repeat(40);
    const wantedNames = [raw('public', 'A'), raw('public', 'a'), raw('public', `${long}1`), raw('public', `${long}2`)];
    const names = assignRawNames(wantedNames, []).map(({ name }) => name);
    expect(names[0]).toBe('public_raw__stream_a');
    expect(names[1]).toMatch(/^public_raw__stream_a_[0-9a-f]{12}$/);
    expect(new Set(names).size).toBe(4);
    expect(names.every((name) => fitsIdentifier(name))).toBe(true);
    const reversed = assignRawNames(wantedNames.toReversed(), []);
    expect(reversed.map(({ name }) => name).toReversed()).toEqual(names);
  });

  test('stay once they are given, and leave alone what others have', () => {
    const taken = [{ schema: 'raw', name: 'public_raw__stream_b' }];
    const names = assignRawNames([raw('public', 'A'), raw('public', 'a', 'public_raw__stream_a'), raw('public', 'b')], taken);
    expect(names[0]?.name).toMatch(/^public_raw__stream_a_/);
    expect(names[1]?.name).toBe('public_raw__stream_a');
    expect(names[2]?.name).toMatch(/^public_raw__stream_b_/);
  });

  test('move with the schema that they are to be in', () => {
    const [name] = assignRawNames([{ ...raw('public', 'a', 'public_raw__stream_a'), rawSchema: 'other' }], []);
    expect(name).toEqual({ schema: 'other', name: 'public_raw__stream_a' });
  });
});
