import { describe, expect, test } from 'vitest';
import { must } from '../lib/assert.ts';
import type { SourceColumn, SourceTable, SourceType } from '../model/table.ts';
import { type NamespaceRule, nameKey } from './names.ts';
import { binarySafe, columnsThatNeedBinary } from './types-binary.ts';
import type { DestinationTypes } from './types-existing.ts';
import { planTypes, typeLookup } from './types-plan.ts';
import { planTable, type TablePlan } from './types-table.ts';
import { NATIVE_LAYOUT } from '../model/layout.ts';

const DESTINATION: DestinationTypes = {
  versionNum: 170_000,
  builtins: new Set(['int4', 'text', 'regclass'].map((name) => nameKey({ schema: 'pg_catalog', name }))),
  extensions: new Map([[nameKey({ schema: 'citext', name: 'citext' }), { schema: 'x', name: 'citext', hasBinary: true }]]),
  existing: new Map(),
};

function type(oid: number, name: string, rest: Partial<SourceType> = {}): SourceType {
  const schema = oid < 10_000 ? 'pg_catalog' : 'public';
  return {
    oid,
    schema,
    name,
    kind: 'base',
    elementOid: 0,
    elementTypmod: -1,
    enumLabels: [],
    attributes: [],
    extension: null,
    hasBinary: true,
    ...rest,
  };
}

const attribute = (typeOid: number, name = 'a') => ({ name, typeOid, typmod: -1 });

const TYPES = new Map(
  [
    type(23, 'int4'),
    type(25, 'text'),
    type(2205, 'regclass'),
    type(1007, '_int4', { kind: 'array', elementOid: 23 }),
    type(20_000, 'citext', { extension: 'citext' }),
    type(20_001, '_citext', { kind: 'array', elementOid: 20_000 }),
    type(20_100, 'mytype'),
    type(20_200, 'mood', { kind: 'enum', enumLabels: ['a'] }),
    type(20_201, '_mood', { kind: 'array', elementOid: 20_200 }),
    type(20_300, 'small', { kind: 'domain', elementOid: 23 }),
    type(20_301, '_small', { kind: 'array', elementOid: 20_300 }),
    type(20_302, 'relation', { kind: 'domain', elementOid: 2205 }),
    type(20_400, 'plain', { kind: 'composite', attributes: [attribute(23), attribute(1007, 'b')] }),
    type(20_401, 'mixed', { kind: 'composite', attributes: [attribute(23), attribute(20_200, 'b')] }),
    type(20_402, '_plain', { kind: 'array', elementOid: 20_400 }),
    type(20_500, 'moodrange', { kind: 'range', elementOid: 20_200 }),
    type(20_501, 'moods', { kind: 'multirange', elementOid: 20_500 }),
    type(20_502, 'relrange', { kind: 'range', elementOid: 2205 }),
    type(20_503, 'canonical', { kind: 'range', elementOid: 23, range: { hasCanonical: true, operatorClass: null, collation: null } }),
    type(20_600, 'quiet', { hasBinary: false, extension: 'citext' }),
    type(20_700, 'loopA', { kind: 'composite', attributes: [attribute(20_701)] }),
    type(20_701, 'loopB', { kind: 'domain', elementOid: 20_700 }),
  ].map((each) => [each.oid, each]),
);

const outcomes = (rule: NamespaceRule = { kind: 'source' }, types = TYPES, destination = DESTINATION) =>
  planTypes({ types, destination, rule, tableNames: new Set() });

describe('binary transfer', () => {
  test.each([
    [23, true],
    [1007, true],
    [2205, false],
    [20_000, true],
    [20_001, false],
    [20_200, true],
    [20_201, false],
    [20_300, true],
    [20_301, false],
    [20_302, false],
    [20_400, true],
    [20_401, false],
    [20_402, false],
    [20_500, true],
    [20_501, true],
    [20_600, false],
    [20_700, false],
    [99, false],
  ])('of the type with OID %i: %s', (typeOid, expected) => {
    expect(binarySafe([{ typeOid: 23 }, { typeOid }], TYPES, DESTINATION, 170_000)).toBe(expected);
  });

  test('needs send and receive functions at the destination too', () => {
    const extensions = new Map([[nameKey({ schema: 'citext', name: 'citext' }), { schema: 'x', name: 'citext', hasBinary: false }]]);
    expect(binarySafe([{ typeOid: 20_000 }], TYPES, { ...DESTINATION, extensions }, 170_000)).toBe(false);
  });

  test.each([
    [170_000, 160_000, false],
    [180_000, 130_000, false],
    [170_000, 180_000, true],
    [160_000, 130_000, true],
  ])('of intervals from %i to %i: %s', (sourceVersionNum, versionNum, expected) => {
    const types = new Map(
      [type(1186, 'interval'), type(1187, '_interval', { kind: 'array', elementOid: 1186 })].map((each) => [each.oid, each]),
    );
    for (const typeOid of [1186, 1187])
      expect(binarySafe([{ typeOid }], types, { ...DESTINATION, versionNum }, sourceVersionNum)).toBe(expected);
  });
});

