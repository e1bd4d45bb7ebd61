// Values under the type maps of other systems: by snapshot and by stream they become the same, and a value that can't is never lost in silence.
import { beforeAll, describe, expect, test } from 'vitest';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { type Layout, NATIVE_LAYOUT, PRESETS } from '../../src/model/layout.ts';
import { REFUSED_TYPES } from '../../src/model/type-refusals.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, useScenarios } from '../pipeline/scenario.ts';
import { samplesFor } from '../pipeline/type-samples.ts';

const scenarios = useScenarios();
const major = Math.min(scenarios.source.major, scenarios.destination.major);
/** Older sources can't tell which json texts are no jsonb. */
const hasInputChecks = scenarios.source.major >= 16;

const AIRBYTE: Layout = { ...PRESETS.airbyte, rawSchema: null };
const HEVO: Layout = { ...NATIVE_LAYOUT, types: 'hevo' };

/** Values become numbers, as the destination prints them. */
const NUMBERS = new Set(['float4', 'float8', 'numeric']);
/** Values that no jsonb and no numeric of an old server holds. */
const UNKEPT = new Set(['json', ...(major < 14 ? ['float4', 'float8'] : [])]);

interface BuiltinType {
  readonly name: string;
  readonly hasArray: boolean;
}

let types: readonly BuiltinType[];

beforeAll(async () => {
  const database = await scenarios.source.createDatabase();
  const there = await scenarios.destination.createDatabase();
  const atDestination = new Set((await there.query(BUILTIN_TYPES)).map(([name]) => name));
  // Their text form above 127 changed with 16, and mapped tables go as text: between servers of both kinds such columns are refused.
  const charTextDiffers = scenarios.source.major >= 16 !== scenarios.destination.major >= 16;
  types = (await database.query(BUILTIN_TYPES)).flatMap(([name, hasArray]) =>
    name === null || name === undefined || REFUSED_TYPES.has(name) || !atDestination.has(name) || (charTextDiffers && name === 'char')
      ? []
      : [{ name, hasArray: hasArray === 't' }],
  );
});

describe.each([
  ['airbyte', AIRBYTE],
  ['hevo', HEVO],
] as const)('types: %s', (map, layout) => {
  test('every built-in type and its array become the same by load, insert, update and without a key, and can be verified', async () => {
    const pair = await scenarios.pair();
    const { source, destination } = pair;
    await source.query('CREATE SCHEMA no_types; CREATE TABLE no_types.place (id int PRIMARY KEY); CREATE SCHEMA v; CREATE SCHEMA m');
    for (const type of types) await source.query(tablesOf(type));
    await pair.once({ settings: { layout } });
    expect(failures(await objectStates(destination))).toEqual([]);
    for (const type of types) await expectMapped(pair, map, type);

    for (const { name } of types) await source.query(changesOf(quoteIdent(name)));
    await pair.once({ settings: { layout } });
    expect(failures(await objectStates(destination))).toEqual([]);
    for (const type of types) {
      await expectMapped(pair, map, type);
      await expectStreamedAsLoaded(destination, type);
    }

    const settings = pipelineSettings(source, destination, { settings: { layout } });
    const reports = await verifyPipeline(settings, 'all', new AbortController().signal);
    expect(reports.length).toBeGreaterThan(types.length);
    const wrong = reports.filter((report) => report.missing + report.extra + report.different > 0 || report.unverified !== null);
    if (hasInputChecks) expect(wrong).toEqual([]);
    else expect(wrong.every((report) => report.unverified?.includes('PostgreSQL 16'))).toBe(true);
  }, 180_000);
});

