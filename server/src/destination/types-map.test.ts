import { describe, expect, test } from 'vitest';
import type { SourceType } from '../model/table.ts';
import { keepsIdentity, mapType, namingOf, type TypeMapInput } from './types-map.ts';
import { plainRef, typeSql } from './types-format.ts';
import { type TypeOutcome, refused, usable } from './types-outcome.ts';
import { missingExtension, refusedProblem } from './types-problem.ts';

const BUILTINS = 'int2 int4 int8 oid float4 float8 numeric bool text varchar uuid json jsonb timestamptz box regclass int2vector xid'.split(
  ' ',
);

const types = new Map<number, SourceType>();
const outcomes = new Map<number, TypeOutcome>();
const oids = new Map<string, number>();

function add(name: string, rest: Partial<SourceType> = {}, outcome: TypeOutcome | null = null): void {
  const oid = 100 + types.size;
  const schema = rest.schema ?? 'public';
  const base: SourceType = {
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
  };
  types.set(oid, { ...base, ...rest });
  outcomes.set(oid, outcome ?? usable({ ...plainRef(schema, name.replace(/^_/, '')), array: rest.kind === 'array' }));
  oids.set(name, oid);
}

const of = (name: string): number => oids.get(name) ?? 0;
const attribute = (name: string, type: string) => ({ name, typeOid: of(type), typmod: -1 });

for (const name of BUILTINS)
  add(name, { schema: 'pg_catalog', ...(name === 'int2vector' ? { kind: 'array', elementOid: of('int2') } : {}) });
for (const name of BUILTINS.filter((each) => each !== 'int2vector')) {
  add(`_${name}`, { schema: 'pg_catalog', kind: 'array', elementOid: of(name) });
}
add('mood', { kind: 'enum', enumLabels: ['a'] });
add('_mood', { kind: 'array', elementOid: of('mood') });
add('small', { kind: 'domain', elementOid: of('numeric'), elementTypmod: 655_366 });
add('_small', { kind: 'array', elementOid: of('small') });
add('numbers', { kind: 'domain', elementOid: of('_int4') });
add('_numbers', { kind: 'array', elementOid: of('numbers') });
add('names', { kind: 'domain', elementOid: of('_text') });
add('_names', { kind: 'array', elementOid: of('names') });
add('pair', { kind: 'composite', attributes: [attribute('a', 'int4'), attribute('b', 'mood')] });
add('papers', { kind: 'composite', attributes: [attribute('a', '_json')] });
add('_pair', { kind: 'array', elementOid: of('pair') });
add('words', { kind: 'range', elementOid: of('text') });
add('_words', { kind: 'array', elementOid: of('words') });
add('hstore', { extension: 'hstore' });
add('citext', { extension: 'citext' }, refused(missingExtension({ schema: 'public', name: 'citext' }, 'citext')));
add('_citext', { kind: 'array', elementOid: of('citext') }, refused(missingExtension({ schema: 'public', name: 'citext' }, 'citext')));
add('any', { schema: 'pg_catalog', kind: 'pseudo' }, refused(refusedProblem('any', 'it is a pseudo-type')));

const INPUT: TypeMapInput = { map: 'airbyte', types, outcomes, destinationVersionNum: 170_000, hasNotes: true };

function mapped(name: string, rest: Partial<TypeMapInput> = {}, typmod = -1): string {
  const type = mapType({ typeOid: of(name), typmod }, { ...INPUT, ...rest });
  if (type.kind === 'refused') return type.problem.errorName;
  const { conversion } = type;
  const how = conversion === undefined ? '' : ` ${conversion.form}${conversion.stagedAs === null ? '' : ` of ${conversion.stagedAs}`}`;
  return `${typeSql(type.type)}${how}${conversion?.nulls === true ? ' or null' : ''}`.replaceAll('"', '').replaceAll('pg_catalog.', '');
}

