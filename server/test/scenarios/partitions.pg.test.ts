// A partitioned table is one object, whatever its partitions do: rows that move, partitions that come, go, join and leave.
import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../pg/test-database.ts';
import { usePostgres } from '../pg/use-postgres.ts';
import { type Ends, expectEqual, table, untilEqual } from '../pipeline/compare.ts';
import { startWatched, watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();

async function twoDatabases(): Promise<Ends> {
  return { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
}

test('range, list and hash partitions, sub-partitions and a default arrive as one table each, whatever their column order', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(`
    CREATE TABLE public.by_range (id int, day date, note text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE public.other_order (note text, gone int, day date NOT NULL, id int NOT NULL);
    ALTER TABLE public.other_order DROP COLUMN gone;
    INSERT INTO public.other_order VALUES ('filled before', '2020-05-05', 5);
    ALTER TABLE public.by_range ATTACH PARTITION public.other_order FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE public.r2021 PARTITION OF public.by_range FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (id);
    CREATE SCHEMA "deep ""er";
    CREATE TABLE "deep ""er"."sub one" PARTITION OF public.r2021 FOR VALUES IN (1, 2, 3);
    CREATE TABLE public.sub_rest PARTITION OF public.r2021 DEFAULT;
    CREATE TABLE public.r_default PARTITION OF public.by_range DEFAULT;
    CREATE TABLE public.by_hash (id int PRIMARY KEY, note text) PARTITION BY HASH (id);
    CREATE TABLE public.h0 PARTITION OF public.by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
    CREATE TABLE public.h1 PARTITION OF public.by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
    CREATE TABLE public.h2 PARTITION OF public.by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 2);
    CREATE TABLE public.by_list (kind text, id int, PRIMARY KEY (kind, id)) PARTITION BY LIST (kind);
    CREATE TABLE public.empty_root (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE public.l_a PARTITION OF public.by_list FOR VALUES IN ('a');
    INSERT INTO public.by_range SELECT i, '2020-01-01'::date + i * 20, 'note ' || i FROM pg_catalog.generate_series(1, 100) AS i;
    INSERT INTO public.by_hash SELECT i, 'note ' || i FROM pg_catalog.generate_series(1, 100) AS i;
    INSERT INTO public.by_list SELECT 'a', i FROM pg_catalog.generate_series(1, 10) AS i`);
  const roots = ['by_range', 'by_hash', 'by_list', 'empty_root'].map((name) => table(`public.${name}`));
  const seen = await watchOnce(ends);
  expect(seen.complaints).toEqual([]);
  expect(seen.all('streaming')).toEqual(['public.by_hash', 'public.by_list', 'public.by_range', 'public.empty_root']);
  await expectEqual(ends, ...roots);
  await source.query("UPDATE public.by_range SET day = day + 400, note = 'moved to another partition' WHERE id % 3 = 0");
  await source.query(
    "UPDATE public.by_range SET id = id + 1000 WHERE id % 7 = 0; DELETE FROM public.by_range WHERE id % 5 = 0; UPDATE public.other_order SET note = 'by leaf'",
  );
  await source.query(
    'UPDATE public.by_hash SET id = id + 1000 WHERE id < 50; DELETE FROM public.h1 WHERE id < 500; TRUNCATE public.by_list',
  );
  await source.query("INSERT INTO public.by_list VALUES ('a', 77)");
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...roots);
  await source.dropSlots();
});

/** What may happen to the partitions of public.t; each begins with t1 (1 to 99), t2 (100 to 199), filled, and a lone table. */
const EVENTS: readonly (readonly [string, string])[] = [
  [
    'a new partition is created and filled',
    'CREATE TABLE public.t3 PARTITION OF public.t FOR VALUES FROM (200) TO (300); INSERT INTO public.t VALUES (250, 0)',
  ],
  ['a filled table is attached', 'ALTER TABLE public.t ATTACH PARTITION public.lone FOR VALUES FROM (300) TO (400)'],
  ['a partition is detached', 'ALTER TABLE public.t DETACH PARTITION public.t1'],
  ['a partition is dropped', 'DROP TABLE public.t1'],
  ['a partition is truncated', 'TRUNCATE public.t1'],
  [
    'a partition is detached, changed and attached again',
    'ALTER TABLE public.t DETACH PARTITION public.t1; UPDATE public.t1 SET n = 99; DELETE FROM public.t1 WHERE id = 5; ALTER TABLE public.t ATTACH PARTITION public.t1 FOR VALUES FROM (1) TO (100)',
  ],
  [
    'a partition is replaced by another of the same name',
    'DROP TABLE public.t1; CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES FROM (1) TO (100); INSERT INTO public.t VALUES (42, 42)',
  ],
  [
    'a partition is split',
    'BEGIN; ALTER TABLE public.t DETACH PARTITION public.t1; CREATE TABLE public.t1a PARTITION OF public.t FOR VALUES FROM (1) TO (50); CREATE TABLE public.t1b PARTITION OF public.t FOR VALUES FROM (50) TO (100); INSERT INTO public.t TABLE public.t1; COMMIT',
  ],
  ['rows move between partitions', 'UPDATE public.t SET id = id + 130 WHERE id < 50; DELETE FROM public.t2 WHERE id > 170'],
  ['a partition is rewritten', 'UPDATE public.t SET n = n + 1; VACUUM FULL public.t1'],
  ['the whole table is truncated', 'TRUNCATE public.t; INSERT INTO public.t VALUES (7, 7)'],
];