test('airbyte: the columns have the types of the map, without modifiers', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query(`
    CREATE TYPE public.mood AS ENUM ('sad', 'glad');
    CREATE DOMAIN public.small AS smallint CHECK (VALUE > 0);
    CREATE TYPE public.pair AS (a int, b text);
    CREATE TYPE public.text_range AS RANGE (subtype = text);
    CREATE TABLE public.t (
      id uuid PRIMARY KEY, i smallint, n int NOT NULL, o oid, f real, d numeric(10,2), ok boolean, name varchar(9), code char(4), mood public.mood,
      small public.small, pair public.pair, pairs public.pair[], words public.text_range, doc json, docb jsonb, at timestamptz(3), ts timestamp(0),
      clock time(3), clock_tz timetz, day date, span interval, bytes bytea, ints int[], moods public.mood[], twice int GENERATED ALWAYS AS (n * 2) STORED)`);
  await pair.once({ settings: { layout: AIRBYTE } });
  expect(await columnsOf(destination, 'public', 't')).toEqual([
    ['id', 'character varying', 't'],
    ['i', 'bigint', 'f'],
    ['n', 'bigint', 'f'],
    ['o', 'bigint', 'f'],
    ['f', 'numeric', 'f'],
    ['d', 'numeric', 'f'],
    ['ok', 'boolean', 'f'],
    ['name', 'character varying', 'f'],
    ['code', 'character varying', 'f'],
    ['mood', 'character varying', 'f'],
    ['small', 'bigint', 'f'],
    ['pair', 'jsonb', 'f'],
    ['pairs', 'jsonb', 'f'],
    ['words', 'character varying', 'f'],
    ['doc', 'jsonb', 'f'],
    ['docb', 'jsonb', 'f'],
    ['at', 'timestamp with time zone', 'f'],
    ['ts', 'timestamp without time zone', 'f'],
    ['clock', 'time without time zone', 'f'],
    ['clock_tz', 'time with time zone', 'f'],
    ['day', 'date', 'f'],
    ['span', 'character varying', 'f'],
    ['bytes', 'character varying', 'f'],
    ['ints', 'jsonb', 'f'],
    ['moods', 'jsonb', 'f'],
    ['_airbyte_raw_id', 'character varying', 't'],
    ['_airbyte_extracted_at', 'timestamp with time zone', 't'],
    ['_airbyte_meta', 'jsonb', 't'],
  ]);
});

test('airbyte: enums, domains, composites and ranges of users become texts and json, whatever becomes of the rows', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query(USER_TYPES);
  await source.query(USER_ROWS(1));
  await pair.once({ settings: { layout: AIRBYTE } });
  expect(failures(await objectStates(destination))).toEqual([]);
  const loaded = await userRows(destination, 1);
  expect(loaded).toEqual([
    [
      'back\\slash',
      '["back\\\\slash", null, "a,{}"]',
      '7',
      '[1, 2]',
      '[{"a": "quote \\" ( , )", "b": 1.50}, null]',
      '{"m": "sad", "n": [5], "p": {"a": "", "b": null}}',
      '["a,""b",c)',
      '["[a,b]", "empty"]',
    ],
  ]);
  await source.query(USER_ROWS(2));
  await source.query('UPDATE public.u SET id = 3 WHERE id = 1; UPDATE public.u SET note = 1 WHERE id = 2');
  await source.query('INSERT INTO public.unkeyed TABLE public.u; DELETE FROM public.unkeyed WHERE id = 1');
  await pair.once({ settings: { layout: AIRBYTE } });
  expect(failures(await objectStates(destination))).toEqual([]);
  expect(await userRows(destination, 2)).toEqual(loaded);
  expect(await userRows(destination, 3)).toEqual(loaded);
  expect(await destination.query('SELECT id, pairs FROM public.unkeyed ORDER BY id')).toEqual([
    ['2', loaded[0]?.[4]],
    ['3', loaded[0]?.[4]],
  ]);
  const settings = pipelineSettings(source, destination, { settings: { layout: AIRBYTE } });
  for (const report of await verifyPipeline(settings, 'all', new AbortController().signal)) {
    expect(report).toMatchObject({ missing: 0, extra: 0, different: 0, unverified: null });
  }
});

