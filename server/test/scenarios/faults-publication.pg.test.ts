// A publication that an administrator made, and nobody else: used as it is, again and again, by every command.
import { describe, expect, test } from 'vitest';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { pipelineNames } from '../../src/app/pipeline/names.ts';
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import { waitFor } from '../pg/wait-for.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { type Pair, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

test('one publication of all tables serves run after run, and verify reads what is pending through it', async () => {
  const pair = await servers.pair();
  const settings = pipelineSettings(pair.source, pair.destination);
  const { publications } = await pipelineNames(settings, await pair.destination.open());
  await pair.source.query(
    `CREATE PUBLICATION ${quoteIdent(publications.full)} FOR ALL TABLES WITH (publish_via_partition_root = true);
     CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'a')`,
  );
  await pair.once();
  await pair.source.query("INSERT INTO public.t VALUES (2, 'b')");
  await pair.once();
  await pair.expectEqual('t');
  await pair.source.query("INSERT INTO public.t VALUES (3, 'pending'); UPDATE public.t SET v = 'too' WHERE id = 1");
  const [report] = await verifyPipeline(settings, 'all', new AbortController().signal);
  expect(report).toMatchObject({
    object: 'public.t',
    missing: 0,
    extra: 0,
    different: 0,
    unverified: expect.stringMatching(/^2 rows: .*changed at the source after its checkpoint/),
  });
  expect(await pair.source.query('SELECT pubname FROM pg_catalog.pg_publication')).toEqual([[publications.full]]);
});

describe('a table that somebody took out of its publication', () => {
  async function streaming(pair: Pair): Promise<{ readonly full: string; readonly settings: PipelineSettings }> {
    await pair.source.query(
      `CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t SELECT i, 'a' FROM pg_catalog.generate_series(1, 20) AS i;
       CREATE TABLE public.other (id int PRIMARY KEY, v text); INSERT INTO public.other VALUES (1, 'a')`,
    );
    await pair.once();
    const settings = pipelineSettings(pair.source, pair.destination);
    const { publications } = await pipelineNames(settings, await pair.destination.open());
    return { full: quoteIdent(publications.full), settings };
  }
  const UNSEEN =
    "UPDATE public.t SET v = 'unseen' WHERE id = 1; DELETE FROM public.t WHERE id = 2; INSERT INTO public.t VALUES (100, 'unseen')";
  const loadsOf = async (pair: Pair) =>
    Object.fromEntries(
      (await pair.destination.query('SELECT source_name, copy_generation FROM _millrace.object')).map(([name, n]) => [name, n]),
    );

  test('and put back, is loaded again: what changed meanwhile is not in the stream', async () => {
    const pair = await servers.pair();
    const { full } = await streaming(pair);
    await pair.source.query(`ALTER PUBLICATION ${full} DROP TABLE public.t`);
    await pair.source.query(UNSEEN);
    await pair.source.query(`ALTER PUBLICATION ${full} ADD TABLE ONLY public.t`);
    await pair.source.query("INSERT INTO public.t VALUES (101, 'seen'); INSERT INTO public.other VALUES (2, 'seen')");
    await pair.once();
    await pair.expectEqual('t', 'other');
    expect(await loadsOf(pair)).toEqual({ t: '2', other: '1' });
    await pair.source.query("INSERT INTO public.t VALUES (102, 'seen')");
    await pair.once();
    await pair.expectEqual('t', 'other');
    expect(await loadsOf(pair)).toEqual({ t: '2', other: '1' });
  });

  test('is published and loaded again', async () => {
    const pair = await servers.pair();
    const { full } = await streaming(pair);
    await pair.source.query(`ALTER PUBLICATION ${full} DROP TABLE public.t`);
    await pair.source.query(UNSEEN);
    await pair.once();
    await pair.expectEqual('t', 'other');
    expect(await loadsOf(pair)).toEqual({ t: '2', other: '1' });
  });

  test('is loaded again too when its publication let only some changes through', async () => {
    const pair = await servers.pair();
    const { full } = await streaming(pair);
    await pair.source.query(`ALTER PUBLICATION ${full} SET (publish = 'insert, truncate')`);
    await pair.source.query(UNSEEN);
    await pair.once();
    await pair.expectEqual('t', 'other');
    expect(await loadsOf(pair)).toEqual({ t: '2', other: '2' });
  });

  test('is loaded again although the run that mended its publication ended right after that', async () => {
    const pair = await servers.pair();
    const { full } = await streaming(pair);
    await pair.source.query(`ALTER PUBLICATION ${full} SET (publish = 'insert, truncate')`);
    await pair.source.query(UNSEEN);
    await pair.destination.query(`
      CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE 'MR001'; END $$;
      CREATE TRIGGER stop BEFORE UPDATE ON _millrace.object FOR EACH ROW WHEN (NEW.state = 'pending') EXECUTE FUNCTION public.stop()`);
    await expect(pair.once()).rejects.toMatchObject({ facts: { sqlstate: 'MR001' } });
    await pair.destination.query('DROP TRIGGER stop ON _millrace.object');
    await pair.once();
    await pair.expectEqual('t', 'other');
  });

  test('is loaded again while the pipeline runs', async () => {
    const pair = await servers.pair();
    const { full } = await streaming(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 't', 'other');
    await pair.source.query(`ALTER PUBLICATION ${full} DROP TABLE public.t`);
    await pair.source.query(UNSEEN);
    await pair.source.query(`ALTER PUBLICATION ${full} ADD TABLE ONLY public.t`);
    await pair.untilEqual('t', 'other');
    await waitFor('the end of the load', async () => expect((await loadsOf(pair))['t']).toBe('2'));
    await pair.untilState('streaming', 't', 'other');
    await pair.source.query("INSERT INTO public.t VALUES (101, 'seen')");
    await pair.untilEqual('t', 'other');
    await pipeline.stop();
    expect(await loadsOf(pair)).toEqual({ t: '2', other: '1' });
  });

  test('that was made anew with it never passes for the former one', async () => {
    const pair = await servers.pair();
    const { full } = await streaming(pair);
    await pair.source.query(`DROP PUBLICATION ${full}`);
    await pair.source.query(UNSEEN);
    await pair.source.query(
      `CREATE PUBLICATION ${full} FOR TABLE ONLY public.t, ONLY public.other WITH (publish_via_partition_root = true)`,
    );
    await pair.source.query("INSERT INTO public.other VALUES (2, 'seen')");
    // Before 18 the server itself refuses to decode what was written while the publication was missing.
    const outcome = await pair.once().then(
      () => 'equal',
      (error: unknown) => error,
    );
    if (outcome === 'equal') return pair.expectEqual('t', 'other');
    expect(outcome).toMatchObject({ errorName: 'publication_lost', fix: expect.stringContaining('pg_drop_replication_slot') });
    await pair.source.dropSlots();
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.once();
    await pair.expectEqual('t', 'other');
  });
});
