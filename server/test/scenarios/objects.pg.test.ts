// What operators ask of single objects while the pipeline runs, and tables that come and go: the others never notice.
import { describe, expect, test } from 'vitest';
import { type ObjectRequest, requestObjectChange } from '../../src/destination/state-requests.ts';
import { waitFor } from '../pg/wait-for.ts';
import { ChunkGate } from '../pipeline/chunk-gate.ts';
import { objectStates, type Pair, rowsOf, useScenarios } from '../pipeline/scenario.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const servers = useScenarios();

/** Asks as the command line does. */
async function ask(pair: Pair, change: ObjectRequest, ...tables: readonly string[]): Promise<void> {
  const session = await pair.destination.open();
  const objects = tables.length === 0 ? null : tables.map((name) => ({ schema: 'public', name }));
  expect(await requestObjectChange(session, 'scenario', { change, objects })).toHaveLength(Math.max(tables.length, 1));
}

async function twoTables(pair: Pair): Promise<void> {
  await pair.source.query('CREATE TABLE public.a (id int PRIMARY KEY, v text)');
  await pair.source.query('CREATE TABLE public.b (id int PRIMARY KEY, v text)');
  await pair.source.query("INSERT INTO public.a SELECT i, 'a' FROM generate_series(1, 100) AS i");
  await pair.source.query("INSERT INTO public.b SELECT i, 'b' FROM generate_series(1, 100) AS i");
}

describe('an object that is paused', () => {
  test('stands still while others go on, and misses nothing when it is resumed', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await ask(pair, 'pause', 'a');
    await pair.untilState('paused', 'a');
    await pair.source.query("INSERT INTO public.a VALUES (101, 'while paused'); DELETE FROM public.a WHERE id = 5");
    await pair.source.query("INSERT INTO public.b VALUES (101, 'on')");
    await pair.untilEqual('b');
    expect(await pair.destination.query('SELECT count(*) FROM public.a')).toEqual([['100']]);
    await ask(pair, 'resume', 'a');
    await pair.untilEqual('a', 'b');
    await pair.untilState('streaming', 'a', 'b');
    await pipeline.stop();
  });

  test('stays paused over restarts of the process, and its changes wait in the slot', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    await pair.once();
    await ask(pair, 'pause', 'a');
    for (const id of [200, 201, 202]) {
      await pair.source.query(`INSERT INTO public.a VALUES (${id}, 'while paused')`);
      await pair.source.query(`INSERT INTO public.b VALUES (${id}, 'on')`);
      await pair.once();
      await pair.expectEqual('b');
    }
    expect(await pair.destination.query('SELECT count(*) FROM public.a')).toEqual([['100']]);
    await ask(pair, 'resume', 'a');
    await pair.once();
    await pair.expectEqual('a', 'b');
  });

  test('during its historical load is loaded whole when it is resumed', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.b (id int PRIMARY KEY, v text)');
    await pair.once();
    await pair.source.query('CREATE TABLE public.a (id int PRIMARY KEY, v text)');
    await pair.source.query("INSERT INTO public.a SELECT i, repeat('x', 500) FROM generate_series(1, 2000) AS i");
    const gate = await ChunkGate.close(pair.destination);
    const pipeline = pair.start({ tuning: { chunkBytes: 100_000, workersPerLoad: 1 } });
    await gate.pass();
    await ask(pair, 'pause', 'a');
    await pair.untilState('paused', 'a');
    expect(await pair.destination.query("SELECT pg_catalog.count(*) FROM _millrace.chunk WHERE source_name = 'a'")).toEqual([['1']]);
    await gate.open();
    await pair.source.query("UPDATE public.a SET v = 'changed' WHERE id % 10 = 0");
    await pair.source.query("INSERT INTO public.b VALUES (1, 'on')");
    await pair.untilEqual('b');
    await ask(pair, 'resume', 'a');
    await pair.untilEqual('a');
    await pair.untilState('streaming', 'a', 'b');
    await pipeline.stop();
  });
});

describe('an object that is skipped', () => {
  test('gets nothing any more, and is loaded again when it is included', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await ask(pair, 'skip', 'a');
    await pair.untilState('skipped', 'a');
    await pair.source.query("INSERT INTO public.a VALUES (101, 'not wanted'); UPDATE public.a SET v = 'x' WHERE id < 10");
    await pair.source.query("INSERT INTO public.b VALUES (101, 'on')");
    await pair.untilEqual('b');
    expect(await pair.destination.query('SELECT count(*) FROM public.a')).toEqual([['100']]);
    await ask(pair, 'include', 'a');
    await pair.untilEqual('a', 'b');
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query("INSERT INTO public.a VALUES (102, 'wanted again')");
    await pair.untilEqual('a');
    await pipeline.stop();
  });
});

