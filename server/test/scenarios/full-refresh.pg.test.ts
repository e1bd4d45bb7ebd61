// Tables that are read whole by each run: nothing of them is streamed, readers never see half a refresh, and a failed one changes nothing.
import { describe, expect, test } from 'vitest';
import { changeObjects } from '../../src/app/operations/change-objects.ts';
import { readStatus } from '../../src/app/operations/status.ts';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { type Layout, NATIVE_LAYOUT } from '../../src/model/layout.ts';
import { waitFor } from '../pg/wait-for.ts';
import { dieAt } from '../pipeline/die.ts';
import { pipelineSettings, type ScenarioOptions } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, useScenarios } from '../pipeline/scenario.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const servers = useScenarios();

function refresh(syncMode: 'full_refresh_overwrite' | 'full_refresh_append', layout: Partial<Layout> = {}): ScenarioOptions {
  return { settings: { layout: { ...NATIVE_LAYOUT, syncMode, ...layout } }, tuning: { chunkBytes: 20_000 } };
}

const OVERWRITE = refresh('full_refresh_overwrite');
const APPEND = refresh('full_refresh_append');

async function ofThree(pair: Pair): Promise<void> {
  await pair.source.query("CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
}

describe('a table that each run overwrites', () => {
  test('has the rows of the last run, and nothing of what happened between two', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.source.query("CREATE TABLE public.bare (v text); INSERT INTO public.bare VALUES ('x'), ('x')");
    await pair.once(OVERWRITE);
    await pair.expectEqual('t', 'bare');
    await pair.untilState('refreshed', 't', 'bare');
    await pair.source.query(
      "DELETE FROM public.t WHERE id = 1; UPDATE public.t SET v = 'b2' WHERE id = 2; INSERT INTO public.t VALUES (4, 'd')",
    );
    await pair.source.query("DELETE FROM public.bare WHERE ctid = '(0,1)'; UPDATE public.bare SET v = 'y'");
    await pair.once(OVERWRITE);
    await pair.expectEqual('t', 'bare');
    await pair.source.query('TRUNCATE public.t');
    await pair.once(OVERWRITE);
    await pair.expectEqual('t');
  });

  test('is in no publication, so that the log holds nothing for it and no update of it can fail', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.source.query('CREATE TABLE public.bare (v text)');
    await pair.once(OVERWRITE);
    expect(await pair.source.query('SELECT tablename FROM pg_catalog.pg_publication_tables')).toEqual([]);
    await pair.source.query("UPDATE public.bare SET v = 'x'");
    expect(await pair.destination.query('SELECT applied_lsn FROM _millrace.object')).toEqual([[null], [null]]);
  });

  test('is not made anew: views on it stay, and readers see the old rows until all new ones are there', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.once(OVERWRITE);
    await pair.destination.query('CREATE VIEW public.seen AS SELECT * FROM public.t');
    const [[oid] = []] = await pair.destination.query("SELECT 'public.t'::regclass::oid");
    await pair.source.query(
      "UPDATE public.t SET v = 'new'; INSERT INTO public.t SELECT i, repeat('x', 500) FROM generate_series(10, 400) AS i",
    );
    const gate = await pair.destination.open();
    await gate.query('BEGIN');
    await gate.query('LOCK TABLE _millrace.chunk IN SHARE MODE');
    const run = pair.once(OVERWRITE);
    await waitFor(
      'the refresh to stand still',
      async () => (await gate.query('SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted')).length > 0,
    );
    expect(await pair.destination.query('SELECT id, v FROM public.seen ORDER BY id')).toEqual([
      ['1', 'a'],
      ['2', 'b'],
      ['3', 'c'],
    ]);
    await gate.query('COMMIT');
    await run;
    await pair.expectEqual('t');
    expect(await pair.destination.query("SELECT 'public.t'::regclass::oid")).toEqual([[oid]]);
  });

  test.for(['copy.after_begin', 'copy.after_chunk_commit', 'copy.before_finish_commit'])(
    'keeps its rows when a refresh dies at %s',
    async (at) => {
      const pair = await servers.pair();
      await ofThree(pair);
      await pair.once(OVERWRITE);
      await pair.source.query(
        "UPDATE public.t SET v = 'new'; INSERT INTO public.t SELECT i, repeat('x', 500) FROM generate_series(10, 400) AS i",
      );
      await dieAt(at, pair, OVERWRITE);
      expect(await pair.destination.query('SELECT id, v FROM public.t ORDER BY id')).toEqual([
        ['1', 'a'],
        ['2', 'b'],
        ['3', 'c'],
      ]);
      await pair.once(OVERWRITE);
      await pair.expectEqual('t');
      await pair.untilState('refreshed', 't');
    },
  );

  test('keeps its rows when the destination refuses a new one, and says why', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.once(OVERWRITE);
    await pair.destination.query('ALTER TABLE public.t ADD CONSTRAINT only_short CHECK (length(v) < 3)');
    await pair.source.query("INSERT INTO public.t VALUES (4, 'too long')");
    await pair.once(OVERWRITE);
    expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'failed' });
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['3']]);
    await pair.source.query('DELETE FROM public.t WHERE id = 4; DELETE FROM public.t WHERE id = 1');
    await pair.once(OVERWRITE);
    await pair.expectEqual('t');
    await pair.untilState('refreshed', 't');
  });

  test('is read again in a continuous run only when somebody asks, and stands still while it is paused', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    const options: ScenarioOptions = {
      settings: { objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 't', syncMode: 'full_refresh_overwrite' }] },
    };
    await pair.source.query('CREATE TABLE public.plain (id int PRIMARY KEY)');
    const pipeline = pair.start(options);
    await pair.untilState('refreshed', 't');
    await pair.untilState('streaming', 'plain');
    const generation = async () =>
      (await pair.destination.query("SELECT copy_generation FROM _millrace.object WHERE source_name = 't'"))[0]?.[0];
    await pair.source.query("INSERT INTO public.t VALUES (4, 'd'); INSERT INTO public.plain VALUES (1)");
    await pair.untilEqual('plain');
    // A new session of the same run is no reason to read the table again.
    await pair.destination.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'millrace scenario apply'",
    );
    await pair.source.query('INSERT INTO public.plain VALUES (2)');
    await pair.untilEqual('plain');
    expect(await generation()).toBe('1');
    const settings = pipelineSettings(pair.source, pair.destination, options);
    await changeObjects(settings, 'restart', [{ schema: 'public', name: 't' }]);
    await pair.untilEqual('t');
    await pair.untilState('refreshed', 't');
    expect(await generation()).toBe('2');
    await changeObjects(settings, 'pause', [{ schema: 'public', name: 't' }]);
    await pair.untilState('paused', 't');
    await pipeline.stop();
    await pair.source.query('DELETE FROM public.t');
    await pair.once(options);
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['4']]);
    await changeObjects(settings, 'resume', [{ schema: 'public', name: 't' }]);
    await pair.once(options);
    await pair.expectEqual('t');
  });

  test('is told as refreshed, and is not verified, which would be a guess', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.once(OVERWRITE);
    const settings = pipelineSettings(pair.source, pair.destination, OVERWRITE);
    expect((await readStatus(settings)).objects).toMatchObject([{ object: 'public.t', state: 'refreshed', applied_lsn: null, note: null }]);
    const never = new AbortController().signal;
    expect(await verifyPipeline(settings, 'all', never)).toEqual([]);
    const [report] = await verifyPipeline(settings, [{ schema: 'public', name: 't' }], never);
    expect(report).toMatchObject({ missing: 0, extra: 0, different: 0 });
    expect(report?.unverified).toMatch(/those of its last refresh/);
  });

  test('goes on from there as a streamed table when its mode is changed, and back', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.once(OVERWRITE);
    await pair.once();
    await pair.source.query("INSERT INTO public.t VALUES (4, 'd')");
    await pair.once();
    await pair.expectEqual('t');
    await pair.untilState('streaming', 't');
    await pair.once(OVERWRITE);
    await pair.untilState('refreshed', 't');
    await pair.source.query('DELETE FROM public.t WHERE id = 1');
    await pair.once(OVERWRITE);
    await pair.expectEqual('t');
  });
});

