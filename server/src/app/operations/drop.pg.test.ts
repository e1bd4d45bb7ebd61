import { expect, test } from 'vitest';
import { rowsOf, useScenarios } from '../../../test/pipeline/scenario.ts';
import { pipelineSettings } from '../../../test/pipeline/pipeline.ts';
import { emptyPlace, loadPlace } from '../../destination/load-place.ts';
import { dropPipeline } from './drop.ts';

const servers = useScenarios();

test('drop removes everything of ours, a table of a reload that was cut short included, and leaves what was loaded', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1), (2)');
  await pair.once();
  // As a reload leaves it when its process is killed.
  const session = await pair.destination.open();
  await emptyPlace(
    session,
    loadPlace('reload', { table: { schema: 'public', name: 't' }, columns: ['id'], metadata: [], deletes: 'hard' }),
  );
  const report = await dropPipeline(pipelineSettings(pair.source, pair.destination));
  expect(report.removed).toEqual([
    expect.stringContaining('replication slot'),
    expect.stringContaining('publication'),
    expect.stringContaining('publication'),
    'state of pipeline scenario',
    'schema _millrace',
  ]);
  expect(report.kept_tables).toEqual(['public.t']);
  expect(await rowsOf(pair.destination, 't')).toEqual(['(1)', '(2)']);
  expect(await pair.destination.query("SELECT FROM pg_catalog.pg_namespace WHERE nspname = '_millrace'")).toEqual([]);
  expect(await pair.source.query('SELECT FROM pg_catalog.pg_publication')).toEqual([]);
});

test('a process that runs the pipeline ends by a drop, and brings nothing back', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY)');
  const pipeline = pair.start();
  await pair.untilState('streaming', 't');
  await dropPipeline(pipelineSettings(pair.source, pair.destination));
  await expect(pipeline.ended).rejects.toMatchObject({ errorName: expect.stringMatching(/^(fenced|slot_lost|publication_lost)$/) });
  expect(await pair.destination.query("SELECT FROM pg_catalog.pg_namespace WHERE nspname = '_millrace'")).toEqual([]);
  const slots = 'SELECT FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database()';
  expect(await pair.source.query(slots)).toEqual([]);
});
