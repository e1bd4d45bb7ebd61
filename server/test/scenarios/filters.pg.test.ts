// Columns that are left out or renamed, and rows that are left out: load and stream leave the same table, whatever happens in between.
import { describe, expect, test } from 'vitest';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { waitFor } from '../pg/wait-for.ts';
import { ChunkGate } from '../pipeline/chunk-gate.ts';
import { type FilterParts, filteredObject, SHA256 } from '../pipeline/filters.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

/** Settings with a filter on the table `t`. */
function filtering(parts: FilterParts) {
  return { objects: [filteredObject('t', parts)] };
}

async function verified(pair: Pair, settings: ReturnType<typeof filtering>) {
  const all = pipelineSettings(pair.source, pair.destination, { settings });
  const [report] = await verifyPipeline(all, 'all', new AbortController().signal);
  return report;
}

const CLEAN = { missing: 0, extra: 0, different: 0, unverified: null };

async function expectRows(pair: Pair, atSource: string, atDestination: string): Promise<void> {
  expect(await pair.destination.query(atDestination)).toEqual(await pair.source.query(atSource));
}

async function untilRows(pair: Pair, atSource: string, atDestination: string): Promise<void> {
  const equal = async (): Promise<boolean> =>
    JSON.stringify(await pair.destination.query(atDestination)) === JSON.stringify(await pair.source.query(atSource));
  await waitFor('equal rows', equal).catch(async (error: unknown) => {
    await expectRows(pair, atSource, atDestination);
    throw error;
  });
}

