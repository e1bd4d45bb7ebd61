// Columns that change under tables of other layouts: they follow in place, or by a reload, or the object stops; never anything between.
import { expect, test } from 'vitest';
import { type Layout, NATIVE_LAYOUT } from '../../src/model/layout.ts';
import { PLAIN_OBJECT, type PipelineSettings } from '../../src/app/config/settings.ts';
import { objectStates, type Pair, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

test('with metadata columns and soft deletes follow in place, and marked rows stay', async () => {
  const { pair, settings, oid } = await loaded({ metadata: 'millrace', deletes: 'soft' });
  await pair.source.query(`
    DELETE FROM public.t WHERE id = 1;
    ALTER TABLE public.t ADD COLUMN n int DEFAULT 7; ALTER TABLE public.t RENAME COLUMN v TO w;
    INSERT INTO public.t VALUES (3, 'c', 3); DELETE FROM public.t WHERE id = 2`);
  await pair.once({ settings });
  expect(await rows(pair, 'id, w, n, _millrace_deleted')).toEqual(['1 a 7 t', '2 b 7 t', '3 c 3 f']);
  expect(await oidOf(pair)).toBe(oid);
});

test('that are mapped and recorded are loaded again, in the table that is there', async () => {
  const { pair, settings, oid } = await loaded({ metadata: 'airbyte', types: 'airbyte', rawSchema: 'raw' });
  await pair.source.query('ALTER TABLE public.t ADD COLUMN tags text[] DEFAULT $${x}$$; INSERT INTO public.t VALUES (3, $$c$$, $${y,z}$$)');
  await pair.once({ settings });
  expect(await rows(pair, 'id, v, tags')).toEqual(['1 a ["x"]', '2 b ["x"]', '3 c ["y", "z"]']);
  expect(await oidOf(pair)).toBe(oid);
  expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'streaming' });
});

test('beside those that an object chose do not concern it', async () => {
  const filter = { columns: ['id', 'v'], masks: new Map(), renames: new Map(), where: null };
  const { pair, settings, oid } = await loaded({}, { objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 't', filter }] });
  await pair.source.query('ALTER TABLE public.t ADD COLUMN n int; INSERT INTO public.t VALUES (3, $$c$$, 3); UPDATE public.t SET n = 1');
  await pair.once({ settings });
  expect(await rows(pair, 'id, v')).toEqual(['1 a', '2 b', '3 c']);
  expect(await oidOf(pair)).toBe(oid);
});

test.each([
  ['every change', { syncMode: 'incremental_append' }],
  ['every version', { history: true }],
] as const)('of a table that keeps %s stop their object alone, and what it keeps stays', async (_what, layout) => {
  const { pair, settings } = await loaded(layout);
  await pair.source.query(`
    CREATE TABLE public.other (id int PRIMARY KEY);
    ALTER TABLE public.t ADD COLUMN n int; INSERT INTO public.t VALUES (4, 'd', 4); INSERT INTO public.other VALUES (1)`);
  await pair.once({ settings });
  const states = await objectStates(pair.destination);
  expect(states['t']).toMatchObject({ state: 'failed', code: '2060' });
  expect(states['other']).toMatchObject({ state: 'streaming' });
  expect(await rows(pair, 'id, v')).toEqual(['1 a', '2 b']);
  await pair.destination.query("UPDATE _millrace.object SET restart_requested = true WHERE source_name = 't'");
  await pair.once({ settings });
  expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'failed', code: '2111' });
  expect(await rows(pair, 'id, v')).toEqual(['1 a', '2 b']);
});

test('of a table that was there before stop the object with what to run, and it goes on after it', async () => {
  const pair = await servers.pair();
  await pair.source.query(TABLE);
  await pair.destination.query('CREATE TABLE public.t (v text, id int PRIMARY KEY)');
  await pair.once();
  await pair.source.query("ALTER TABLE public.t ADD COLUMN n int; INSERT INTO public.t VALUES (3, 'c', 3)");
  await pair.once();
  expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'failed', code: '2112' });
  await pair.destination.query(`ALTER TABLE public.t ADD COLUMN n int;
    UPDATE _millrace.object SET restart_requested = true WHERE source_name = 't'`);
  await pair.once();
  expect(await rows(pair, 'id, v, n')).toEqual(['1 a', '2 b', '3 c 3']);
});

const TABLE = "CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'a'), (2, 'b')";

async function loaded(layout: Partial<Layout>, rest: Partial<PipelineSettings> = {}) {
  const pair = await servers.pair();
  const settings = { layout: { ...NATIVE_LAYOUT, ...layout }, ...rest };
  await pair.source.query(TABLE);
  await pair.once({ settings });
  return { pair, settings, oid: await oidOf(pair) };
}

async function rows(pair: Pair, columns: string): Promise<readonly string[]> {
  const found = await pair.destination.query(`SELECT pg_catalog.concat_ws(' ', ${columns}) FROM public.t`);
  return found.map(([row]) => row ?? '').sort();
}

async function oidOf(pair: Pair): Promise<string | null | undefined> {
  return (await pair.destination.query("SELECT 'public.t'::pg_catalog.regclass::pg_catalog.oid"))[0]?.[0];
}