describe('airbyte: a value that jsonb does not hold', () => {
  const NUL = String.raw`'{"a": "\u0000"}'`;
  const note = (field: string) => ({ field, change: 'NULLED', reason: 'DESTINATION_TYPECAST_ERROR' });
  const table = `CREATE TABLE public.t (id int PRIMARY KEY, doc json, docs json[], n int, big text);
    ALTER TABLE public.t ALTER big SET STORAGE EXTERNAL, ALTER doc SET STORAGE EXTERNAL`;

  test('becomes NULL with a note in the row, by load and by stream, and the note goes with it', async () => {
    const pair = await scenarios.pair();
    const { source, destination } = pair;
    const meta = async () =>
      (await destination.query('SELECT id, doc IS NULL, docs IS NULL, _airbyte_meta FROM public.t ORDER BY id::int')).map(
        ([id, a, b, text]) => [id, a, b, (JSON.parse(text ?? '') as { changes: unknown }).changes],
      );
    await source.query(table);
    await source.query(`INSERT INTO public.t VALUES (1, ${NUL}, ARRAY[${NUL}]::json[], 0), (2, '{"a": 1}', '{}', 0), (3, ${NUL}, NULL, 0)`);
    await pair.once({ settings: { layout: AIRBYTE } });
    expect(await meta()).toEqual([
      ['1', 't', 't', [note('doc'), note('docs')]],
      ['2', 'f', 'f', []],
      ['3', 't', 't', [note('doc')]],
    ]);

    await source.query(`
      INSERT INTO public.t VALUES (4, '1', ARRAY[${NUL}]::json[], 0);
      UPDATE public.t SET doc = '[]', n = 1 WHERE id = 1;
      UPDATE public.t SET doc = ${NUL} WHERE id = 2;
      UPDATE public.t SET id = 30 WHERE id = 3`);
    await pair.once({ settings: { layout: AIRBYTE } });
    expect(await meta()).toEqual([
      ['1', 'f', 't', [note('docs')]],
      ['2', 't', 'f', [note('doc')]],
      ['4', 'f', 't', [note('docs')]],
      ['30', 't', 't', [note('doc')]],
    ]);
    const settings = pipelineSettings(source, destination, { settings: { layout: AIRBYTE } });
    expect(await verifyPipeline(settings, 'all', new AbortController().signal)).toMatchObject([
      { different: 0, unverified: hasInputChecks ? null : expect.stringContaining('"doc", "docs"') },
    ]);
  });

  test('keeps its note while a change leaves it alone, and other columns of the row change', async () => {
    const pair = await scenarios.pair();
    const { source, destination } = pair;
    await source.query(table);
    const long = `('{"a": "\\u0000", "b": "' || repeat('x', 9000) || '"}')::json`;
    await source.query(`INSERT INTO public.t VALUES (1, ${long}, NULL, 0, repeat('y', 9000))`);
    await pair.once({ settings: { layout: AIRBYTE } });
    await source.query(`UPDATE public.t SET n = 5, docs = ARRAY[${NUL}]::json[]`);
    await pair.once({ settings: { layout: AIRBYTE } });
    const [row] = await destination.query("SELECT n, pg_catalog.length(big), doc, _airbyte_meta -> 'changes' FROM public.t");
    expect([...(row ?? []).slice(0, 3), JSON.parse(row?.[3] ?? '')]).toEqual(['5', '9000', null, [note('doc'), note('docs')]]);
  });

  test('stops the object where the row has no place for a note', async () => {
    const pair = await scenarios.pair();
    const { source, destination } = pair;
    const layout: Layout = { ...NATIVE_LAYOUT, types: 'airbyte' };
    await source.query(table);
    await source.query("INSERT INTO public.t VALUES (1, '{}', NULL, 0)");
    await pair.once({ settings: { layout } });
    await source.query(`INSERT INTO public.t VALUES (2, ${NUL}, NULL, 0)`);
    await pair.once({ settings: { layout } }).catch(() => {});
    expect((await objectStates(destination))['t']).toMatchObject({ state: 'failed', reason: 'row_rejected' });
  });
});

test('airbyte: rows without a key that have become equal are deleted one for one', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query(`CREATE TABLE public.t (doc json, f float8); ALTER TABLE public.t REPLICA IDENTITY FULL;
    INSERT INTO public.t VALUES ('{"a":1}', '0'), ('{ "a": 1 }', '-0'), ('{"a" :1}', '0'), ('{"a":1}', '0'), ('{"b":1}', '1')`);
  await pair.once({ settings: { layout: AIRBYTE } });
  await source.query(`DELETE FROM public.t WHERE doc::text IN ('{ "a": 1 }', '{"a" :1}'); UPDATE public.t SET f = 2 WHERE f = 1`);
  await pair.once({ settings: { layout: AIRBYTE } });
  expect(failures(await objectStates(destination))).toEqual([]);
  expect(await destination.query('SELECT doc, f FROM public.t ORDER BY 2')).toEqual([
    ['{"a": 1}', '0'],
    ['{"a": 1}', '0'],
    ['{"b": 1}', '2'],
  ]);
});

