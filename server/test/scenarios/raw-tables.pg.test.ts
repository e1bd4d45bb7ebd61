// Raw tables: every record as json beside the typed table, in the transaction that changes the row, under the row's own id.
import { describe, expect, test } from 'vitest';
import { type Layout, NATIVE_LAYOUT, PRESETS } from '../../src/model/layout.ts';
import { type QualifiedName, quoteName } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';
import { filteredObject } from '../pipeline/filters.ts';
import { objectStates, useScenarios } from '../pipeline/scenario.ts';

const scenarios = useScenarios();

const AIRBYTE = { layout: PRESETS.airbyte };
const NATIVE = { layout: { ...NATIVE_LAYOUT, rawSchema: 'raw' } satisfies Layout };
const RAW_NAME = 'public_raw__stream_t';
const IN_INTERNAL = { schema: 'airbyte_internal', name: RAW_NAME };

const SHOP = `
  CREATE TABLE public.t ("Id" int PRIMARY KEY, v text, tags int[], big text);
  ALTER TABLE public.t ALTER big SET STORAGE EXTERNAL;
  INSERT INTO public.t SELECT i, 'v' || i, ARRAY[i], repeat('x', 5000) FROM generate_series(1, 4) AS i`;

const LOADED = ['1 v1 [1] 5000', '2 v2 [2] 5000', '3 v3 [3] 5000', '4 v4 [4] 5000'];

const CHANGES = `
  INSERT INTO public.t VALUES (5, 'new', NULL, 'short');
  UPDATE public.t SET v = 'changed' WHERE "Id" = 1;
  UPDATE public.t SET v = 'all', big = 'b', tags = '{7,8}' WHERE "Id" = 2;
  UPDATE public.t SET "Id" = 30 WHERE "Id" = 3;
  DELETE FROM public.t WHERE "Id" = 4`;

const CHANGED = ['1 changed [1] 5000', '2 all [7, 8] 1', '3 deleted', '30 v3 [3] 5000', '4 deleted', '5 new null 5'];

describe.each([
  ['of the airbyte preset', AIRBYTE, IN_INTERNAL],
  ['beside native types', NATIVE, { schema: 'raw', name: RAW_NAME }],
  ['with soft deletes', { layout: { ...PRESETS.airbyte, deletes: 'soft' } satisfies Layout }, IN_INTERNAL],
] as const)('a raw table %s', (_, settings, raw) => {
  test('has a record of every loaded row and of every change, with all columns under the names of the source', async () => {
    const pair = await scenarios.pair();
    const { source, destination } = pair;
    await source.query(SHOP);
    await pair.once({ settings });
    expect(await records(destination, raw)).toEqual(LOADED);
    await source.query(CHANGES);
    await pair.once({ settings });
    const present = settings.layout.deletes === 'soft' ? 'WHERE _ab_cdc_deleted_at IS NULL' : '';
    const rows = await destination.query(`SELECT "Id", v, pg_catalog.length(big) FROM public.t ${present} ORDER BY 1`);
    expect(rows.map((row) => row.join(' '))).toEqual(['1 changed 5000', '2 all 1', '5 new 5', '30 v3 5000']);
    expect(await records(destination, raw)).toEqual([...LOADED, ...CHANGED].toSorted());
  });

  test('has a record of every row without a key, and of every one that is deleted', async () => {
    const pair = await scenarios.pair();
    const { source, destination } = pair;
    await source.query(`CREATE TABLE public.t (v int, tags int[]); ALTER TABLE public.t REPLICA IDENTITY FULL;
      INSERT INTO public.t VALUES (1, '{1}'), (1, '{1}'), (2, NULL)`);
    await pair.once({ settings });
    await source.query("INSERT INTO public.t VALUES (3, '{3}'); UPDATE public.t SET v = 9 WHERE v = 2; DELETE FROM public.t WHERE v = 1");
    await pair.once({ settings });
    const data = await destination.query(
      `SELECT d ->> 'v', d ->> 'tags', d ? '_ab_cdc_deleted_at' FROM (SELECT _airbyte_data AS d FROM ${quoteName(raw)}) AS r`,
    );
    expect(data.map((row) => row.join(' ')).toSorted()).toEqual(
      ['1 [1] f', '1 [1] f', '2  f', '3 [3] f', '9  f', '1 [1] t', '1 [1] t', '2  t'].toSorted(),
    );
  });
});

test('has exactly the columns of its layout, and shares the id of each row', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query(SHOP);
  await pair.once({ settings: AIRBYTE });
  expect(
    await destination.query(
      `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a
       WHERE a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0 ORDER BY a.attnum`,
      [quoteName(IN_INTERNAL)],
    ),
  ).toEqual([
    ['_airbyte_raw_id', 'character varying'],
    ['_airbyte_extracted_at', 'timestamp with time zone'],
    ['_airbyte_loaded_at', 'timestamp with time zone'],
    ['_airbyte_data', 'jsonb'],
  ]);
  await source.query(`${CHANGES}; INSERT INTO public.t VALUES (6, 'six')`);
  await pair.once({ settings: AIRBYTE });
  // The newest record of each row has the row's id; ids are unique.
  const [counts] = await destination.query(`
    SELECT pg_catalog.count(*), pg_catalog.count(r._airbyte_raw_id), pg_catalog.count(DISTINCT t._airbyte_raw_id)
    FROM public.t AS t
    LEFT JOIN ${quoteName(IN_INTERNAL)} AS r
      ON r._airbyte_raw_id = t._airbyte_raw_id AND r._airbyte_data ->> 'Id' = t."Id"::text AND r._airbyte_data ->> 'v' = t.v`);
  expect(counts).toEqual(['5', '5', '5']);
});

