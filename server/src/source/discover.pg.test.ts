import { expect, test } from 'vitest';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { must } from '../lib/assert.ts';
import { discover } from './discover.ts';

const pg = usePostgres();

test('lists everything that a source has, with what can and can not be replicated', async () => {
  const database = await pg.source.createDatabase();
  await database.query(`
    CREATE TABLE public."Ünïcode ""t""" (b int, a int, PRIMARY KEY (a, b));
    CREATE TABLE public.bare (id int);
    CREATE TABLE public.whole (id int); ALTER TABLE public.whole REPLICA IDENTITY FULL;
    CREATE TABLE public.parent (id int PRIMARY KEY); CREATE TABLE public.child () INHERITS (public.parent);
    CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE public.leaf PARTITION OF public.root DEFAULT;
    CREATE DOMAIN public.odd AS pg_node_tree;
    CREATE TYPE public.wrapped AS (id int, odd public.odd[]);
    CREATE TABLE public.refused (id int PRIMARY KEY, v public.wrapped);
    CREATE UNLOGGED TABLE public.unlogged (id int PRIMARY KEY);
    CREATE VIEW public.v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS a;
    CREATE TEMPORARY TABLE tmp (id int);
    INSERT INTO public.bare SELECT generate_series(1, 500); ANALYZE public.bare`);
  const rows = await discover(await database.open(), { schemas: null });
  const summary = rows.filter((row) => row.name !== 'tmp').map((row) => [row.name, row.kind, row.reason, row.notes.length]);
  expect(summary).toEqual([
    ['bare', 'table', null, 1],
    ['child', 'table', null, 1],
    ['leaf', 'partition', 'partition_of_object', 0],
    ['m', 'materialized_view', 'materialized_view', 0],
    ['parent', 'table', null, 1],
    ['refused', 'table', 'unsupported_type', 0],
    ['root', 'partitioned_table', null, 1],
    ['unlogged', 'unlogged_table', 'unlogged_table', 0],
    ['v', 'view', 'view', 0],
    ['whole', 'table', null, 1],
    ['Ünïcode "t"', 'table', null, 0],
  ]);
  const row = (name: string) =>
    must(
      rows.find((candidate) => candidate.name === name),
      name,
    );
  expect(row('Ünïcode "t"')).toMatchObject({ primaryKey: ['a', 'b'], replicaIdentity: 'default', cause: null, fix: null });
  expect(row('bare')).toMatchObject({ estimatedRows: 500, primaryKey: [], fix: expect.stringContaining('REPLICA IDENTITY FULL') });
  expect(row('bare').sizeBytes).toBeGreaterThan(500 * 28);
  expect(row('whole')).toMatchObject({ replicaIdentity: 'full', fix: null, notes: ['no key: rows are matched by all their columns'] });
  expect(row('refused').cause).toMatch(/^column v contains type pg_node_tree: /);
  expect(row('unlogged')).toMatchObject({ primaryKey: ['id'], fix: 'ALTER TABLE "public"."unlogged" SET LOGGED;' });
  expect(rows.find((candidate) => candidate.name === 'tmp')).toMatchObject({ kind: 'temporary_table', fix: null });
});
