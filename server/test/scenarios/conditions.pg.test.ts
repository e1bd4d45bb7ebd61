// Rows that a condition leaves out: they never come, they go when they no longer meet it, and the application's writes never fail for it.
import { describe, expect, test } from 'vitest';
import { checkFile } from '../../src/app/operations/check.ts';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { pipelineNames } from '../../src/app/pipeline/names.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import { waitFor } from '../pg/wait-for.ts';
import { ChunkGate } from '../pipeline/chunk-gate.ts';
import { type FilterParts, filteredObject, SHA256 } from '../pipeline/filters.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, rowsOf, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();
const canFilter = servers.source.major >= 15;

/** Settings with a filter on the table `t`. */
function filtering(parts: FilterParts) {
  return { objects: [filteredObject('t', parts)] };
}

async function expectRows(pair: Pair, condition: string, columns = '*'): Promise<void> {
  const rows = async (side: 'source' | 'destination', where: string) =>
    pair[side].query(`SELECT ${columns} FROM public.t${where} ORDER BY id`);
  expect(await rows('destination', '')).toEqual(await rows('source', ` WHERE ${condition}`));
}

async function verified(pair: Pair, settings: ReturnType<typeof filtering>) {
  const all = pipelineSettings(pair.source, pair.destination, { settings });
  const [report] = await verifyPipeline(all, 'all', new AbortController().signal);
  return report;
}

const CLEAN = { missing: 0, extra: 0, different: 0, unverified: null };

test.skipIf(canFilter)('a source before PostgreSQL 15 is refused the condition, and told why', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.other (id int PRIMARY KEY)');
  await pair.once({ settings: filtering({ where: 'id > 0' }) });
  expect(await objectStates(pair.destination)).toMatchObject({
    t: { state: 'ineligible', code: '2110', cause: expect.stringContaining('from PostgreSQL 15 on') },
    other: { state: 'streaming' },
  });
});

