// `millrace plan` must say what the next run then does, and do none of it.
import { expect, test } from 'vitest';
import { previewPipeline } from '../../src/app/operations/plan.ts';
import { requestObjectChange } from '../../src/destination/state-requests.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { type Pair, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

async function planOf({ source, destination }: Pair) {
  const reports = await previewPipeline(pipelineSettings(source, destination));
  return Object.fromEntries(reports.map(({ object, ...report }) => [object, report]));
}

test('shows what a first run makes, each type and schema once, and statements that work', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE SCHEMA "S"; CREATE TYPE "S".mood AS ENUM ('sad', 'happy');
    CREATE TABLE "S".a (id int PRIMARY KEY, m "S".mood); CREATE TABLE "S".b (id int PRIMARY KEY, m "S".mood); CREATE TABLE public.x (r xid)`);
  const plan = await planOf(pair);
  expect(plan['S.a']).toMatchObject({ action: 'create', target: 'S.a', why: null });
  expect(plan['S.a']?.statements.map((statement) => statement.split(' ').slice(0, 2).join(' '))).toEqual([
    'CREATE SCHEMA',
    'CREATE TYPE',
    'CREATE TABLE',
    'CREATE UNIQUE',
    'ALTER TABLE',
  ]);
  expect(plan['S.b']?.statements[0]).toMatch(/^CREATE TABLE/);
  expect(await pair.destination.query("SELECT FROM pg_catalog.pg_namespace WHERE nspname IN ('S', '_millrace')")).toEqual([]);
  for (const report of Object.values(plan)) for (const statement of report.statements) await pair.destination.query(statement);
});

test('shows how tables would follow, and which are loaded again and why', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE TABLE public.a (id int PRIMARY KEY, v varchar(5)); CREATE TABLE public.b (id int PRIMARY KEY, n int);
    CREATE TABLE public.c (id int PRIMARY KEY); CREATE TABLE public.d (id int PRIMARY KEY)`);
  await pair.once();
  expect(Object.values(await planOf(pair)).map(({ action }) => action)).toEqual(['none', 'none', 'none', 'none']);
  await pair.source.query(`
    ALTER TABLE public.a ALTER COLUMN v TYPE text, ADD COLUMN w int DEFAULT 3; ALTER TABLE public.a RENAME COLUMN v TO name;
    ALTER TABLE public.b ALTER COLUMN n TYPE bigint; CREATE TABLE public.e (id int)`);
  await requestObjectChange(await pair.destination.open(), 'scenario', { change: 'restart', objects: [{ schema: 'public', name: 'd' }] });
  const plan = await planOf(pair);
  expect(plan).toMatchObject({
    'public.a': {
      action: 'alter',
      statements: [
        'ALTER TABLE "public"."a" RENAME COLUMN "v" TO "name"',
        'ALTER TABLE "public"."a" ALTER COLUMN "name" TYPE "pg_catalog"."text"',
        expect.stringMatching(/ADD COLUMN "w" .* DEFAULT '3'/),
        expect.stringContaining('DROP DEFAULT'),
      ],
    },
    'public.b': {
      action: 'reload',
      why: expect.stringContaining('rewritten'),
      statements: [expect.stringContaining('TYPE "pg_catalog"."int8"')],
    },
    'public.c': { action: 'none', statements: [] },
    'public.d': { action: 'reload', why: 'it was asked for', statements: [] },
    'public.e': { action: 'create' },
  });
  await pair.once();
  await pair.expectEqual('a', 'b', 'c', 'd', 'e');
  expect(Object.values(await planOf(pair)).map(({ action }) => action)).toEqual(['none', 'none', 'none', 'none', 'none']);
});
