// Columns that come, go, are renamed or get another type while a pipeline runs: the destination table follows at that place of the stream.
import { describe, expect, test } from 'vitest';
import { requestObjectChange } from '../../src/destination/state-requests.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';
import { waitFor } from '../pg/wait-for.ts';
import { readStatus } from '../../src/app/operations/status.ts';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { ChunkGate } from '../pipeline/chunk-gate.ts';
import { objectStates, type Pair, rowsOf, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

/** A table of three rows that streams, and how often it was loaded. */
async function streaming(pair: Pair, create = 'CREATE TABLE public.t (id int PRIMARY KEY, v text)') {
  await pair.source.query(create);
  await pair.source.query("INSERT INTO public.t (id, v) VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  const pipeline = pair.start();
  await pair.untilState('streaming', 't');
  const before = await loads(pair);
  return { pipeline, untilFollowed: () => untilFollowed(pair, before) };
}

/** Equal columns and rows at both ends, without another load. */
async function untilFollowed(pair: Pair, before: string): Promise<void> {
  await pair.untilEqual('t');
  expect(await columnsOf(pair.destination)).toEqual(await columnsOf(pair.source));
  expect(await loads(pair)).toBe(before);
}

async function loads(pair: Pair): Promise<string> {
  const [row] = await pair.destination.query("SELECT copy_generation, destination_oid FROM _millrace.object WHERE source_name = 't'");
  return String(row);
}

function columnsOf(database: Pair['source']) {
  return database.query(
    `SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
      WHERE attrelid = 'public.t'::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  );
}

describe('a column that is added', () => {
  test('is NULL in the rows that are there, and has its values from then on', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.source.query(
      "ALTER TABLE public.t ADD COLUMN w int; INSERT INTO public.t VALUES (4, 'd', 4); UPDATE public.t SET w = 1 WHERE id = 1",
    );
    await untilFollowed();
    await pipeline.stop();
  });

  test('with a constant default has it in the rows that are there, and the destination gets no default of its own', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.source.query(`
      ALTER TABLE public.t ADD COLUMN n numeric(10,2) DEFAULT 1.50, ADD COLUMN s text DEFAULT 'it''s \\ {"x"}', ADD COLUMN a int[] DEFAULT '{1,2}',
        ADD COLUMN at timestamptz DEFAULT '2020-02-03 04:05:06.789+01';
      UPDATE public.t SET v = 'x' WHERE id = 1;
      INSERT INTO public.t (id, n) VALUES (4, NULL)`);
    await untilFollowed();
    expect(await pair.destination.query("SELECT 1 FROM pg_catalog.pg_attrdef WHERE adrelid = 'public.t'::regclass")).toEqual([]);
    await pipeline.stop();
  });

  test('with a volatile default has the object loaded again, in the table that is there', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair);
    const [before] = await pair.destination.query("SELECT 'public.t'::regclass::oid");
    await pair.source.query('ALTER TABLE public.t ADD COLUMN u uuid DEFAULT gen_random_uuid(); UPDATE public.t SET id = id + 10');
    await pair.untilEqual('t');
    await pair.untilState('streaming', 't');
    expect(await pair.destination.query("SELECT 'public.t'::regclass::oid")).toEqual([before]);
    await pair.source.query("INSERT INTO public.t VALUES (4, 'd')");
    await pair.untilEqual('t');
    await pipeline.stop();
  });
});

describe('a column that is dropped', () => {
  test('goes at the destination too', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair, 'CREATE TABLE public.t (id int PRIMARY KEY, v text, w int)');
    await pair.source.query('UPDATE public.t SET w = id; ALTER TABLE public.t DROP COLUMN w; INSERT INTO public.t VALUES (4)');
    await untilFollowed();
    await pipeline.stop();
  });

  test('stays where a view needs it, and nothing writes it', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair);
    await pair.destination.query('CREATE VIEW public.seen AS SELECT id, v FROM public.t');
    await pair.source.query('ALTER TABLE public.t DROP COLUMN v; INSERT INTO public.t VALUES (4); DELETE FROM public.t WHERE id = 1');
    const seen = () => pair.destination.query('SELECT id, v FROM public.seen ORDER BY id');
    await pair.source.query('CREATE TABLE public.after (id int PRIMARY KEY); INSERT INTO public.after VALUES (1)');
    await pair.untilEqual('after');
    await waitFor('the last changes', async () => (await seen()).length === 3 && (await seen())[0]?.[0] === '2');
    expect(await seen()).toEqual([
      ['2', 'b'],
      ['3', 'c'],
      ['4', null],
    ]);
    await pair.source.query('ALTER TABLE public.t ADD COLUMN w int; INSERT INTO public.t VALUES (5, 50)');
    const added = await waitFor('the new column', async () => {
      const [row] = await pair.destination.query('SELECT id, v, w FROM public.t WHERE id = 5');
      return row;
    });
    expect(added).toEqual(['5', null, '50']);
    await pipeline.stop();
    await pair.once();
    await pair.source.query('INSERT INTO public.t VALUES (6, 60)');
    await pair.once();
    expect(await pair.destination.query('SELECT id, v, w FROM public.t WHERE id = 6')).toEqual([['6', null, '60']]);
    const settings = pipelineSettings(pair.source, pair.destination);
    expect((await readStatus(settings)).objects.find(({ object }) => object === 'public.t')?.note).toContain(
      'kept for what was built on it: v',
    );
    const verified = await verifyPipeline(settings, [{ schema: 'public', name: 't' }], new AbortController().signal);
    expect(verified).toMatchObject([{ missing: 0, extra: 0, different: 0, unverified: null }]);
    // A reload tries again to drop it, and keeps it again; without the view, it goes.
    const session = await pair.destination.open();
    const restart = () => requestObjectChange(session, 'scenario', { change: 'restart', objects: [{ schema: 'public', name: 't' }] });
    await pair.source.query('ALTER TABLE public.t ALTER COLUMN w TYPE bigint');
    await pair.once();
    expect(await pair.destination.query('SELECT id, v, w FROM public.t WHERE id = 6')).toEqual([['6', null, '60']]);
    await pair.destination.query('DROP VIEW public.seen');
    await pair.source.query('ALTER TABLE public.t ALTER COLUMN w TYPE int');
    await restart();
    await pair.once();
    await pair.expectEqual('t');
  });
});

describe('a column that is renamed', () => {
  test('keeps its values and the views on it', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.destination.query('CREATE VIEW public.seen AS SELECT id, v FROM public.t; CREATE INDEX by_v ON public.t (v)');
    await pair.source.query('ALTER TABLE public.t RENAME COLUMN v TO "new ""name"; INSERT INTO public.t VALUES (4, \'d\')');
    await untilFollowed();
    expect(await pair.destination.query('SELECT v FROM public.seen WHERE id = 4')).toEqual([['d']]);
    await pair.destination.query('DROP VIEW public.seen');
    await pipeline.stop();
  });

  test('may be the key', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.source.query(
      "ALTER TABLE public.t RENAME COLUMN id TO key; UPDATE public.t SET v = 'x' WHERE key = 1; DELETE FROM public.t WHERE key = 2",
    );
    await untilFollowed();
    await pair.source.query('UPDATE public.t SET key = 30 WHERE key = 3');
    await untilFollowed();
    await pipeline.stop();
    await pair.source.query('UPDATE public.t SET key = 31 WHERE key = 30');
    await pair.once();
    await untilFollowed();
  });

  test('may swap its name with another', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair, 'CREATE TABLE public.t (id int PRIMARY KEY, v text, w text)');
    await pair.source.query(`
      UPDATE public.t SET w = 'w' || id;
      ALTER TABLE public.t RENAME COLUMN v TO x; ALTER TABLE public.t RENAME COLUMN w TO v; ALTER TABLE public.t RENAME COLUMN x TO w;
      INSERT INTO public.t (id, v, w) VALUES (4, 'v4', 'w4')`);
    await untilFollowed();
    await pipeline.stop();
  });
});

describe('a column whose type changes', () => {
  test('follows where no value changes', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(
      pair,
      'CREATE TABLE public.t (id int PRIMARY KEY, v varchar(3), n numeric(6,2), at timestamp(0), w varchar(9))',
    );
    await pair.source.query(`
      ALTER TABLE public.t ALTER COLUMN v TYPE varchar(20), ALTER COLUMN n TYPE numeric(12,2), ALTER COLUMN at TYPE timestamp(6), ALTER COLUMN w TYPE text;
      INSERT INTO public.t VALUES (4, 'much longer', 1234567.89, '2020-01-01 00:00:00.123456', 'longer than nine')`);
    await untilFollowed();
    await pipeline.stop();
  });

  test('and whose values are rewritten has the object loaded again, in the table that is there', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair, 'CREATE TABLE public.t (id int PRIMARY KEY, v text, n int)');
    const reader = await servers.destination.createRole();
    await pair.destination.query(
      `GRANT SELECT ON public.t TO "${reader.name}"; CREATE INDEX by_v ON public.t (v); COMMENT ON TABLE public.t IS 'ours'`,
    );
    await pair.destination.query('CREATE VIEW public.seen AS SELECT id, v FROM public.t');
    const facts = () =>
      pair.destination.query(
        `SELECT oid, relacl, pg_catalog.obj_description(oid), (SELECT count(*) FROM pg_catalog.pg_index WHERE indrelid = c.oid)
           FROM pg_catalog.pg_class AS c WHERE oid = 'public.t'::regclass`,
      );
    const before = await facts();
    await pair.source.query('ALTER TABLE public.t ALTER COLUMN n TYPE bigint USING id * 10000000000; INSERT INTO public.t VALUES (4)');
    await pair.untilEqual('t');
    await pair.untilState('streaming', 't');
    expect(await columnsOf(pair.destination)).toEqual(await columnsOf(pair.source));
    expect(await facts()).toEqual(before);
    await pair.source.query('INSERT INTO public.t VALUES (5)');
    await pair.untilEqual('t');
    expect(await rowsOf(pair.destination, 'seen')).toHaveLength(5);
    await pair.destination.query(`DROP VIEW public.seen; DROP OWNED BY "${reader.name}"`);
    await pipeline.stop();
  });
});

describe('several changes', () => {
  test('in one transaction apply each at its place among the rows', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.source.query('CREATE TABLE public.other (id int PRIMARY KEY, n int)');
    await pair.untilState('streaming', 'other');
    await pair.source.query(`
      BEGIN;
      INSERT INTO public.t VALUES (10, 'before'); INSERT INTO public.other VALUES (1, 1);
      ALTER TABLE public.t ADD COLUMN a int DEFAULT 5; ALTER TABLE public.other ADD COLUMN m int;
      UPDATE public.t SET a = 6 WHERE id = 10; INSERT INTO public.other VALUES (2, 2, 2);
      ALTER TABLE public.t RENAME COLUMN v TO name; INSERT INTO public.t VALUES (11, 'renamed', 7);
      ALTER TABLE public.t ADD COLUMN b text; DELETE FROM public.t WHERE id = 2; INSERT INTO public.t VALUES (12, 'x', 8, 'b');
      UPDATE public.t SET name = name || '!' WHERE id > 10;
      ALTER TABLE public.other DROP COLUMN n; DELETE FROM public.other WHERE m IS NULL; INSERT INTO public.other VALUES (3, 3);
      COMMIT`);
    await untilFollowed();
    await pair.untilEqual('other');
    await pipeline.stop();
  });

  test('that cancel each other out in one transaction, of several tables, end in reloads', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair);
    await pair.source.query('CREATE TABLE public.other (id int PRIMARY KEY, n int)');
    await pair.untilState('streaming', 'other');
    await pair.source.query(`
      BEGIN;
      INSERT INTO public.t VALUES (10, 'before'); INSERT INTO public.other VALUES (1, 1);
      ALTER TABLE public.t ADD COLUMN a int DEFAULT 5; ALTER TABLE public.other ADD COLUMN m int;
      UPDATE public.t SET a = 6 WHERE id = 10; INSERT INTO public.other VALUES (2, 2, 2);
      ALTER TABLE public.t DROP COLUMN a; UPDATE public.t SET v = v || '!' WHERE id > 1;
      TRUNCATE public.other; INSERT INTO public.other VALUES (3, 3, 3);
      COMMIT`);
    await pair.untilEqual('t', 'other');
    await pair.untilState('streaming', 't', 'other');
    await pipeline.stop();
  });

  test('in large transactions, that are flushed in parts, leave readers with whole transactions', async () => {
    const pair = await servers.pair();
    await pair.source.query("CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (0, 'a')");
    const pipeline = pair.start({ tuning: { batchBytes: 20_000 } });
    await pair.untilState('streaming', 't');
    await pair.source.query(`
      BEGIN;
      INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, 2000) AS i;
      ALTER TABLE public.t ADD COLUMN w int;
      UPDATE public.t SET w = id;
      ALTER TABLE public.t RENAME COLUMN w TO v2; ALTER TABLE public.t DROP COLUMN v;
      UPDATE public.t SET v2 = v2 + 1;
      COMMIT`);
    await pair.untilEqual('t');
    await pipeline.stop();
  });

  test('while nothing runs are followed by the next run, one after another', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pipeline.stop();
    await pair.source.query(
      "INSERT INTO public.t VALUES (4, 'd'); ALTER TABLE public.t ADD COLUMN a int DEFAULT 1; INSERT INTO public.t VALUES (5, 'e')",
    );
    await pair.source.query(
      'UPDATE public.t SET a = 2 WHERE id = 1; ALTER TABLE public.t ADD COLUMN b int; UPDATE public.t SET b = 3 WHERE id = 2',
    );
    await pair.once();
    await untilFollowed();
  });

  test('of more than the catalogue can tell any more end in a reload', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair);
    await pipeline.stop();
    await pair.source.query('ALTER TABLE public.t ADD COLUMN a int; UPDATE public.t SET a = 1; ALTER TABLE public.t RENAME COLUMN a TO b');
    await pair.source.query(
      'UPDATE public.t SET b = 2 WHERE id = 1; ALTER TABLE public.t RENAME COLUMN b TO c; UPDATE public.t SET c = 3 WHERE id = 2',
    );
    await pair.once();
    await pair.expectEqual('t');
  });
});

describe('a change without a row', () => {
  test('is followed while the pipeline runs, and by a run that only catches up', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.source.query("ALTER TABLE public.t ADD COLUMN w text DEFAULT 'all'");
    await untilFollowed();
    await pair.source.query('ALTER TABLE public.t RENAME COLUMN w TO x');
    await waitFor('the new name', async () => (await columnsOf(pair.destination)).some(([name]) => name === 'x'));
    await pipeline.stop();
    await pair.source.query('ALTER TABLE public.t DROP COLUMN v');
    await pair.once();
    await untilFollowed();
    await pair.source.query('INSERT INTO public.t VALUES (4, NULL)');
    await pair.once();
    await untilFollowed();
  });
});

describe('a table that is loaded', () => {
  test('and changes meanwhile ends as the source has it', async () => {
    const pair = await servers.pair();
    await pair.source.query(
      "CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t SELECT i, repeat('x', 500) FROM generate_series(1, 2000) AS i",
    );
    await pair.once({ settings: { objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 't', include: false }] } });
    await pair.destination.query("UPDATE _millrace.object SET desired = 'included'");
    const gate = await ChunkGate.close(pair.destination);
    const pipeline = pair.start({ tuning: { chunkBytes: 100_000, workersPerLoad: 1 } });
    await gate.pass();
    await pair.source.query('UPDATE public.t SET v = id WHERE id % 7 = 0');
    // Waits for the load's lock, which gives way.
    const altering = pair.source.query('ALTER TABLE public.t ADD COLUMN w int DEFAULT 3; UPDATE public.t SET w = id WHERE id % 5 = 0');
    await gate.open();
    await altering;
    await pair.source.query('ALTER TABLE public.t RENAME COLUMN v TO name; DELETE FROM public.t WHERE id % 11 = 0');
    await pair.untilEqual('t');
    await pair.untilState('streaming', 't');
    expect(await columnsOf(pair.destination)).toEqual(await columnsOf(pair.source));
    await pipeline.stop();
  });

  test('and catches up follows each change at its place among the rows that were kept aside', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    const session = await pair.destination.open();
    const ask = (change: 'pause' | 'resume') =>
      requestObjectChange(session, 'scenario', { change, objects: [{ schema: 'public', name: 't' }] });
    await ask('pause');
    await pair.untilState('paused', 't');
    await pair.source.query(
      "INSERT INTO public.t VALUES (4, 'd'); ALTER TABLE public.t ADD COLUMN a int DEFAULT 1; INSERT INTO public.t VALUES (5, 'e')",
    );
    await pair.source.query(
      'BEGIN; UPDATE public.t SET a = 2; ALTER TABLE public.t RENAME COLUMN v TO name; DELETE FROM public.t WHERE id = 1; COMMIT',
    );
    await pair.source.query('ALTER TABLE public.t ADD COLUMN b int; UPDATE public.t SET b = 3 WHERE id = 2');
    await ask('resume');
    await untilFollowed();
    await pair.untilState('streaming', 't');
    await pipeline.stop();
  });
});

describe('schema_changes: hold', () => {
  test('halts the object with the statements, and goes on when it is resumed; the others never wait', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, v text); CREATE TABLE public.other (id int PRIMARY KEY)');
    await pair.source.query("INSERT INTO public.t VALUES (1, 'a')");
    const pipeline = pair.start({ settings: { schemaChanges: 'hold' } });
    await pair.untilState('streaming', 't', 'other');
    await pair.source.query(
      "ALTER TABLE public.t ADD COLUMN w int DEFAULT 7; INSERT INTO public.t VALUES (2, 'b', 2); INSERT INTO public.other VALUES (1)",
    );
    await pair.untilState('failed', 't');
    await pair.untilEqual('other');
    expect((await objectStates(pair.destination))['t']).toMatchObject({
      code: '2069',
      cause: expect.stringContaining('ALTER TABLE "public"."t" ADD COLUMN "w"'),
    });
    expect(await rowsOf(pair.destination, 't')).toEqual(['(1,a)']);
    await requestObjectChange(await pair.destination.open(), 'scenario', { change: 'resume', objects: [{ schema: 'public', name: 't' }] });
    await pair.untilEqual('t');
    await pair.untilState('streaming', 't');
    await pair.source.query('ALTER TABLE public.t DROP COLUMN w; INSERT INTO public.t VALUES (3)');
    await pair.untilState('failed', 't');
    await pipeline.stop();
  });
});

describe('a view in the way of a type', () => {
  test('stops the object with the statement, and nothing is lost when the view has gone', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair, 'CREATE TABLE public.t (id int PRIMARY KEY, v varchar(9))');
    await pair.destination.query('CREATE VIEW public.seen AS SELECT v FROM public.t');
    await pair.source.query("ALTER TABLE public.t ALTER COLUMN v TYPE text; INSERT INTO public.t VALUES (4, 'more than nine')");
    await pair.untilState('failed', 't');
    expect((await objectStates(pair.destination))['t']).toMatchObject({ code: '2029' });
    await pair.destination.query('DROP VIEW public.seen');
    await requestObjectChange(await pair.destination.open(), 'scenario', { change: 'resume', objects: [{ schema: 'public', name: 't' }] });
    await pair.untilEqual('t');
    await pipeline.stop();
  });
});

describe('a partitioned table', () => {
  test('follows with all its partitions', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(
      pair,
      `CREATE TABLE public.t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
       CREATE TABLE public.low PARTITION OF public.t FOR VALUES FROM (0) TO (3);
       CREATE TABLE public.high (v text, gone int, id int NOT NULL); ALTER TABLE public.high DROP COLUMN gone;
       ALTER TABLE public.t ATTACH PARTITION public.high FOR VALUES FROM (3) TO (100)`,
    );
    await pair.source.query(
      "ALTER TABLE public.t ADD COLUMN w int DEFAULT 7; INSERT INTO public.t VALUES (4, 'd', 4); UPDATE public.t SET w = 1 WHERE id = 1",
    );
    await untilFollowed();
    await pair.source.query('ALTER TABLE public.t RENAME COLUMN w TO x; ALTER TABLE public.t DROP COLUMN v; UPDATE public.t SET x = x + 1');
    await untilFollowed();
    await pipeline.stop();
  });
});

describe('constraints of others at the destination', () => {
  test('that wait for the commit are checked before the table is altered', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.parent (id int PRIMARY KEY)');
    const { pipeline, untilFollowed } = await streaming(pair, 'CREATE TABLE public.t (id int PRIMARY KEY, v text, ref int)');
    await pair.destination.query(
      'ALTER TABLE public.t ADD CONSTRAINT mine FOREIGN KEY (ref) REFERENCES public.parent (id) DEFERRABLE INITIALLY DEFERRED',
    );
    await pair.source.query(`
      BEGIN; INSERT INTO public.parent VALUES (1), (2); INSERT INTO public.t VALUES (4, 'd', 1); ALTER TABLE public.t ADD COLUMN w int;
      INSERT INTO public.t VALUES (5, 'e', 3, 5); INSERT INTO public.parent VALUES (3); COMMIT`);
    await untilFollowed();
    await pair.untilEqual('parent');
    await pipeline.stop();
  });
});