test('airbyte: a key of an array is refused with its column, one of a text form finds its rows', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query(`
    CREATE TYPE public.mood AS ENUM ('sad', 'glad');
    CREATE TABLE public.by_array (tags int[] PRIMARY KEY, n int);
    CREATE TABLE public.by_text (id uuid, mood public.mood, day interval, f float8, amount numeric, n int, PRIMARY KEY (id, mood, day, f, amount));
    INSERT INTO public.by_text SELECT '6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'sad', '1 day', i * 1e300, 1.00, i FROM generate_series(1, 3) AS i`);
  await pair.once({ settings: { layout: AIRBYTE } });
  expect((await objectStates(destination))['by_array']).toMatchObject({ state: 'ineligible', reason: 'type_refused' });
  await source.query(`
    UPDATE public.by_text SET n = 10 WHERE n = 1;
    UPDATE public.by_text SET day = '24:00:00', amount = 1.0 WHERE n = 2;
    DELETE FROM public.by_text WHERE n = 3`);
  await pair.once({ settings: { layout: AIRBYTE } });
  expect(await destination.query('SELECT mood, day, amount, n FROM public.by_text ORDER BY n')).toEqual([
    ['sad', '24:00:00', '1.0', '2'],
    ['sad', '1 day', '1.00', '10'],
  ]);
});

test('airbyte: a table that keeps every change is refused where a column would have to be converted, and no other', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  const settings = { layout: { ...NATIVE_LAYOUT, types: 'airbyte', syncMode: 'incremental_append' } satisfies Layout };
  await source.query('CREATE TABLE public.lists (id int PRIMARY KEY, tags int[]); CREATE TABLE public.plain (id uuid PRIMARY KEY, n int)');
  await pair.once({ settings });
  const states = await objectStates(destination);
  expect(states['lists']).toMatchObject({ state: 'ineligible', reason: 'type_refused', cause: expect.stringContaining('"tags"') });
  await source.query("INSERT INTO public.plain VALUES ('00000000-0000-0000-0000-000000000001', 1); UPDATE public.plain SET n = 2");
  await pair.once({ settings });
  expect(await destination.query('SELECT n FROM public.plain ORDER BY 1')).toEqual([['1'], ['2']]);
});

const BUILTIN_TYPES = `
  SELECT t.typname, t.typarray <> 0
  FROM pg_catalog.pg_type AS t
  WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
    AND t.typtype IN ('b', 'r', 'm') AND NOT (t.typcategory = 'A' AND t.typname LIKE E'\\\\_%')
  ORDER BY t.typname`;

const USER_TYPES = String.raw`
  CREATE TYPE public.mood AS ENUM ('sad', 'back\slash', 'a,{}');
  CREATE DOMAIN public.small AS int CHECK (VALUE < 100);
  CREATE DOMAIN public.numbers AS int[];
  CREATE TYPE public.pair AS (a text, b numeric(10,2));
  CREATE TYPE public.nested AS (p public.pair, n public.numbers, m public.mood);
  CREATE TYPE public.words AS RANGE (subtype = text, collation = "C");
  CREATE TABLE public.u (
    id int PRIMARY KEY, mood public.mood, moods public.mood[], small public.small, numbers public.numbers, pairs public.pair[],
    nested public.nested, words public.words, wordses public.words[], note int);
  CREATE TABLE public.unkeyed AS TABLE public.u;
  ALTER TABLE public.unkeyed REPLICA IDENTITY FULL`;

const USER_ROWS = (id: number) => String.raw`
  INSERT INTO public.u VALUES (${id}, 'back\slash', ARRAY['back\slash', NULL, 'a,{}']::public.mood[], 7, '{1,2}',
    ARRAY[ROW('quote " ( , )', 1.5), NULL]::public.pair[], ROW(ROW('', NULL), '[4:4]={5}', 'sad')::public.nested,
    '["a,""b",c)', ARRAY['[a,b]', 'empty']::public.words[])`;

function userRows(destination: TestDatabase, id: number) {
  return destination.query(
    'SELECT mood, moods, small, numbers, pairs, nested, words, wordses FROM public.u WHERE id = $1::pg_catalog.int8',
    [String(id)],
  );
}

function failures(states: Awaited<ReturnType<typeof objectStates>>): readonly string[] {
  return Object.entries(states).flatMap(([name, { state, cause }]) =>
    state === 'failed' || state === 'ineligible' ? [`${name}: ${cause}`] : [],
  );
}

function tablesOf(type: BuiltinType): string {
  const name = quoteIdent(type.name);
  const array = type.hasArray ? `pg_catalog.${name}[]` : 'int';
  return `
    CREATE TABLE v.${name} (id int PRIMARY KEY, v pg_catalog.${name}, a ${array});
    INSERT INTO v.${name} ${valuesSql(type)};
    CREATE TABLE m.${name} (id int, v pg_catalog.${name}, a ${array});
    ALTER TABLE m.${name} REPLICA IDENTITY FULL;
    INSERT INTO m.${name} TABLE v.${name}`;
}