describe.skipIf(!canFilter)('rows', () => {
  test('that meet the condition arrive by load, from aside and by stream, and go when they do not, over a restart', async () => {
    const pair = await servers.pair();
    await pair.once();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, total numeric, "select" text, big text);
      ALTER TABLE public.t REPLICA IDENTITY FULL; ALTER TABLE public.t ALTER COLUMN big SET STORAGE EXTERNAL;
      INSERT INTO public.t SELECT i, i % 20 - 10, 'a;b', pg_catalog.repeat('b', 4000) FROM pg_catalog.generate_series(1, 500) AS i`);
    const where = `total > 0 AND "select" IN ('a;b', 'it''s') OR "select" = E'\\\\'`;
    const settings = filtering({ where, masks: { big: SHA256 } });
    const gate = await ChunkGate.close(pair.destination);
    const running = pair.start({ settings, tuning: { chunkBytes: 50_000, workersPerLoad: 1 } });
    await pair.untilState('copying', 't');
    await pair.source.query(`
      UPDATE public.t SET total = -total WHERE id % 3 = 0; DELETE FROM public.t WHERE id % 11 = 0; UPDATE public.t SET total = NULL WHERE id % 13 = 0;
      INSERT INTO public.t VALUES (1000, 1, 'it''s', NULL), (1001, 1, 'other', NULL), (1002, -5, E'\\\\', 'x')`);
    await gate.open();
    await pair.untilState('streaming', 't');
    await pair.source.query(`
      UPDATE public.t SET id = id + 10000 WHERE id < 50; UPDATE public.t SET total = 5 WHERE id BETWEEN 60 AND 90;
      UPDATE public.t SET "select" = 'no' WHERE id BETWEEN 100 AND 110; INSERT INTO public.t VALUES (9999, 1, 'a;b', 'last')`);
    await waitFor('the last row', async () => (await pair.destination.query('SELECT 1 FROM public.t WHERE id = 9999')).length === 1);
    await running.stop();
    await expectRows(pair, where, 'id, total, "select"');
    await pair.source.query('UPDATE public.t SET total = total - 5');
    await pair.once({ settings });
    await expectRows(pair, where, 'id, total, "select"');
    expect(await verified(pair, settings)).toMatchObject(CLEAN);
    await pair.destination.query('DELETE FROM public.t WHERE id % 2 = 0');
    expect((await verified(pair, settings))?.missing).toBeGreaterThan(0);
  });

  test('of partitions, and of tables of which only inserts arrive, are left out alike', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int, day int, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
      CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES FROM (0) TO (10); CREATE TABLE public.t2 PARTITION OF public.t FOR VALUES FROM (10) TO (20);
      INSERT INTO public.t SELECT i, i % 20, 'v' FROM pg_catalog.generate_series(1, 100) AS i;
      CREATE TABLE public.u (id int, v text); INSERT INTO public.u VALUES (1, 'yes'), (2, 'no')`);
    const settings = { objects: [filteredObject('t', { where: 'day > 5' }), filteredObject('u', { where: "v <> 'no'" })] };
    await pair.once({ settings });
    await pair.source.query(`
      UPDATE public.t SET day = 3 WHERE id = 7; UPDATE public.t SET day = 15 WHERE id = 2; UPDATE public.t SET v = 'w' WHERE id > 90;
      INSERT INTO public.u VALUES (3, 'yes'), (4, 'no'); UPDATE public.u SET v = 'x' WHERE id = 1`);
    await pair.once({ settings });
    await expectRows(pair, 'day > 5');
    expect(await pair.destination.query('SELECT id, v FROM public.u ORDER BY id')).toEqual([
      ['1', 'yes'],
      ['3', 'yes'],
    ]);
  });

  test('come into another condition by a reload, and so do those that came into it without their large values', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, big text); ALTER TABLE public.t ALTER COLUMN big SET STORAGE EXTERNAL;
      INSERT INTO public.t SELECT i, pg_catalog.repeat('b', 9000) FROM pg_catalog.generate_series(1, 20) AS i`);
    await pair.once();
    await pair.once({ settings: filtering({ where: 'id <= 10' }) });
    await expectRows(pair, 'id <= 10');
    const settings = filtering({ where: 'id <= 5' });
    await pair.once({ settings });
    await expectRows(pair, 'id <= 5');
    const generation = async () => (await pair.destination.query('SELECT copy_generation FROM _millrace.object'))[0]?.[0];
    expect(await generation()).toBe('3');
    await pair.source.query('UPDATE public.t SET id = 0 WHERE id = 20');
    await pair.once({ settings });
    await expectRows(pair, 'id <= 5');
    expect(await generation()).toBe('4');
    await pair.once();
    await pair.expectEqual('t');
  });
});

describe.skipIf(!canFilter)('a condition is refused before anything is published', () => {
  test.each<[string, string, RegExp, RegExp]>([
    [
      'on a column that updates do not log',
      'v > 0',
      /looks at v, which updates and deletes do not log/,
      /^ALTER TABLE "public"."t" REPLICA IDENTITY FULL;/,
    ],
    ['with an unknown column', 'x > 0', /column "x" does not exist/, /Mend the condition/],
    ['that is no condition', 'id + 1', /must be type boolean/, /Mend/],
    ['that is no expression', 'id >', /syntax error/, /Mend/],
    [
      'with a function of users',
      'public.f(id)',
      /invalid publication WHERE expression/,
      /columns of "t" and built-in, immutable functions/,
    ],
    [
      'with a function that changes its mind',
      'id > pg_catalog.random()',
      /invalid publication WHERE expression/,
      /columns of "t" and built-in, immutable functions/,
    ],
    ['with a system column', "xmin <> '1'", /invalid publication WHERE expression/, /columns of "t" and built-in, immutable functions/],
    ['with a subquery', 'id IN (SELECT 1)', /invalid publication WHERE expression/, /columns of "t" and built-in, immutable functions/],
    ['that names another table beside', 'true), (true', /./, /./],
  ])('%s', async (_name, where, cause, fix) => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, v int); INSERT INTO public.t VALUES (1, 1); CREATE TABLE public.other (id int PRIMARY KEY);
      CREATE FUNCTION public.f(int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'`);
    await pair.once({ settings: filtering({ where }) });
    expect(await objectStates(pair.destination)).toMatchObject({
      t: { state: 'ineligible', code: '2110', cause: expect.stringMatching(cause) },
      other: { state: 'streaming' },
    });
    const [reason] = await pair.destination.query("SELECT reason->>'fix' FROM _millrace.object WHERE source_name = 't'");
    expect(reason?.[0]).toMatch(fix);
    await pair.source.query('UPDATE public.t SET v = 2; DELETE FROM public.t');
    expect(await pair.source.query('SELECT tablename FROM pg_catalog.pg_publication_tables')).toEqual([['other']]);
  });

  test('and the statement that is shown mends it', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, v int); INSERT INTO public.t VALUES (1, 1), (2, -1)');
    const settings = filtering({ where: 'v > 0' });
    await pair.once({ settings });
    const [reason] = await pair.destination.query("SELECT reason->>'fix' FROM _millrace.object WHERE source_name = 't'");
    await pair.source.query(reason?.[0]?.split('\n')[0] ?? '');
    await pair.once({ settings });
    await expectRows(pair, 'v > 0');
  });
});