describe('columns', () => {
  const settings = filtering({ columns: ['id', 'v', 'Big "one"'], renames: { v: 'value', id: 'key' } });
  const AT_SOURCE = 'SELECT id, v, "Big ""one""" FROM public.t ORDER BY id';
  const AT_DESTINATION = 'SELECT key, value, "Big ""one""" FROM public.t ORDER BY key';

  test('that are named arrive, under their new names, by load, from aside and by stream, over a restart', async () => {
    const pair = await servers.pair();
    await pair.once();
    await pair.source.query(`
      CREATE TABLE public.t (hidden text DEFAULT 'x', id int PRIMARY KEY, other xml, v text, "Big ""one""" text);
      ALTER TABLE public.t ALTER COLUMN "Big ""one""" SET STORAGE EXTERNAL;
      INSERT INTO public.t SELECT 'h', i, NULL, 'v' || i, pg_catalog.repeat('b', 4000) FROM pg_catalog.generate_series(1, 500) AS i`);
    const gate = await ChunkGate.close(pair.destination);
    const running = pair.start({ settings, tuning: { chunkBytes: 50_000, workersPerLoad: 1 } });
    await pair.untilState('copying', 't');
    await pair.source.query(`
      UPDATE public.t SET v = 'aside' WHERE id % 7 = 0; UPDATE public.t SET hidden = 'y' WHERE id % 5 = 0;
      DELETE FROM public.t WHERE id % 11 = 0; INSERT INTO public.t VALUES ('h', 1000, NULL, NULL, NULL)`);
    await gate.open();
    await pair.untilState('streaming', 't');
    await untilRows(pair, AT_SOURCE, AT_DESTINATION);
    await pair.source.query(`
      UPDATE public.t SET id = id + 10000 WHERE id < 10; UPDATE public.t SET other = '<a/>'; DELETE FROM public.t WHERE id = 20;
      INSERT INTO public.t SELECT 'h', i, NULL, 'new', 'n' FROM pg_catalog.generate_series(2000, 2100) AS i`);
    await untilRows(pair, AT_SOURCE, AT_DESTINATION);
    await running.stop();
    await pair.source.query("UPDATE public.t SET v = 'after' WHERE id > 400; ALTER TABLE public.t DROP COLUMN other, ADD COLUMN later int");
    await pair.source.query("INSERT INTO public.t (id, v, later) VALUES (5000, 'later', 1)");
    await pair.once({ settings });
    await expectRows(pair, AT_SOURCE, AT_DESTINATION);
    expect(await verified(pair, settings)).toMatchObject(CLEAN);
  });

  test('of a table without a key leave equal rows equal, and a delete takes one of them', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (a text, b text); ALTER TABLE public.t REPLICA IDENTITY FULL;
      INSERT INTO public.t VALUES ('x', '1'), ('x', '2'), ('x', '3'), ('y', '1')`);
    const only = filtering({ columns: ['a'] });
    await pair.once({ settings: only });
    await pair.source.query("DELETE FROM public.t WHERE b = '2'; UPDATE public.t SET a = 'z' WHERE b = '3'; UPDATE public.t SET b = 'new'");
    await pair.once({ settings: only });
    await expectRows(pair, 'SELECT a FROM public.t ORDER BY a', 'SELECT a FROM public.t ORDER BY a');
    expect(await verified(pair, only)).toMatchObject(CLEAN);
  });

  test('of types that no other server can have do no harm when they are left out or hashed', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, n pg_catalog.pg_node_tree, a pg_catalog.aclitem);
      INSERT INTO public.t (id, a) SELECT 1, pg_catalog.makeaclitem(r.oid, r.oid, 'SELECT', false) FROM pg_catalog.pg_roles AS r LIMIT 1`);
    await pair.once({ settings: filtering({ columns: ['id', 'a'], masks: { a: SHA256 } }) });
    expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'streaming' });
    expect(await pair.destination.query('SELECT id, pg_catalog.length(a) FROM public.t')).toEqual([['1', '64']]);
  });

  test('that are chosen otherwise, or called otherwise, load the object again', async () => {
    const pair = await servers.pair();
    await pair.source.query("CREATE TABLE public.t (id int PRIMARY KEY, a text, b text); INSERT INTO public.t VALUES (1, 'a', 'b')");
    const columns = async () =>
      (
        await pair.destination.query(
          "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = 'public.t'::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        )
      ).flat();
    await pair.once();
    expect(await columns()).toEqual(['id', 'a', 'b']);
    await pair.once({ settings: filtering({ columns: ['b', 'id'] }) });
    expect(await columns()).toEqual(['id', 'b']);
    await pair.once({ settings: filtering({ columns: ['b', 'id'], renames: { b: 'a' } }) });
    expect(await columns()).toEqual(['id', 'a']);
    expect(await pair.destination.query('SELECT id, a FROM public.t')).toEqual([['1', 'b']]);
    await pair.once();
    expect(await pair.destination.query('SELECT id, a, b FROM public.t')).toEqual([['1', 'a', 'b']]);
  });

  test('that a generated column is made of take it along when they are hidden, and only then', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, a int, b int, twice int GENERATED ALWAYS AS (a * 2) STORED, more int GENERATED ALWAYS AS (b + 1) STORED);
      INSERT INTO public.t (id, a, b) VALUES (1, 2, 3)`);
    await pair.once({ settings: filtering({ masks: { a: { kind: 'null' } } }) });
    expect(await pair.destination.query('SELECT t::pg_catalog.text FROM public.t AS t')).toEqual([['(1,,3,4)']]);
  });
});

describe('a filter that does not fit its table is refused before anything is made', () => {
  test.each<[string, FilterParts, RegExp, RegExp]>([
    ['an unknown column', { columns: ['id', 'emial'] }, /the table has no column "emial"/, /Did you mean email\?/],
    ['an unknown column to mask', { masks: { zzzzzz: { kind: 'null' } } }, /no column "zzzzzz"/, /columns are: id, email, low/],
    ['an unknown column to rename', { renames: { lowx: 'x' } }, /no column "lowx"/, /Did you mean low\?/],
    ['a key that is left out', { columns: ['email'] }, /the key column "id" is not among/, /Add id to `columns`/],
    ['a key that is masked by NULL', { masks: { id: { kind: 'null' } } }, /the key column "id" is masked by one value/, /sha256/],
    ['a key that is masked by a text', { masks: { id: { kind: 'fixed', text: 'x' } } }, /masked by one value/, /sha256/],
    [
      'a generated column that is masked',
      { masks: { low: SHA256 } },
      /generated column "low" is masked/,
      /Mask the columns that low is made of/,
    ],
    ['a new name that another column has', { renames: { id: 'email' } }, /"id" and "email" would both be named "email"/, /`rename`/],
  ])('%s', async (_name, parts, cause, fix) => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, email text, low text GENERATED ALWAYS AS (lower(email)) STORED)');
    await pair.source.query('CREATE TABLE public.other (id int PRIMARY KEY)');
    await pair.once({ settings: filtering(parts) });
    const states = await objectStates(pair.destination);
    expect(states).toMatchObject({
      t: { state: 'ineligible', code: '2110', cause: expect.stringMatching(cause) },
      other: { state: 'streaming' },
    });
    const [reason] = await pair.destination.query("SELECT reason->>'fix' FROM _millrace.object WHERE source_name = 't'");
    expect(reason?.[0]).toMatch(fix);
    expect(await pair.destination.query("SELECT pg_catalog.to_regclass('public.t')")).toEqual([[null]]);
    expect(await pair.source.query("SELECT tablename FROM pg_catalog.pg_publication_tables WHERE tablename = 't'")).toEqual([]);
  });
});