describe('the text form of "char"', () => {
  const types = new Map(
    [
      type(18, 'char'),
      type(1002, '_char', { kind: 'array', elementOid: 18 }),
      type(23, 'int4'),
      type(20_000, 'flag', { kind: 'domain', elementOid: 18 }),
      type(20_001, 'both', { kind: 'composite', attributes: [attribute(23), attribute(1002, 'b')] }),
    ].map((each) => [each.oid, each]),
  );
  const columns = [18, 1002, 23, 20_000, 20_001].map((typeOid) => ({ typeOid }));

  test.each([
    [170_000, 150_000, [18, 1002, 20_000, 20_001]],
    [160_000, 150_018, [18, 1002, 20_000, 20_001]],
    [150_018, 130_000, []],
    [150_018, 170_000, []],
    [170_000, 160_000, []],
  ])('from %i is misread at %i in the columns %j', (sourceVersionNum, destinationVersionNum, expected) => {
    const found = columnsThatNeedBinary(columns, types, { sourceVersionNum, destinationVersionNum });
    expect(found.map((column) => column.typeOid)).toEqual(expected);
  });
});

describe('planning types', () => {
  test('refuses types that are made of themselves', () => {
    expect(outcomes().get(20_700)).toMatchObject({ kind: 'refused', problem: { errorName: 'type_refused' } });
  });

  test('refuses ranges over names of objects and ranges with code of the source', () => {
    expect(outcomes().get(20_502)).toMatchObject({ kind: 'refused' });
    expect(outcomes().get(20_503)).toMatchObject({ kind: 'refused', problem: { cause: expect.stringContaining('canonical') } });
  });

  test('finds a base type of users only where it exists', () => {
    expect(outcomes().get(20_100)).toMatchObject({ kind: 'refused', problem: { errorName: 'type_missing' } });
    const twin = {
      oid: 1,
      schema: 'public',
      name: 'mytype',
      shape: null,
      ours: false,
      hasBinary: true,
      isBase: true,
      isTableRow: false,
      multirange: null,
    };
    const existing = new Map([[nameKey(twin), twin]]);
    expect(outcomes({ kind: 'pattern', pattern: 'eu_{schema}' }, TYPES, { ...DESTINATION, existing }).get(20_100)).toMatchObject({
      type: { schema: 'public' },
    });
  });

  test('makes every type once, however often it is used', () => {
    const depth = 40;
    const chain = Array.from({ length: depth }, (_, level) => {
      const below = level === 0 ? 20_200 : 30_000 + level - 1;
      return type(30_000 + level, `level${level}`, { kind: 'composite', attributes: [attribute(below, 'l'), attribute(below, 'r')] });
    });
    const types = new Map([...TYPES, ...chain.map((each) => [each.oid, each] as const)]);
    const top = must(outcomes({ kind: 'source' }, types).get(30_000 + depth - 1), 'the top');
    expect(top.kind === 'usable' ? top.definitions.map((definition) => definition.name) : []).toEqual([
      'mood',
      ...chain.map((each) => each.name),
    ]);
  });

  test('gives the same outcome whatever the order of the types', () => {
    const twins = [
      type(40_001, 'mood', { schema: 'b', kind: 'enum', enumLabels: ['x'] }),
      type(40_002, 'mood', { schema: 'a', kind: 'enum', enumLabels: ['y'] }),
    ];
    const rule = { kind: 'destination', schema: 'dw' } as const;
    const forward = outcomes(rule, new Map(twins.map((each) => [each.oid, each])));
    const backward = outcomes(rule, new Map(twins.toReversed().map((each) => [each.oid, each])));
    for (const { oid } of twins) expect(forward.get(oid)).toEqual(backward.get(oid));
    expect(forward.get(40_002)).toMatchObject({ type: { schema: 'dw', name: 'mood' } });
    expect(forward.get(40_001)).toMatchObject({ type: { name: expect.stringMatching(/^mood_[0-9a-f]{12}$/) } });
  });

  test('gives way to a table of the same name', () => {
    const planned = planTypes({
      types: TYPES,
      destination: DESTINATION,
      rule: { kind: 'source' },
      tableNames: new Set([nameKey({ schema: 'public', name: 'mood' })]),
    });
    expect(planned.get(20_200)).toMatchObject({ type: { name: expect.stringMatching(/^mood_/) } });
  });

  test('refuses an enum whose labels Postgres would not take', () => {
    const types = new Map([[1e5, type(1e5, 'e', { kind: 'enum', enumLabels: ['ü'.repeat(40)] })]]);
    expect(outcomes({ kind: 'source' }, types).get(1e5)).toMatchObject({ kind: 'refused', problem: { errorName: 'type_refused' } });
  });

  test('looks up the types of users only', () => {
    const lookup = typeLookup(TYPES.values(), { kind: 'pattern', pattern: 'eu_{schema}' });
    expect(lookup.schemas.toSorted()).toEqual(['eu_public', 'public']);
    expect(lookup.names).toContain('mood');
    expect(lookup.names).not.toContain('int4');
  });
});