describe('an object that is restarted', () => {
  test('is mended, while readers always see whole rows of one side and their views and grants stay', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const reader = await servers.destination.createRole();
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await pair.destination.query('CREATE VIEW public.seen AS SELECT id, v FROM public.a');
    await pair.destination.query(
      `GRANT USAGE ON SCHEMA public TO "${reader.name}"; GRANT SELECT ON public.a, public.seen TO "${reader.name}"`,
    );
    await pair.destination.query('CREATE INDEX by_v ON public.a (v)');
    await pair.destination.query('DELETE FROM public.a WHERE id > 50');
    const counts = new Set<string>();
    const watching = await pair.destination.open({ role: reader });
    await ask(pair, 'restart', 'a');
    await waitFor('all rows to be back', async () => {
      const [row] = await watching.query('SELECT count(*) FROM public.seen');
      counts.add(row?.[0] ?? '');
      return row?.[0] === '100';
    });
    expect([...counts].sort()).toEqual(['100', '50']);
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query("INSERT INTO public.a VALUES (101, 'after')");
    await pair.untilEqual('a', 'b');
    expect(await pair.destination.query("SELECT 1 FROM pg_catalog.pg_indexes WHERE indexname = 'by_v'")).toHaveLength(1);
    await pipeline.stop();
    await watching.close();
    await pair.destination.query(`DROP VIEW public.seen; DROP OWNED BY "${reader.name}"`);
  });

  test('again and again, with all the others, ends in the same rows', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    for (const round of [1, 2, 3]) {
      await pair.source.query(`INSERT INTO public.a VALUES (${1000 + round}, 'x'); DELETE FROM public.b WHERE id = ${round}`);
      await ask(pair, 'restart', 'a', 'b');
    }
    await waitFor('the last load', async () => {
      const rows = await pair.destination.query('SELECT 1 FROM _millrace.object WHERE restart_requested');
      return rows.length === 0;
    });
    await pair.untilState('streaming', 'a', 'b');
    await pair.untilEqual('a', 'b');
    await pipeline.stop();
  });

  // Servers before 14 read a table in one piece.
  test.skipIf(servers.source.major < 14)(
    'goes on after a stop in the middle, and readers see the former rows until all new ones are there',
    async () => {
      const pair = await servers.pair();
      const slowly = { tuning: { chunkBytes: 20_000, workersPerLoad: 1 } };
      await pair.source.query('CREATE TABLE public.a (id int PRIMARY KEY, v text); CREATE TABLE public.keyless (v text)');
      await pair.source.query("INSERT INTO public.a SELECT i, repeat('x', 500) FROM generate_series(1, 2000) AS i");
      await pair.source.query("INSERT INTO public.keyless SELECT repeat('x', 500) FROM generate_series(1, 1000) AS i");
      await pair.once();
      await pair.source.query("INSERT INTO public.a VALUES (2001, 'new'); INSERT INTO public.keyless VALUES ('new')");
      await ask(pair, 'restart', 'a', 'keyless');
      const seen = new Set<string>();
      const look = async (): Promise<void> => {
        const [row] = await pair.destination.query('SELECT (SELECT count(*) FROM public.a), (SELECT count(*) FROM public.keyless)');
        for (const [index, count] of (row ?? []).entries()) seen.add(`${index}: ${count}`);
      };
      for (const _attempt of [1, 2]) {
        const gate = await ChunkGate.close(pair.destination);
        const pipeline = pair.start(slowly);
        for (const _piece of [1, 2, 3]) {
          await gate.pass();
          await look();
        }
        await pipeline.stop();
        await gate.open();
      }
      const pipeline = pair.start(slowly);
      await waitFor('the new rows', async () => {
        await look();
        return seen.has('0: 2001') && seen.has('1: 1001');
      });
      await pipeline.stop();
      await pair.expectEqual('a', 'keyless');
      expect([...seen].sort()).toEqual(['0: 2000', '0: 2001', '1: 1000', '1: 1001']);
    },
  );

  test('and can not be loaded has failed alone, and is loaded whole when it is resumed', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query("INSERT INTO public.a VALUES (500, 'bad')");
    await pair.untilEqual('a');
    await pair.destination.query("DELETE FROM public.a WHERE id = 500; ALTER TABLE public.a ADD CONSTRAINT mine CHECK (v <> 'bad')");
    await ask(pair, 'restart', 'a');
    await pair.untilState('failed', 'a');
    expect((await objectStates(pair.destination))['a']?.reason).toBe('row_rejected');
    expect(await rowsOf(pair.destination, 'a')).toHaveLength(100);
    await pair.source.query("INSERT INTO public.a VALUES (501, 'while it had failed'); INSERT INTO public.b VALUES (501, 'on')");
    await pair.untilEqual('b');
    await pair.destination.query('ALTER TABLE public.a DROP CONSTRAINT mine');
    await ask(pair, 'resume', 'a');
    await pair.untilEqual('a', 'b');
    await pair.untilState('streaming', 'a', 'b');
    await pipeline.stop();
  });

  test('while the pipeline stands still is loaded by the next run', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    await pair.once();
    await pair.destination.query('UPDATE public.a SET v = NULL');
    await ask(pair, 'restart', 'a');
    await pair.once();
    await pair.expectEqual('a', 'b');
  });
});