test.skipIf(!canFilter)(
  'a replica identity that no longer carries the condition takes the table out, and the application writes on',
  async () => {
    const pair = await servers.pair();
    await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v int); ALTER TABLE public.t REPLICA IDENTITY FULL; INSERT INTO public.t VALUES (1, 1), (2, -1)`);
    const running = pair.start({ settings: filtering({ where: 'v > 0' }) });
    await pair.untilState('streaming', 't');
    await pair.source.query('ALTER TABLE public.t REPLICA IDENTITY DEFAULT');
    await pair.untilState('ineligible', 't');
    await pair.source.query('UPDATE public.t SET v = 5');
    await pair.source.query('ALTER TABLE public.t REPLICA IDENTITY FULL');
    await pair.untilState('streaming', 't');
    await waitFor('both rows', async () => (await rowsOf(pair.destination, 't')).length === 2);
    await running.stop();
  },
);

test.skipIf(!canFilter)('the check says what a filter comes to, and what does not fit, before anything is made', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, email text, low text GENERATED ALWAYS AS (lower(email)) STORED, x int);
    CREATE TABLE public.u (id int PRIMARY KEY, v int)`);
  const good = filteredObject('t', { columns: ['id', 'email', 'low'], masks: { email: SHA256 }, renames: { id: 'key' }, where: 'id>0' });
  const settings = pipelineSettings(pair.source, pair.destination, {
    settings: { objects: [good, filteredObject('u', { where: 'v > 0' })] },
  });
  const file = { path: 'test.yaml', sources: [], destinations: [], pipelines: [settings], warnings: [] };
  const findings = await checkFile(file, { file: 'test.yaml', source: null, destination: null, pipeline: settings.name });
  const of = (object: string) => findings.filter((finding) => finding.object === object && finding.name !== 'identity_missing');
  expect(of('public.t').map(({ status, title }) => [status, title])).toEqual([
    [
      'pass',
      'public.t: 2 of 4 columns; masked: email by sha256; renamed: id to key; rows: (id > 0); left out, because hidden columns are needed for them: low',
    ],
  ]);
  expect(of('public.u')).toMatchObject([{ status: 'fail', code: '2110', fix: expect.stringContaining('REPLICA IDENTITY FULL') }]);
  expect(await pair.source.query('SELECT pubname FROM pg_catalog.pg_publication')).toEqual([]);
});

test.skipIf(!canFilter)('a role that may not make publications is told what to grant, and the other tables go on', async () => {
  const pair = await servers.pair();
  const owner = await servers.source.createRole();
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY); ALTER TABLE public.t OWNER TO ${quoteIdent(owner.name)};
    CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO public.t VALUES (1), (-1)`);
  const role = await servers.source.createRole({ attributes: 'LOGIN REPLICATION' });
  await pair.source.query(
    `GRANT USAGE ON SCHEMA public TO ${quoteIdent(role.name)}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${quoteIdent(role.name)}`,
  );
  const source = { name: 'source', type: 'generic' as const, connection: pair.source.settings(role) };
  const settings = { ...filtering({ where: 'id > 0' }), source };
  const { publications } = await pipelineNames(
    pipelineSettings(pair.source, pair.destination, { settings }),
    await pair.destination.open(),
  );
  await pair.source.query(`CREATE PUBLICATION ${quoteIdent(publications.full)} FOR ALL TABLES WITH (publish_via_partition_root = true)`);
  await pair.once({ settings });
  expect(await objectStates(pair.destination)).toMatchObject({ t: { state: 'ineligible', code: '2015' }, other: { state: 'streaming' } });
  const [reason] = await pair.destination.query("SELECT reason->>'fix' FROM _millrace.object WHERE source_name = 't'");
  expect(reason?.[0]).toContain(`GRANT "${owner.name}" TO "${role.name}"`);
});

test.skipIf(!canFilter)('a table that is locked does not keep a condition that is published already from being used', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, v int); INSERT INTO public.t VALUES (1, 1), (-1, 2)');
  const settings = filtering({ where: 'id > 0' });
  await pair.once({ settings });
  await pair.source.query('INSERT INTO public.t VALUES (2, 2)');
  const holder = await pair.source.open();
  await holder.query('BEGIN');
  await holder.query('LOCK TABLE public.t IN SHARE UPDATE EXCLUSIVE MODE');
  await pair.once({ settings });
  await holder.query('ROLLBACK');
  await expectRows(pair, 'id > 0');
});
