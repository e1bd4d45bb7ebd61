// TRUNCATE is a change like any other: applied in its place, to all its tables at once, and to nothing that we did not make.
import { expect, test } from 'vitest';
import { waitFor } from '../pg/wait-for.ts';
import { useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

test('a TRUNCATE of several tables with CASCADE and RESTART IDENTITY empties them all', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE TABLE public.parent (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
    CREATE TABLE public.child (id int PRIMARY KEY, parent int REFERENCES public.parent (id));
    CREATE TABLE public.free (id int);
    CREATE TABLE public.stays (id int PRIMARY KEY);
    INSERT INTO public.parent SELECT FROM generate_series(1, 5);
    INSERT INTO public.child SELECT i, i FROM generate_series(1, 5) AS i;
    INSERT INTO public.free VALUES (1), (1);
    INSERT INTO public.stays VALUES (1)`);
  await pair.once();
  await pair.source.query('TRUNCATE public.parent, public.free RESTART IDENTITY CASCADE');
  await pair.once();
  await pair.expectEqual('parent', 'child', 'free', 'stays');
  expect(await pair.destination.query('SELECT (SELECT count(*) FROM public.parent), (SELECT count(*) FROM public.child)')).toEqual([
    ['0', '0'],
  ]);
});

test('rows before a TRUNCATE go and rows after it stay, within one transaction and one batch', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v text);
    CREATE TABLE public.u (v text);
    INSERT INTO public.t VALUES (1, 'old'); INSERT INTO public.u VALUES ('old')`);
  await pair.once();
  await pair.source.query(`
    BEGIN;
    INSERT INTO public.t VALUES (2, 'before'); INSERT INTO public.u VALUES ('before');
    TRUNCATE public.t, public.u;
    INSERT INTO public.t VALUES (1, 'between'); UPDATE public.t SET v = 'changed'; INSERT INTO public.u VALUES ('between');
    SAVEPOINT s; TRUNCATE public.t; ROLLBACK TO s;
    TRUNCATE public.u;
    INSERT INTO public.t VALUES (3, 'after'); INSERT INTO public.u VALUES ('after');
    COMMIT`);
  await pair.source.query("BEGIN; TRUNCATE public.t; ROLLBACK; INSERT INTO public.t VALUES (4, 'later')");
  await pair.once();
  await pair.expectEqual('t', 'u');
});

test('a TRUNCATE does not reach tables that users made at the destination', async () => {
  const pair = await servers.pair();
  await pair.source.query(
    'CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO public.t VALUES (1)',
  );
  await pair.once();
  await pair.destination.query('CREATE TABLE public.mine (t int REFERENCES public.t (id)); INSERT INTO public.mine VALUES (1)');
  await pair.source.query('TRUNCATE public.t; INSERT INTO public.other VALUES (1)');
  await pair.once();
  await pair.untilState('failed', 't');
  await pair.expectEqual('other');
  expect(await pair.destination.query('SELECT count(*) FROM public.mine')).toEqual([['1']]);
  await pair.destination.query('DROP TABLE public.mine; UPDATE _millrace.object SET resume_requested = true');
  await pair.once();
  await pair.expectEqual('t', 'other');
});

test('a table that is truncated while it is loaded ends as it is at the source', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, v text); CREATE TABLE public.u (v text)');
  await pair.once();
  await pair.source.query(
    "INSERT INTO public.t SELECT i, repeat('x', 500) FROM generate_series(1, 2000) AS i; INSERT INTO public.u SELECT repeat('x', 500) FROM generate_series(1, 2000) AS i",
  );
  await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
  const gate = await pair.destination.open();
  await gate.query('BEGIN');
  await gate.query('LOCK TABLE _millrace.chunk IN SHARE MODE');
  const pipeline = pair.start({ tuning: { chunkBytes: 100_000, workersPerLoad: 1 } });
  await waitFor(
    'the load to stand still',
    async () => (await gate.query('SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted')).length > 0,
  );
  // The TRUNCATE waits for the load's lock on the table, and the load gives way to it.
  const truncated = pair.source.query(
    "TRUNCATE public.t, public.u; INSERT INTO public.t VALUES (1, 'after'); INSERT INTO public.u VALUES ('after')",
  );
  await gate.query('COMMIT');
  await truncated;
  await pair.untilEqual('t', 'u');
  await pair.untilState('streaming', 't', 'u');
  await pipeline.stop();
});
