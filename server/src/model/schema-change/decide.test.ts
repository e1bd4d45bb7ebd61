// What a change of columns means for the destination: every step that is taken must be the only possible one, or the object is loaded again.
import { describe, expect, test } from 'vitest';
import type { DestinationColumn, TypeRef } from '../destination-table.ts';
import type { RowIdentity } from '../table.ts';
import type { StreamColumn } from './align.ts';
import { type CatalogueNow, decideSchemaChange, type MissingValue } from './decide.ts';

const INT4 = 23;
const INT8 = 20;
const TEXT = 25;
const VARCHAR = 1043;
const NUMERIC = 1700;
const NAMES: Readonly<Record<number, string>> = {
  [INT4]: 'int4',
  [INT8]: 'int8',
  [TEXT]: 'text',
  [VARCHAR]: 'varchar',
  [NUMERIC]: 'numeric',
};
const ID = column(1, 'id');
const V = column(2, 'v', TEXT);

describe('a column that is added', () => {
  test('without a default is NULL in the rows that are there', () => {
    expect(decide([ID, V], [ID, V, column(3, 'w', TEXT)])).toMatchObject({
      kind: 'alter',
      steps: [{ kind: 'add', column: 'w', typeSql: 'pg_catalog.text', value: null }],
      highestAttnum: 3,
    });
  });

  test('with a constant default has it in the rows that are there', () => {
    const change = decide([ID], [ID, column(2, 'n')], { missing: new Map([[2, value('7')]]) });
    expect(change).toMatchObject({ steps: [{ kind: 'add', column: 'n', value: '7' }] });
  });

  test('has the object loaded again where the table was rewritten or the catalogue can not say what older rows have', () => {
    expect(decide([ID], [ID, column(2, 'n')], { filesUnchanged: false })).toMatchObject({ kind: 'reload' });
    expect(decide([ID], [ID, column(2, 'n')], { missing: new Map([[2, { kind: 'unknown' }]]) })).toMatchObject({ kind: 'reload' });
    const asText = { ...column(2, 'n', 2205), transfer: 'text' as const };
    expect(decide([ID], [ID, asText], { missing: new Map([[2, value('7')]]) })).toMatchObject({ kind: 'reload' });
  });

  test('is followed one by one although the catalogue has all of them already', () => {
    const now = [ID, column(2, 'a'), column(3, 'b'), column(4, 'c')];
    expect(decide([ID], now, { stream: now.slice(0, 2) })).toMatchObject({ steps: [{ column: 'a' }], highestAttnum: 2 });
    expect(decide(now.slice(0, 2), now, { stream: now.slice(0, 3) })).toMatchObject({ steps: [{ column: 'b' }], highestAttnum: 3 });
  });

  test('has the object loaded again where a newer column may only have its name', () => {
    // `v` of the stream may be number 2, which is gone, or number 3.
    expect(decide([ID], [ID, column(3, 'v')])).toMatchObject({ kind: 'reload' });
    expect(decide([ID], [ID, column(3, 'v')], { highestAttnum: 2 })).toMatchObject({ kind: 'alter' });
  });
});

describe('a column that is gone', () => {
  test('is dropped', () => {
    expect(decide([ID, V], [ID])).toEqual({
      kind: 'alter',
      steps: [{ kind: 'drop', column: 'v' }],
      columns: [ID],
      identity: { kind: 'key', columns: ['id'] },
      highestAttnum: 2,
    });
  });

  test('makes room for one that comes under its name with another type', () => {
    expect(decide([ID, V], [ID, column(3, 'v')], { missing: new Map([[3, value(null)]]) })).toMatchObject({
      steps: [
        { kind: 'drop', column: 'v' },
        { kind: 'add', column: 'v' },
      ],
      columns: [{ attnum: 1 }, { attnum: 3 }],
    });
  });

  test('is told from a later one of the same name by what came with it', () => {
    const now = [ID, column(3, 'v', TEXT), column(4, 'w')];
    expect(decide([ID, V], now)).toMatchObject({ steps: [{ kind: 'drop' }, { kind: 'add', column: 'v' }, { kind: 'add', column: 'w' }] });
  });

  test('of the key has the object loaded again', () => {
    expect(decide([ID, V], [V])).toMatchObject({ kind: 'reload' });
  });
});

describe('a column that is renamed', () => {
  test('keeps its values, by its number', () => {
    expect(decide([ID, V], [ID, column(2, 'w', TEXT)])).toMatchObject({
      steps: [{ kind: 'rename', from: 'v', to: 'w' }],
      columns: [{ name: 'id' }, { name: 'w', sourceName: 'w', attnum: 2 }],
    });
  });

  test('takes the key along', () => {
    expect(decide([ID, V], [column(1, 'key'), V])).toMatchObject({ identity: { kind: 'key', columns: ['key'] } });
  });

  test('is told from one that was dropped and one that was added', () => {
    expect(decide([ID, V], [ID, column(3, 'w', TEXT)])).toMatchObject({
      steps: [
        { kind: 'drop', column: 'v' },
        { kind: 'add', column: 'w' },
      ],
    });
  });

  test('may swap its name with another', () => {
    const [a, b, c] = [column(2, 'a'), column(3, 'b'), column(4, 'c')];
    expect(decide([ID, a, b], [ID, column(2, 'b'), column(3, 'a')])).toMatchObject({
      steps: [
        { from: 'a', to: 'millrace_aside_1' },
        { from: 'b', to: 'a' },
        { from: 'millrace_aside_1', to: 'b' },
      ],
    });
    expect(decide([ID, a, b, c], [ID, column(2, 'b'), column(3, 'c'), column(4, 'd')])).toMatchObject({
      steps: [
        { from: 'c', to: 'd' },
        { from: 'b', to: 'c' },
        { from: 'a', to: 'b' },
      ],
    });
  });

  test('twice, or renamed and dropped since, has the object loaded again', () => {
    expect(decide([ID, V], [ID, column(2, 'x', TEXT)], { stream: [ID, column(2, 'w', TEXT)] })).toMatchObject({ kind: 'reload' });
    expect(decide([ID, V], [ID], { stream: [ID, column(2, 'w', TEXT)] })).toMatchObject({ kind: 'reload' });
  });
});