async function makePartitioned(source: TestDatabase): Promise<void> {
  await source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
    CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES FROM (1) TO (100);
    CREATE TABLE public.t2 PARTITION OF public.t FOR VALUES FROM (100) TO (200);
    CREATE TABLE public.lone (id int PRIMARY KEY, n int);
    INSERT INTO public.t SELECT i, i FROM pg_catalog.generate_series(1, 120) AS i WHERE i < 100 OR i = 120;
    INSERT INTO public.lone VALUES (333, 333)`);
}

async function change(source: TestDatabase, statements: string): Promise<void> {
  for (const statement of statements.split('; ')) await source.query(statement);
}

describe('while the pipeline is stopped', () => {
  test.each(EVENTS)('%s: the next run ends with equal rows', async (_name, statements) => {
    const ends = await twoDatabases();
    await makePartitioned(ends.source);
    await watchOnce(ends);
    await change(ends.source, statements);
    await ends.source.query('INSERT INTO public.t VALUES (199, 199); UPDATE public.t SET n = -1 WHERE id = 120');
    expect((await watchOnce(ends)).complaints).toEqual([]);
    await expectEqual(ends, table('public.t'));
    await ends.source.dropSlots();
  });
});

describe('while the pipeline runs', () => {
  test.each(EVENTS)('%s: the destination follows', async (_name, statements) => {
    const ends = await twoDatabases();
    await makePartitioned(ends.source);
    const pipeline = startWatched(ends);
    await pipeline.seen.until('public.t', 'streaming');
    await change(ends.source, statements);
    await ends.source.query('INSERT INTO public.t VALUES (199, 199); UPDATE public.t SET n = -1 WHERE id = 120');
    await untilEqual(ends, table('public.t'));
    await pipeline.stop();
    expect(pipeline.seen.complaints.filter((complaint) => complaint.startsWith('public.t:'))).toEqual([]);
    await ends.source.dropSlots();
  });
});

test('writes to a partitioned table without a key never fail, and its inserts arrive', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(`
    CREATE TABLE public.t (id int, n int) PARTITION BY RANGE (id);
    CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES FROM (1) TO (100);
    INSERT INTO public.t VALUES (1, 1), (1, 1)`);
  await watchOnce(ends);
  await source.query('INSERT INTO public.t VALUES (2, 2), (2, 2); INSERT INTO public.t1 VALUES (3, 3)');
  await source.query('CREATE TABLE public.t2 PARTITION OF public.t FOR VALUES FROM (100) TO (200); INSERT INTO public.t VALUES (100, 1)');
  await watchOnce(ends);
  await expectEqual(ends, table('public.t'));
  await source.query(
    'UPDATE public.t SET n = 0 WHERE id = 1; DELETE FROM public.t1 WHERE id = 2; UPDATE public.t SET id = 150 WHERE id = 3',
  );
  await source.dropSlots();
});

test('replica identity full does not help a partitioned table without a key: the next partition would not have it', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(`
    CREATE TABLE public.t (id int, n int) PARTITION BY RANGE (id);
    CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES FROM (1) TO (100);
    ALTER TABLE public.t REPLICA IDENTITY FULL; ALTER TABLE public.t1 REPLICA IDENTITY FULL`);
  await watchOnce(ends);
  await source.query(
    'CREATE TABLE public.t2 PARTITION OF public.t FOR VALUES FROM (100) TO (200); INSERT INTO public.t SELECT i, i FROM pg_catalog.generate_series(1, 150) AS i',
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await source.query('UPDATE public.t SET n = 0 WHERE id > 100; DELETE FROM public.t WHERE id = 120');
  await source.dropSlots();
});