describe('a table that is new at the source', () => {
  test('is loaded and streamed while the pipeline runs', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query('CREATE TABLE public.c (id int PRIMARY KEY, v text)');
    await pair.source.query("INSERT INTO public.c VALUES (1, 'early')");
    await pair.untilState('streaming', 'c');
    await pair.source.query("INSERT INTO public.c VALUES (2, 'late'); UPDATE public.c SET v = 'changed' WHERE id = 1");
    await pair.untilEqual('a', 'b', 'c');
    await pipeline.stop();
  });

  test('is loaded whole although a transaction that wrote to it was open all the time', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    await pair.source.query('CREATE TABLE public.c (id int PRIMARY KEY, v text)');
    await pair.once({ settings: { objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 'c', include: false }] } });
    const writer = await pair.source.open();
    await writer.query('BEGIN');
    await writer.query("INSERT INTO public.c VALUES (1, 'before it is included')");
    await pair.destination.query("UPDATE _millrace.object SET desired = 'included' WHERE source_name = 'c'");
    const pipeline = pair.start();
    await waitFor('the publication to have it', async () => {
      return (await pair.source.query("SELECT 1 FROM pg_catalog.pg_publication_tables WHERE tablename = 'c'")).length > 0;
    });
    await pair.source.query("INSERT INTO public.b VALUES (300, 'the others go on')");
    await pair.untilEqual('b');
    await writer.query("INSERT INTO public.c VALUES (2, 'after it is included')");
    await writer.query('COMMIT');
    await pair.untilEqual('c');
    await pair.untilState('streaming', 'c');
    await pipeline.stop();
  });

  test('is left alone when new tables are not wanted', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const pipeline = pair.start({ settings: { includeNewTables: false } });
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query('CREATE TABLE public.c (id int PRIMARY KEY, v text)');
    await pair.untilState('skipped', 'c');
    expect(await pair.destination.query("SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = 'c'")).toEqual([]);
    await ask(pair, 'include', 'c');
    await pair.untilState('streaming', 'c');
    await pair.source.query("INSERT INTO public.c VALUES (1, 'wanted')");
    await pair.untilEqual('c');
    await pipeline.stop();
  });
});

describe('a table that is dropped at the source', () => {
  test('keeps its rows at the destination, and the others go on', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query("DELETE FROM public.a WHERE id > 90; DROP TABLE public.a; INSERT INTO public.b VALUES (101, 'on')");
    await pair.untilState('ineligible', 'a');
    await pair.untilEqual('b');
    expect((await objectStates(pair.destination))['a']?.reason).toBe('object_vanished');
    await waitFor('the last changes', async () => (await rowsOf(pair.destination, 'a')).length === 90);
    await pipeline.stop();
    await pair.source.query("INSERT INTO public.b VALUES (102, 'on')");
    await pair.once();
    await pair.expectEqual('b');
    expect(await rowsOf(pair.destination, 'a')).toHaveLength(90);
  });

  test('and made again with other columns is loaded as the new table', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query(`
      DROP TABLE public.a;
      CREATE TABLE public.a (key text PRIMARY KEY, amount numeric, at timestamptz);
      INSERT INTO public.a VALUES ('one', 1.50, 'infinity')`);
    await pair.untilEqual('a');
    await pair.untilState('streaming', 'a');
    await pair.source.query("INSERT INTO public.a VALUES ('two', 2, NULL); UPDATE public.a SET amount = 7 WHERE key = 'one'");
    await pair.untilEqual('a', 'b');
    await pipeline.stop();
  });

  test('and made again while the pipeline stands still is loaded as the new table', async () => {
    const pair = await servers.pair();
    await twoTables(pair);
    await pair.once();
    await pair.source.query("INSERT INTO public.a VALUES (200, 'of the old table'); DROP TABLE public.a");
    await pair.source.query("CREATE TABLE public.a (id int PRIMARY KEY, v text); INSERT INTO public.a VALUES (1, 'of the new table')");
    await pair.once();
    await pair.expectEqual('a', 'b');
  });
});

test('tables that appear at one look stay published all, and each is loaded once', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.first (id int PRIMARY KEY)');
  const pipeline = pair.start();
  await pair.untilState('streaming', 'first');
  await pair.source.query(
    'CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY); CREATE TABLE public.c (id int PRIMARY KEY)',
  );
  await pair.untilState('streaming', 'a', 'b', 'c');
  await pair.source.query('INSERT INTO public.a VALUES (1); INSERT INTO public.b VALUES (1); INSERT INTO public.c VALUES (1)');
  await pair.untilEqual('a', 'b', 'c');
  await pipeline.stop();
  expect(await pair.destination.query('SELECT DISTINCT copy_generation FROM _millrace.object')).toEqual([['1']]);
});