describe('planning a table', () => {
  const column = (name: string, typeOid: number, rest: Partial<SourceColumn> = {}): SourceColumn => ({
    name,
    attnum: 1,
    typeOid,
    typmod: -1,
    notNull: false,
    generated: null,
    ...rest,
  });
  const generated = (expression: string, builtinsOnly = true) => ({ generated: { kind: 'stored', expression, builtinsOnly } }) as const;

  function plan(columns: readonly SourceColumn[], rest: Partial<SourceTable> = {}, collationsAgree = true): TablePlan {
    const source: SourceTable = {
      schema: 'public',
      name: 't',
      oid: 1,
      relkind: 'r',
      columns,
      primaryKey: [],
      replicaIdentity: 'default',
      identity: { kind: 'none' },
      leaves: [],
      hasInheritanceChildren: false,
      sizeBytes: 0,
      estimatedRows: 0,
      ...rest,
    };
    return planTable({
      source,
      name: source,
      types: TYPES,
      outcomes: outcomes(),
      destination: DESTINATION,
      collationsAgree,
      sourceVersionNum: 170_000,
      layout: NATIVE_LAYOUT,
    });
  }

  const excluded = (given: TablePlan) => (given.kind === 'table' ? given.table.excluded.map((each) => each.reason) : given.problems);

  test.each([
    ['lower(a)', true, []],
    ['lower(a)', false, ['expression_depends_on_collation']],
    ["((a || ' '::text) || (n)::text)", false, []],
    ["(a < 'x'::text)", false, ['expression_depends_on_collation']],
    ['(r)::text', true, ['expression_uses_text_column']],
    ['a) STORED, x int DEFAULT (1', true, ['expression_unreadable']],
  ])('of the generated column %s where collations agree: %s', (expression, collationsAgree, expected) => {
    const columns = [column('a', 25), column('n', 23), column('r', 2205), column('g', 25, generated(expression))];
    expect(excluded(plan(columns, {}, collationsAgree))).toEqual(expected);
  });

  test('leaves out what depends on a collation of the column’s own', () => {
    expect(excluded(plan([column('a', 25, { ownCollation: true }), column('g', 25, generated('upper(a)'))]))).toEqual([
      'expression_depends_on_collation',
    ]);
  });

  test('recreates arithmetic wherever collations stand', () => {
    expect(excluded(plan([column('n', 23), column('g', 23, generated('abs((n * 2))'))], {}, false))).toEqual([]);
  });

  test('shortens a column name that a LATIN1 database could hold, everywhere alike', () => {
    const long = 'é'.repeat(60);
    const given = plan([column(long, 23), column('g', 23, generated(`("${long}" + 1)`))], {
      primaryKey: [long],
      identity: { kind: 'key', columns: [long] },
    });
    const table = must(given.kind === 'table' ? given.table : null, 'a table');
    const name = must(table.columns[0], 'a column').name;
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
    expect(table).toMatchObject({
      primaryKey: [name],
      identity: { kind: 'key', columns: [name] },
      excluded: [{ reason: 'expression_uses_renamed_column' }],
    });
  });

  test('refuses a key that changes when an object of the source is renamed', () => {
    const given = plan([column('r', 2205)], { primaryKey: ['r'], identity: { kind: 'key', columns: ['r'] } });
    expect(given).toMatchObject({ kind: 'refused', problems: [{ errorName: 'type_refused', column: 'r' }] });
  });

  test('refuses a key that the stream does not bring', () => {
    const given = plan([column('n', 23), column('g', 23, generated('(n + 1)'))], { identity: { kind: 'key', columns: ['g'] } });
    expect(given).toMatchObject({ kind: 'refused', problems: [{ errorName: 'identity_missing', column: 'g' }] });
  });

  test('refuses more columns than a table can have', () => {
    const given = plan(Array.from({ length: 1601 }, (_, index) => column(`c${index}`, 23)));
    expect(given).toMatchObject({ kind: 'refused', problems: [{ errorName: 'row_too_wide' }] });
  });

  test('says every reason at once', () => {
    const given = plan([column('a', 20_100), column('b', 20_700), column('c', 98)]);
    expect(given.kind === 'refused' ? given.problems.map((problem) => problem.column) : []).toEqual(['a', 'b', 'c']);
  });
});
