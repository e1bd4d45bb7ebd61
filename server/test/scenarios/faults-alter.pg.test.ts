// What ALTER TABLE does to values without a word in the stream: precision that changes, and rows that are rewritten.
import { describe, expect, test } from 'vitest';
import { useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

describe('a column whose length or precision changes', () => {
  test('never has a value rounded: its table follows, or is loaded again', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.a (id int PRIMARY KEY, n numeric(10,2));
      CREATE TABLE public.b (id int PRIMARY KEY, at timestamp(0));
      CREATE TABLE public.c (id int PRIMARY KEY, v varchar(5))`);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b', 'c');
    await pair.source.query(`
      ALTER TABLE public.a ALTER COLUMN n TYPE numeric(10,4); INSERT INTO public.a VALUES (1, 1.2345);
      ALTER TABLE public.b ALTER COLUMN at TYPE timestamp(6); INSERT INTO public.b VALUES (1, '2020-01-01 00:00:00.123456');
      ALTER TABLE public.c ALTER COLUMN v TYPE varchar(10); INSERT INTO public.c VALUES (1, 'ab        ')`);
    await pair.untilEqual('a', 'b', 'c');
    await pair.untilState('streaming', 'a', 'b', 'c');
    const loads = await pair.destination.query('SELECT source_name, copy_generation FROM _millrace.object ORDER BY 1');
    expect(loads.map((row) => row.join(' '))).toEqual(['a 2', 'b 1', 'c 1']);
    await pipeline.stop();
  });

  test('is noticed by the next run too, when nothing ran meanwhile', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.a (id int PRIMARY KEY, n numeric(10,2)); INSERT INTO public.a VALUES (1, 1.25)');
    await pair.once();
    await pair.source.query('ALTER TABLE public.a ALTER COLUMN n TYPE numeric(10,4); INSERT INTO public.a VALUES (2, 1.2345)');
    await pair.once();
    await pair.expectEqual('a');
  });
});

describe('an ALTER that rewrites the values of a column', () => {
  test('has the object loaded again while the pipeline runs', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.a (id int PRIMARY KEY, n int); INSERT INTO public.a SELECT i, i FROM generate_series(1, 50) AS i;
      CREATE TABLE public.b (id int PRIMARY KEY, v varchar); INSERT INTO public.b VALUES (1, 'x')`);
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query('ALTER TABLE public.a ALTER COLUMN n TYPE int USING n * 10');
    await pair.untilEqual('a');
    // There and back: the way back rewrites nothing.
    await pair.source.query('ALTER TABLE public.b ALTER COLUMN v TYPE text USING upper(v)');
    await pair.source.query('ALTER TABLE public.b ALTER COLUMN v TYPE varchar');
    await pair.untilEqual('b');
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query("UPDATE public.a SET n = n + 1 WHERE id < 5; INSERT INTO public.b VALUES (2, 'y')");
    await pair.untilEqual('a', 'b');
    await pipeline.stop();
  });

  test('has the object loaded again by the next run, when nothing ran meanwhile', async () => {
    const pair = await servers.pair();
    await pair.source.query(
      'CREATE TABLE public.a (id int PRIMARY KEY, n int); INSERT INTO public.a SELECT i, i FROM generate_series(1, 50) AS i',
    );
    await pair.once();
    await pair.source.query('ALTER TABLE public.a ALTER COLUMN n TYPE int USING n * 10');
    await pair.once();
    await pair.expectEqual('a');
  });

  test('is told from a column that was dropped and made again under its name', async () => {
    const pair = await servers.pair();
    await pair.source.query("CREATE TABLE public.a (id int PRIMARY KEY, v text); INSERT INTO public.a VALUES (1, 'old')");
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a');
    await pair.source.query('ALTER TABLE public.a DROP COLUMN v; ALTER TABLE public.a ADD COLUMN v text');
    await pair.untilEqual('a');
    await pair.untilState('streaming', 'a');
    await pipeline.stop();
    await pair.source.query('ALTER TABLE public.a DROP COLUMN v; ALTER TABLE public.a ADD COLUMN v text; UPDATE public.a SET id = 2');
    await pair.source.query("INSERT INTO public.a VALUES (3, 'new')");
    await pair.once();
    await pair.expectEqual('a');
  });

  test('is not seen in what only changes the file or only the description', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.a (id int PRIMARY KEY, n int); INSERT INTO public.a VALUES (1, 1)');
    await pair.source.query('CREATE TABLE public.b (id int PRIMARY KEY, n int); INSERT INTO public.b VALUES (1, 1)');
    await pair.once();
    const generations = () => pair.destination.query('SELECT source_name, copy_generation FROM _millrace.object ORDER BY 1');
    const before = await generations();
    await pair.source.query('VACUUM FULL public.a');
    await pair.source.query('ALTER TABLE public.b ALTER COLUMN n SET STATISTICS 500');
    await pair.once();
    const pipeline = pair.start();
    await pair.untilState('streaming', 'a', 'b');
    await pair.source.query('CLUSTER public.a USING a_pkey');
    await pair.source.query('TRUNCATE public.b');
    await pair.source.query('CREATE TABLE public.c (id int PRIMARY KEY)');
    // The watcher has looked at the catalogue since.
    await pair.untilState('streaming', 'c');
    await pair.untilEqual('a', 'b');
    expect((await generations()).slice(0, 2)).toEqual(before);
    await pipeline.stop();
  });
});