describe('the airbyte map', () => {
  test.each([
    ['int2', 'int8'],
    ['oid', 'int8'],
    ['float8', 'numeric number'],
    ['bool', 'bool'],
    ['timestamptz', 'timestamptz'],
    ['text', 'varchar'],
    ['uuid', 'varchar'],
    ['xid', 'varchar'],
    ['regclass', 'varchar'],
    ['int2vector', 'varchar'],
    ['mood', 'varchar'],
    ['words', 'varchar'],
    ['citext', 'varchar'],
    ['small', 'numeric number'],
    ['jsonb', 'jsonb'],
    ['json', 'jsonb json of text or null'],
    ['hstore', 'jsonb value of public.hstore'],
    ['pair', 'jsonb value of public.pair'],
    ['papers', 'jsonb document of public.papers or null'],
    ['_int4', 'jsonb value of int4[]'],
    ['_uuid', 'jsonb array of text[]'],
    ['_box', 'jsonb value of box[]'],
    ['_json', 'jsonb document of json[] or null'],
    ['_mood', 'jsonb array of text[]'],
    ['_words', 'jsonb array of text[]'],
    ['_small', 'jsonb value of numeric[]'],
    ['_pair', 'jsonb value of public.pair[]'],
    ['numbers', 'jsonb value of int4[]'],
    ['_numbers', 'jsonb value of public.numbers[]'],
    ['_names', 'jsonb value of public.names[]'],
    ['_citext', 'type_missing'],
    ['any', 'type_refused'],
  ])('%s becomes %s', (name, expected) => {
    expect(mapped(name)).toBe(expected);
  });

  test('has no modifiers', () => {
    expect(mapped('timestamptz', {}, 3)).toBe('timestamptz');
    expect(mapped('numeric', {}, 655_366)).toBe('numeric number');
  });

  test('nulls what can not be kept only where the row can say so', () => {
    expect(mapped('json', { hasNotes: false })).toBe('jsonb json of text');
  });

  test('asks for a function of ours where the server can not tell what it reads', () => {
    const helped = (destinationVersionNum: number) => {
      const type = mapType({ typeOid: of('json'), typmod: -1 }, { ...INPUT, destinationVersionNum });
      return type.kind === 'usable' ? type.conversion?.needsHelper : 'refused';
    };
    expect([helped(150_000), helped(160_000)]).toEqual([true, undefined]);
  });

  test('stages numbers as text for a server that has no infinite numeric', () => {
    expect(mapped('float8', { destinationVersionNum: 130_000 })).toBe('numeric number of text or null');
  });

  test('keeps keys apart, except what becomes json', () => {
    const conversion = (name: string) => {
      const type = mapType({ typeOid: of(name), typmod: -1 }, INPUT);
      return type.kind === 'usable' ? type.conversion : undefined;
    };
    expect(['uuid', 'float8', 'mood', '_uuid', '_int4', 'pair'].map((name) => keepsIdentity(conversion(name)))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  test('goes with plain names, the others do not', () => {
    expect([namingOf('airbyte'), namingOf('hevo'), namingOf('native')]).toEqual(['plain', 'as_is', 'as_is']);
  });
});

describe('the hevo map', () => {
  test.each([
    ['int4', 'int4'],
    ['json', 'json'],
    ['jsonb', 'jsonb'],
    ['uuid', 'uuid'],
    ['float8', 'float8'],
    ['_int4', 'varchar'],
    ['_pair', 'varchar'],
    ['_citext', 'varchar'],
    ['pair', 'varchar'],
    ['mood', 'varchar'],
    ['words', 'varchar'],
    ['citext', 'varchar'],
    ['regclass', 'varchar'],
    ['small', 'numeric(10,2)'],
    ['any', 'type_refused'],
  ])('%s becomes %s', (name, expected) => {
    expect(mapped(name, { map: 'hevo' })).toBe(expected);
  });

  test('keeps modifiers', () => {
    expect(mapped('numeric', { map: 'hevo' }, 655_366)).toBe('numeric(10,2)');
  });
});
