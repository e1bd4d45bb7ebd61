// What people are told while a pipeline runs: states, lag and counts that hold.
import { describe, expect, test } from 'vitest';
import type { ObjectProgress, RunEvent } from '@millrace/contract/run-event';
import { runFile } from '../../src/app/operations/run.ts';
import { readStatus } from '../../src/app/operations/status.ts';
import { silentLog } from '../../src/lib/log.ts';
import { waitFor } from '../pg/wait-for.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { type Pair, useScenarios } from '../pipeline/scenario.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const servers = useScenarios();

/** Runs the pipeline once as the command line does; returns what was told last of each object. */
async function lastProgress({ source, destination }: Pair): Promise<ReadonlyMap<string, ObjectProgress>> {
  const settings = pipelineSettings(source, destination);
  const file = { path: 'test.yaml', sources: [settings.source], destinations: [settings.destination], pipelines: [settings], warnings: [] };
  const told = new Map<string, ObjectProgress>();
  const onEvent = (event: RunEvent): void => {
    if (event.type === 'progress') for (const object of event.objects) told.set(object.object, object);
  };
  const signal = new AbortController().signal;
  const { pipelines } = await runFile({ pipelines: [settings.name], once: true }, { file, log: silentLog, onEvent, signal });
  expect(pipelines.map(({ error }) => error)).toEqual([null]);
  return told;
}

describe('the status of a pipeline', () => {
  test('shows no lag on a source where only others write, however old the last change of ours is', async () => {
    const pair = await servers.pair();
    await pair.source.query(
      'CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1); CREATE TABLE public.others (n int)',
    );
    const settings = { objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 'others', include: false }] };
    const pipeline = pair.start({ settings });
    await pair.untilState('streaming', 't');
    await pair.untilEqual('t');
    await pair.destination.query("UPDATE _millrace.pipeline SET checkpoint_commit_time = '2000-01-01'");
    await pair.source.query('INSERT INTO public.others VALUES (1)');
    const isFresh = "SELECT 1 FROM _millrace.pipeline WHERE checkpoint_commit_time > pg_catalog.clock_timestamp() - INTERVAL '1 minute'";
    await waitFor('a checkpoint of our look at the source', async () => (await pair.destination.query(isFresh)).length > 0, 20_000);
    await pair.source.query('INSERT INTO public.others VALUES (2)');
    const status = await readStatus(pipelineSettings(pair.source, pair.destination, { settings }));
    expect(status.state).toBe('streaming');
    // Not the decades of the last change of ours.
    expect(status.lag_seconds).toBeLessThan(10);
    await pipeline.stop();
  });
});

describe('the progress of a run', () => {
  test('counts from where the object stands, over runs and again from nothing with a new load', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t SELECT generate_series(1, 30)');
    expect((await lastProgress(pair)).get('public.t')).toMatchObject({ rows_copied: 30, inserted: 0 });
    await pair.source.query('INSERT INTO public.t VALUES (31), (32)');
    expect((await lastProgress(pair)).get('public.t')).toMatchObject({ rows_copied: 30, inserted: 2, deleted: 0 });
    await pair.source.query('DELETE FROM public.t WHERE id = 1');
    expect((await lastProgress(pair)).get('public.t')).toMatchObject({ rows_copied: 30, inserted: 2, deleted: 1 });
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    expect((await lastProgress(pair)).get('public.t')).toMatchObject({ rows_copied: 31, inserted: 0, deleted: 0 });
  });
});