describe('a column whose type changes', () => {
  test.each([
    ['varchar', VARCHAR, 14, VARCHAR, 24],
    ['varchar', VARCHAR, 14, VARCHAR, -1],
    ['varchar', VARCHAR, 14, TEXT, -1],
    ['numeric', NUMERIC, numeric(10, 2), NUMERIC, numeric(12, 2)],
    ['numeric', NUMERIC, numeric(10, 2), NUMERIC, -1],
  ])('follows where no value changes: %s', (_name, oid, typmod, otherOid, otherTypmod) => {
    const change = decide([ID, column(2, 'v', oid, typmod)], [ID, column(2, 'v', otherOid, otherTypmod)]);
    expect(change).toMatchObject({
      steps: [{ kind: 'retype', column: 'v', values: 'cast' }],
      columns: [{}, { sourceTypmod: otherTypmod }],
    });
  });

  test.each([
    ['int', INT4, -1, INT8, -1],
    ['a shorter text', VARCHAR, 24, VARCHAR, 14],
    ['text with a length', TEXT, -1, VARCHAR, 14],
    ['another scale', NUMERIC, numeric(10, 2), NUMERIC, numeric(12, 4)],
  ])('has the object loaded again: %s', (_name, oid, typmod, otherOid, otherTypmod) => {
    expect(decide([ID, column(2, 'v', oid, typmod)], [ID, column(2, 'v', otherOid, otherTypmod)])).toMatchObject({ kind: 'reload' });
  });

  test('has the object loaded again where the table was rewritten, since USING may have changed any value', () => {
    const wider = [ID, column(2, 'v', VARCHAR, 24)];
    expect(decide([ID, column(2, 'v', VARCHAR, 14)], wider, { filesUnchanged: false })).toMatchObject({ kind: 'reload' });
  });

  test('of the key has the object loaded again', () => {
    expect(decide([column(1, 'id', VARCHAR, 14)], [column(1, 'id', VARCHAR, 24)])).toMatchObject({ kind: 'reload' });
  });
});

describe('columns that are not streamed', () => {
  const computed: DestinationColumn = { ...column(3, 'sum'), transfer: 'generated', expression: '(id + 1)' };

  test('stay where they are', () => {
    const retired: DestinationColumn = { ...column(4, 'old'), transfer: 'retired' };
    expect(decide([ID, V, computed, retired], [ID, computed], { highestAttnum: 4 })).toMatchObject({ columns: [ID, computed, retired] });
  });

  test('have the object loaded again where they changed', () => {
    expect(decide([ID, V, computed], [ID, { ...computed, expression: '(id + 2)' }])).toMatchObject({ kind: 'reload' });
    expect(decide([ID, V, computed], [ID, column(3, 'sum')])).toMatchObject({ kind: 'reload' });
  });

  test('are in nobody else’s way', () => {
    const retired: DestinationColumn = { ...V, transfer: 'retired' };
    expect(decide([ID, retired], [ID, column(3, 'v')])).toMatchObject({ kind: 'reload' });
  });
});

interface Given {
  readonly stream?: readonly DestinationColumn[];
  readonly filesUnchanged?: boolean;
  readonly missing?: ReadonlyMap<number, MissingValue>;
  readonly identity?: RowIdentity;
  readonly highestAttnum?: number;
}

function decide(known: readonly DestinationColumn[], now: readonly DestinationColumn[], given: Given = {}) {
  const identity = given.identity ?? { kind: 'key', columns: ['id'] };
  const highestAttnum = given.highestAttnum ?? Math.max(...known.map(({ attnum }) => attnum));
  const stream = (given.stream ?? now).filter(({ transfer }) => transfer !== 'generated').map(streamed);
  const missing = given.missing ?? new Map(now.map(({ attnum }) => [attnum, value(null)]));
  const catalogue: CatalogueNow = {
    columns: now,
    attnums: now.map(({ attnum }) => attnum),
    filesUnchanged: given.filesUnchanged ?? true,
    missing,
  };
  return decideSchemaChange({ columns: known, identity, highestAttnum }, stream, catalogue);
}

function streamed({ sourceName, sourceTypeOid, sourceTypmod }: DestinationColumn): StreamColumn {
  return { name: sourceName, typeOid: sourceTypeOid, typmod: sourceTypmod ?? -1 };
}

function value(text: string | null): MissingValue {
  return { kind: 'value', text };
}

function numeric(precision: number, scale: number): number {
  return ((precision << 16) | scale) + 4;
}

function column(attnum: number, name: string, typeOid = INT4, typmod = -1): DestinationColumn {
  const type: TypeRef = {
    schema: 'pg_catalog',
    name: NAMES[typeOid] ?? 'other',
    array: false,
    typmod,
    modifiers: typmod === -1 ? '' : `(${typmod})`,
  };
  return {
    name,
    sourceName: name,
    attnum,
    sourceTypeOid: typeOid,
    sourceTypmod: typmod,
    type,
    typeSql: `pg_catalog.${type.name}${type.modifiers}`,
    notNull: false,
    transfer: 'same',
    expression: null,
  };
}
