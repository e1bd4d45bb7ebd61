// A publication that an administrator made, and nobody else: used as it is, again and again, by every command.
import { expect, test } from 'vitest';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { pipelineNames } from '../../src/app/pipeline/names.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { useScenarios } from '../pipeline/scenario.ts';

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
