// Destination tables that were there before: used where they fit, told apart to the last column where they don't, never altered or dropped.
import { describe, expect, test } from 'vitest';
import { checkFile } from '../../src/app/operations/check.ts';
import { dropPipeline } from '../../src/app/operations/drop.ts';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import { ChunkGate } from '../pipeline/chunk-gate.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, rowsOf, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

const REPLACE = { objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 't', existingTable: 'replace' as const }] };

async function sourceTable(pair: Pair): Promise<void> {
  await pair.source.query(
    "CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2)); INSERT INTO public.t VALUES (1, 'a', 1.5), (2, 'b', NULL)",
  );
}

/** How the table is made, so that nothing of it may change. */
async function making(pair: Pair): Promise<unknown> {
  return pair.destination.query(`
    SELECT c.oid, c.relowner, (SELECT pg_catalog.jsonb_agg(pg_catalog.to_jsonb(a) ORDER BY a.attnum) FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid),
           (SELECT pg_catalog.jsonb_agg(pg_catalog.pg_get_indexdef(i.indexrelid) ORDER BY 1) FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid)
    FROM pg_catalog.pg_class AS c WHERE c.oid = 'public.t'::pg_catalog.regclass`);
}

const VALUES = 'SELECT id, v, n FROM public.t ORDER BY id';

async function expectValues(pair: Pair): Promise<void> {
  expect(await pair.destination.query(VALUES)).toEqual(await pair.source.query(VALUES));
}

async function fixOf(pair: Pair): Promise<string> {
  const [reason] = await pair.destination.query("SELECT reason->>'fix' FROM _millrace.object WHERE source_name = 't'");
  return reason?.[0] ?? '';
}

describe('a table that fits', () => {
  test('is filled and kept as it is, with columns in another order and more of its own, over restarts, restart and drop', async () => {
    const pair = await servers.pair();
    await sourceTable(pair);
    await pair.destination.query(`
      CREATE TABLE public.t (n numeric(8,2), own int DEFAULT 7, id int, more text, v text); CREATE UNIQUE INDEX ON public.t (id);
      CREATE INDEX ON public.t (v); COMMENT ON TABLE public.t IS 'theirs'`);
    const before = await making(pair);
    await pair.once();
    await expectValues(pair);
    await pair.source.query(
      "UPDATE public.t SET v = 'c' WHERE id = 1; DELETE FROM public.t WHERE id = 2; INSERT INTO public.t VALUES (3, 'd', 9)",
    );
    await pair.once();
    await expectValues(pair);
    await pair.destination.query("UPDATE _millrace.object SET restart_requested = true; UPDATE public.t SET v = 'wrong'");
    await pair.once();
    await expectValues(pair);
    expect(await pair.destination.query('SELECT DISTINCT own, more FROM public.t')).toEqual([['7', null]]);
    expect(await making(pair)).toEqual(before);
    const settings = pipelineSettings(pair.source, pair.destination);
    const [report] = await verifyPipeline(settings, 'all', new AbortController().signal);
    expect(report).toMatchObject({ missing: 0, extra: 0, different: 0, unverified: null });
    await dropPipeline(settings);
    await expectValues(pair);
    expect(await making(pair)).toEqual(before);
  });

  test('is refused with rows of its own unless the file lets them be replaced, and readers see them until then', async () => {
    const pair = await servers.pair();
    await sourceTable(pair);
    await pair.destination.query(
      "CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2)); INSERT INTO public.t VALUES (77, 'precious', 0)",
    );
    const before = await making(pair);
    await pair.once();
    expect((await objectStates(pair.destination))['t']).toMatchObject({
      state: 'failed',
      code: '2023',
      cause: expect.stringContaining('it holds rows'),
    });
    expect(await fixOf(pair)).toContain('existing_table: replace');
    expect(await rowsOf(pair.destination, 't')).toEqual(['(77,precious,0.00)']);
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    const gate = await ChunkGate.close(pair.destination);
    const running = pair.start({ settings: REPLACE });
    await pair.untilState('copying', 't');
    expect(await rowsOf(pair.destination, 't')).toEqual(['(77,precious,0.00)']);
    await gate.open();
    await pair.untilState('streaming', 't');
    await running.stop();
    await expectValues(pair);
    expect(await making(pair)).toEqual(before);
  });

  test('needs no owner, only the rights to read and write its rows', async () => {
    const pair = await servers.pair();
    await sourceTable(pair);
    const role = await servers.destination.createRole();
    const name = quoteIdent(role.name);
    const [database] = await pair.destination.query('SELECT pg_catalog.current_database()');
    await pair.destination.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2)); GRANT USAGE ON SCHEMA public TO ${name};
      GRANT CREATE, TEMPORARY ON DATABASE ${quoteIdent(database?.[0] ?? '')} TO ${name}; GRANT SELECT, INSERT, UPDATE ON public.t TO ${name}`);
    const destination = { name: 'destination', connection: pair.destination.settings(role) };
    await pair.once({ settings: { destination } });
    expect((await objectStates(pair.destination))['t']).toMatchObject({
      code: '2023',
      cause: expect.stringContaining('our role lacks DELETE, TRUNCATE on it'),
    });
    await pair.destination.query((await fixOf(pair)).split('\n')[0] ?? '');
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.once({ settings: { destination } });
    await pair.source.query("UPDATE public.t SET v = 'x'; INSERT INTO public.t VALUES (9, 'y', 1); DELETE FROM public.t WHERE id = 2");
    await pair.once({ settings: { destination } });
    await pair.source.query("TRUNCATE public.t; INSERT INTO public.t VALUES (5, 'after', 1)");
    await pair.once({ settings: { destination } });
    await expectValues(pair);
  });

  test('with triggers and foreign keys works, and the check names them', async () => {
    const pair = await servers.pair();
    await sourceTable(pair);
    await pair.destination.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2) CONSTRAINT small CHECK (n < 100)); CREATE TABLE public.seen (id int REFERENCES public.t);
      CREATE FUNCTION public.upper_v() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER watch BEFORE INSERT OR UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.upper_v()`);
    const settings = pipelineSettings(pair.source, pair.destination);
    const file = { path: 'test.yaml', sources: [], destinations: [], pipelines: [settings], warnings: [] };
    const findings = await checkFile(file, { file: 'test.yaml', source: null, destination: null, pipeline: settings.name });
    expect(findings.filter((finding) => finding.object === 'public.t')).toMatchObject([
      { status: 'pass', title: 'public.t exists already and fits; it is empty' },
      { status: 'warn', code: '2023', cause: expect.stringContaining('check small, foreign key seen_id_fkey, trigger watch') },
    ]);
    await pair.once();
    await pair.source.query("UPDATE public.t SET v = 'c' WHERE id = 1; INSERT INTO public.t VALUES (3, 'd', 9)");
    await pair.once();
    await expectValues(pair);
  });
});