test('keeps its records when the table is emptied, and gets those of the rows when it is loaded again', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query(SHOP);
  await pair.once({ settings: AIRBYTE });
  await source.query('TRUNCATE public.t');
  await pair.once({ settings: AIRBYTE });
  expect(await destination.query('SELECT count(*) FROM public.t')).toEqual([['0']]);
  expect(await records(destination, IN_INTERNAL)).toEqual(LOADED);
  await source.query("INSERT INTO public.t VALUES (7, 'seven', NULL, 'x')");
  await pair.once({ settings: AIRBYTE });
  await destination.query('UPDATE _millrace.object SET restart_requested = true');
  await pair.once({ settings: AIRBYTE });
  expect(await records(destination, IN_INTERNAL)).toEqual(['7 seven null 1']);
});

test('holds masked values only, of a load and of the stream, and no column that is left out', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  const object = filteredObject('t', {
    columns: ['id', 'mail', 'tags'],
    masks: { mail: { kind: 'fixed', text: 'hidden' }, tags: { kind: 'null' } },
  });
  const settings = { ...AIRBYTE, objects: [object] };
  await source.query(
    "CREATE TABLE public.t (id int PRIMARY KEY, mail text, tags int[], pin text); INSERT INTO public.t VALUES (1, 'a@b', '{7}', 'p')",
  );
  await pair.once({ settings });
  await source.query("INSERT INTO public.t VALUES (2, 'c@d', '{8}', 'q'); UPDATE public.t SET pin = 'r' WHERE id = 1");
  await pair.once({ settings });
  const rows = await destination.query(`SELECT DISTINCT _airbyte_data FROM ${quoteName(IN_INTERNAL)} ORDER BY 1`);
  expect(rows.map(([data]) => JSON.parse(data ?? '') as unknown)).toEqual([
    { id: 1, mail: 'hidden', tags: null },
    { id: 2, mail: 'hidden', tags: null },
  ]);
  expect(await destination.query('SELECT mail, tags FROM public.t')).toEqual([
    ['hidden', null],
    ['hidden', null],
  ]);
});

test('names twins apart, keeps their names whatever joins, and never takes a table that is not ours', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  const names = async () =>
    (await destination.query('SELECT source_name, raw_name FROM _millrace.raw_table ORDER BY source_name COLLATE "C"')).map(
      ([name, raw]) => [name, raw],
    );
  await source.query('CREATE TABLE public."a b" (id int PRIMARY KEY); CREATE TABLE public.theirs (id int PRIMARY KEY)');
  await destination.query('CREATE SCHEMA airbyte_internal; CREATE TABLE airbyte_internal.public_raw__stream_theirs (mine int)');
  await pair.once({ settings: AIRBYTE });
  expect(await names()).toEqual([['a b', 'public_raw__stream_a_b']]);
  expect((await objectStates(destination))['theirs']).toMatchObject({ state: 'failed', reason: 'destination_table_exists' });
  await source.query('CREATE TABLE public."A-B" (id int PRIMARY KEY)');
  await pair.once({ settings: AIRBYTE });
  expect(await names()).toEqual([
    ['A-B', expect.stringMatching(/^public_raw__stream_a_b_[0-9a-f]{12}$/)],
    ['a b', 'public_raw__stream_a_b'],
  ]);
});

test('shows a row and its record in one moment', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query('CREATE TABLE public.t (id int PRIMARY KEY, v text)');
  const pipeline = pair.start({ settings: AIRBYTE });
  await pair.untilState('streaming', 't');
  for (let id = 1; id <= 5; id++) {
    await source.query('INSERT INTO public.t VALUES ($1, $2)', [String(id), 'v']);
    await waitFor('the row to arrive', async () => {
      const [counts] = await destination.query(`SELECT (SELECT count(*) FROM public.t), (SELECT count(*) FROM ${quoteName(IN_INTERNAL)})`);
      expect(counts?.[0]).toBe(counts?.[1]);
      return counts?.[0] === String(id);
    });
  }
  await pipeline.stop();
});

/** Records as text, sorted: the key, then `deleted`, or the values and the length of the long one. */
async function records(destination: TestDatabase, raw: QualifiedName): Promise<readonly string[]> {
  const rows = await destination.query(`
    SELECT pg_catalog.concat_ws(' ', d ->> 'Id', CASE WHEN d ? '_ab_cdc_deleted_at' THEN 'deleted'
      ELSE pg_catalog.concat_ws(' ', d ->> 'v', d -> 'tags', pg_catalog.length(d ->> 'big')) END)
    FROM (SELECT _airbyte_data AS d FROM ${quoteName(raw)}) AS r`);
  return rows.map(([text]) => text ?? '').toSorted();
}