describe('a table that each run adds to', () => {
  test('has the rows of every run, with the number of the refresh and its time', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.once(APPEND);
    await pair.source.query("DELETE FROM public.t WHERE id < 3; UPDATE public.t SET v = 'c2'");
    await pair.once(APPEND);
    expect(await pair.destination.query('SELECT _millrace_generation, id, v FROM public.t ORDER BY 1, 2')).toEqual([
      ['1', '1', 'a'],
      ['1', '2', 'b'],
      ['1', '3', 'c'],
      ['2', '3', 'c2'],
    ]);
    expect(
      await pair.destination.query(
        'SELECT count(DISTINCT _millrace_synced_at), max(_millrace_synced_at) FILTER (WHERE _millrace_generation = 1) < max(_millrace_synced_at) FROM public.t',
      ),
    ).toEqual([['2', 't']]);
    await pair.untilState('refreshed', 't');
  });

  test('has nothing of a refresh that dies, and all of the next', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.once(APPEND);
    await dieAt('copy.before_finish_commit', pair, APPEND);
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['3']]);
    await pair.once(APPEND);
    expect(await pair.destination.query('SELECT count(*), count(DISTINCT _millrace_generation) FROM public.t')).toEqual([['6', '2']]);
  });

  test('is never made anew: a change of the columns stops it, and all that it held is there', async () => {
    const pair = await servers.pair();
    await ofThree(pair);
    await pair.once(APPEND);
    await pair.source.query('ALTER TABLE public.t ADD COLUMN more int');
    await pair.once(APPEND);
    expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'failed', code: '2111' });
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['3']]);
  });
});
