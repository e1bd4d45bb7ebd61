// What a historical load leaves behind.
import { expect, test } from 'vitest';
import { emptyPlace, loadPlace } from '../../src/destination/load-place.ts';
import { requestObjectChange } from '../../src/destination/state-requests.ts';
import { waitFor } from '../pg/wait-for.ts';
import { type Pair, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

/** As a reload leaves it when its process is killed. */
async function cutShort(pair: Pair, table: string): Promise<void> {
  const session = await pair.destination.open();
  await emptyPlace(
    session,
    loadPlace('reload', { table: { schema: 'public', name: table }, columns: ['id'], metadata: [], deletes: 'hard' }),
  );
}

async function skip(pair: Pair, table: string): Promise<void> {
  const session = await pair.destination.open();
  await requestObjectChange(session, 'scenario', { change: 'skip', objects: [{ schema: 'public', name: table }] });
}

async function sideTables(pair: Pair): Promise<number> {
  const known = ['version', 'pipeline', 'object', 'chunk', 'raw_table', 'type', 'event'];
  const sql = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = '_millrace' AND tablename <> ALL ($1)";
  return (await pair.destination.query(sql, [known])).length;
}

test('an object that is skipped leaves nothing of a reload that was cut short, whether or not the pipeline runs', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY)');
  await pair.once();
  await cutShort(pair, 'a');
  await cutShort(pair, 'b');
  expect(await sideTables(pair)).toBe(2);
  await skip(pair, 'a');
  await pair.once();
  expect(await sideTables(pair)).toBe(1);
  const pipeline = pair.start();
  await pair.untilState('streaming', 'b');
  await skip(pair, 'b');
  await waitFor('the last of it to go', async () => (await sideTables(pair)) === 0);
  await pipeline.stop();
});