/** Every value comes once more as a new row and as a changed one, and goes from the table without a key. */
function changesOf(name: string): string {
  return `
    INSERT INTO v.${name} SELECT id + 1000, v, a FROM v.${name};
    INSERT INTO v.${name} SELECT id + 1000, NULL, NULL FROM v.${name} WHERE id > 1000;
    UPDATE v.${name} AS t SET v = s.v, a = s.a FROM v.${name} AS s WHERE s.id = t.id - 2000;
    INSERT INTO m.${name} SELECT id + 1000, v, a FROM m.${name};
    DELETE FROM m.${name} WHERE id % 3 = 0 AND id < 1000`;
}

function valuesSql(type: BuiltinType): string {
  const column = `pg_catalog.${quoteIdent(type.name)}`;
  const literals = samplesFor(type.name, major).map((sample) => `E'${sample.replaceAll('\\', '\\\\').replaceAll("'", "''")}'::${column}`);
  const [one = 'NULL', two = one] = literals;
  const arrays = type.hasArray
    ? [
        `ARRAY[NULL, ${literals.filter((literal) => literal.length < 20_000).join(', ')}]`,
        `ARRAY[]::${column}[]`,
        `ARRAY[[${one}, ${two}], [NULL, ${one}]]`,
        `pg_catalog.array_fill(${one}, ARRAY[2,2], ARRAY[0,-3])`,
        'NULL',
      ]
    : ['1', 'NULL'];
  const rows = Array.from({ length: Math.max(literals.length + 1, arrays.length) }, (_, index) => index);
  return `VALUES ${rows.map((index) => `(${index + 1}, ${literals[index] ?? 'NULL'}, ${arrays[index % arrays.length]})`).join(', ')}`;
}

/** What must stand at the destination, computed by the source. */
async function expectMapped({ source, destination }: Pair, map: 'airbyte' | 'hevo', { name, hasArray }: BuiltinType): Promise<void> {
  const text = (column: string): string => `CASE WHEN ${column} IS NOT NULL THEN pg_catalog.concat(${column}) END`;
  const isNumber = map === 'airbyte' && NUMBERS.has(name);
  const value = isNumber ? `CASE WHEN v::text LIKE '%Inf%' THEN v::text ELSE (v::text::numeric)::text END` : text('v');
  // A vector is a type with a text of its own, and no array.
  const elements = name.endsWith('vector') ? 'a::text::text[]' : 'a';
  const array = map === 'airbyte' && hasArray ? `pg_catalog.to_jsonb(${elements})::text` : text('a');
  // Of json and what it can't hold there are tests of their own.
  const columns = map === 'airbyte' && UNKEPT.has(name) ? [] : [value, array];
  const sql = (texts: readonly string[]) => `SELECT ${['id', ...texts].join(', ')} FROM v.${quoteIdent(name)} ORDER BY id`;
  expect(await destination.query(sql(columns.length === 0 ? [] : [text('v'), text('a')])), name).toEqual(await source.query(sql(columns)));
}

async function expectStreamedAsLoaded(destination: TestDatabase, { name }: BuiltinType): Promise<void> {
  const row = (id: string) => `SELECT id ${id}, pg_catalog.concat(v), v IS NULL, pg_catalog.concat(a), a IS NULL`;
  const loaded = await destination.query(`${row('')} FROM v.${quoteIdent(name)} WHERE id < 1000 ORDER BY 1`);
  expect(await destination.query(`${row('- 1000')} FROM v.${quoteIdent(name)} WHERE id BETWEEN 1000 AND 2000 ORDER BY 1`), name).toEqual(
    loaded,
  );
  expect(await destination.query(`${row('- 2000')} FROM v.${quoteIdent(name)} WHERE id > 2000 ORDER BY 1`), name).toEqual(loaded);
  expect(await destination.query(`${row('- 1000')} FROM m.${quoteIdent(name)} WHERE id > 1000 ORDER BY 1`), name).toEqual(loaded);
  const [kept] = await destination.query(`SELECT pg_catalog.count(*) FROM m.${quoteIdent(name)} WHERE id < 1000 AND id % 3 = 0`);
  expect(kept, name).toEqual(['0']);
}

function columnsOf(database: TestDatabase, schema: string, table: string) {
  return database.query(
    `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull
     FROM pg_catalog.pg_attribute AS a
     JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [schema, table],
  );
}