describe('a table that does not fit is refused with the difference, and the statements that are shown mend it', () => {
  test.each<[string, string, readonly RegExp[]]>([
    ['a column is missing', 'CREATE TABLE public.t (id int PRIMARY KEY, v text)', [/column "n" is missing/]],
    [
      'columns are of other types',
      'CREATE TABLE public.t (id int PRIMARY KEY, v varchar(5), n numeric(9,2))',
      [/column "v" is character varying\(5\) instead of "pg_catalog"."text"/, /column "n" is numeric\(9,2\) instead of .*\(8,2\)/],
    ],
    ['the key is missing', 'CREATE TABLE public.t (id int, v text, n numeric(8,2))', [/no unique key on \(id\)/]],
    ['the key is another', 'CREATE TABLE public.t (id int NOT NULL, v text PRIMARY KEY, n numeric(8,2))', [/no unique key on \(id\)/]],
    ['the key is checked late', 'CREATE TABLE public.t (id int UNIQUE DEFERRABLE, v text, n numeric(8,2))', [/no unique key on \(id\)/]],
    [
      'a column of its own needs a value',
      'CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2), own int NOT NULL)',
      [/column "own" must not be NULL/],
    ],
    [
      'a column is generated',
      'CREATE TABLE public.t (id int PRIMARY KEY, v text GENERATED ALWAYS AS (id::text) STORED, n numeric(8,2))',
      [/column "v" is generated/],
    ],
    [
      'a column numbers itself',
      'CREATE TABLE public.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, n numeric(8,2))',
      [/column "id" refuses values/],
    ],
    ['it is not logged', 'CREATE UNLOGGED TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2))', [/not logged/]],
  ])('%s', async (_name, ddl, causes) => {
    const pair = await servers.pair();
    await sourceTable(pair);
    await pair.destination.query(ddl.replaceAll('id::text', 'pg_catalog.chr(id)'));
    const before = await making(pair);
    await pair.once();
    const state = (await objectStates(pair.destination))['t'];
    expect(state).toMatchObject({ state: 'failed', code: '2023' });
    for (const cause of causes) expect(state?.cause).toMatch(cause);
    expect(await making(pair)).toEqual(before);
    await pair.destination.query(await fixOf(pair));
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.once();
    expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'streaming' });
    await expectValues(pair);
  });

  test.each([
    [
      'it is partitioned',
      'CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2)) PARTITION BY RANGE (id)',
      /no ordinary table/,
    ],
    ['it is a view', 'CREATE VIEW public.t AS SELECT 1 AS id', /no ordinary table/],
    [
      'it has children',
      'CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2)); CREATE TABLE public.c () INHERITS (public.t)',
      /inheritance tree/,
    ],
  ])('for good where %s', async (_name, ddl, cause) => {
    const pair = await servers.pair();
    await sourceTable(pair);
    await pair.destination.query(ddl);
    await pair.once();
    expect((await objectStates(pair.destination))['t']).toMatchObject({
      state: 'failed',
      code: '2023',
      cause: expect.stringMatching(cause),
    });
  });
});

test('a generated column must be generated alike, and the source may change it once the table follows', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO public.t VALUES (1), (2)`);
  await pair.destination.query('CREATE TABLE public.t (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 3) STORED)');
  await pair.once();
  expect((await objectStates(pair.destination))['t']).toMatchObject({
    code: '2023',
    cause: expect.stringContaining('by another expression'),
  });
  const mend = async (): Promise<void> => {
    await pair.destination.query(await fixOf(pair));
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.once();
    await pair.expectEqual('t');
  };
  await mend();
  await pair.source.query('ALTER TABLE public.t DROP COLUMN twice, ADD COLUMN twice int GENERATED ALWAYS AS (id * 4) STORED');
  await pair.once();
  expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'failed', code: '2112' });
  await mend();
});

test.skipIf(servers.destination.major < 15)('a key that takes two keys of the source for one is no key', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.t (id text PRIMARY KEY)');
  await pair.destination.query(`
    CREATE COLLATION public.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE TABLE public.t (id text COLLATE public.loose PRIMARY KEY)`);
  await pair.once();
  expect((await objectStates(pair.destination))['t']).toMatchObject({
    code: '2023',
    cause: expect.stringContaining('no unique key on (id)'),
  });
});

test('row-level security that applies to our role is refused, with what turns it off', async () => {
  const pair = await servers.pair();
  await sourceTable(pair);
  const role = await servers.destination.createRole();
  const name = quoteIdent(role.name);
  const [database] = await pair.destination.query('SELECT pg_catalog.current_database()');
  await pair.destination.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2)); GRANT USAGE ON SCHEMA public TO ${name}; GRANT ALL ON public.t TO ${name};
    GRANT CREATE, TEMPORARY ON DATABASE ${quoteIdent(database?.[0] ?? '')} TO ${name}; ALTER TABLE public.t ENABLE ROW LEVEL SECURITY`);
  const settings = { destination: { name: 'destination', connection: pair.destination.settings(role) } };
  await pair.once({ settings });
  expect((await objectStates(pair.destination))['t']).toMatchObject({ code: '2023', cause: expect.stringContaining('row-level security') });
  expect(await fixOf(pair)).toContain('DISABLE ROW LEVEL SECURITY');
});

test('a table in use whose source changes is neither altered nor dropped: the object stops with what to run, and goes on after it', async () => {
  const pair = await servers.pair();
  await sourceTable(pair);
  await pair.destination.query(
    'CREATE TABLE public.t (id int PRIMARY KEY, v text, n numeric(8,2)); CREATE VIEW public.built AS SELECT id FROM public.t',
  );
  await pair.once();
  const before = await making(pair);
  await pair.source.query("ALTER TABLE public.t ADD COLUMN extra int DEFAULT 5; INSERT INTO public.t VALUES (3, 'c', 1, 6)");
  await pair.once();
  await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
  await pair.once();
  expect((await objectStates(pair.destination))['t']).toMatchObject({
    state: 'failed',
    code: '2112',
    cause: expect.stringContaining('column "extra" is missing'),
  });
  expect(await making(pair)).toEqual(before);
  await pair.destination.query(await fixOf(pair));
  await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
  await pair.once();
  await pair.expectEqual('t');
});
