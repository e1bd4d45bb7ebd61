// Tables that keep changes or versions, and a process that dies in the middle: nothing is written twice, and nothing is missing.
import { describe, expect, test } from 'vitest';
import { type Layout, NATIVE_LAYOUT } from '../../src/model/layout.ts';
import { dieAt } from '../pipeline/die.ts';
import type { ScenarioOptions } from '../pipeline/pipeline.ts';
import { type Pair, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

const IN_THE_LOAD = ['copy.after_begin', 'copy.after_last_chunk', 'copy.before_finish_commit', 'copy.after_finish_commit'];
const IN_THE_STREAM = ['apply.before_flush:2', 'apply.after_flush:2', 'apply.before_commit', 'apply.after_commit'];

function keeping(layout: Partial<Layout>): ScenarioOptions {
  return { settings: { layout: { ...NATIVE_LAYOUT, ...layout } }, tuning: { batchBytes: 2_000, chunkBytes: 20_000 } };
}

async function ofHundred(pair: Pair): Promise<void> {
  await pair.source.query(
    'CREATE TABLE public.t (id int PRIMARY KEY, v int); INSERT INTO public.t SELECT i, 0 FROM generate_series(1, 100) AS i',
  );
}

/** Two changes of every row in a transaction, and one in another. */
async function changeAll(pair: Pair): Promise<void> {
  await pair.source.query('BEGIN; UPDATE public.t SET v = 1; UPDATE public.t SET v = 2; COMMIT');
  await pair.source.query('UPDATE public.t SET v = 3');
}

const BOTH = [
  ['that keeps every change', keeping({ syncMode: 'incremental_append' }), { load: '100', later: '300' }],
  ['that keeps every version', keeping({ history: true }), { load: '100', later: '200' }],
] as const;

describe.for(BOTH)('a table %s', ([, options, rows]) => {
  test.for(IN_THE_LOAD)('has the rows of one load after a death at %s', async (at) => {
    const pair = await servers.pair();
    await ofHundred(pair);
    await dieAt(at, pair, options);
    await pair.source.query('UPDATE public.t SET v = 9 WHERE id <= 10');
    await pair.once(options);
    // The load came before the update or after it; in the stream it is only what the load did not see.
    const rowsOf = async (where: string) =>
      (await pair.destination.query(`SELECT count(*), count(DISTINCT id) FROM public.t WHERE ${where}`))[0];
    const isLoaded = at === 'copy.after_finish_commit';
    expect(await rowsOf('true')).toEqual([isLoaded ? '110' : '100', '100']);
    expect(await rowsOf('v = 9')).toEqual(['10', '10']);
  });

  test.for(IN_THE_STREAM)('has every change once after a death at %s', async (at) => {
    const pair = await servers.pair();
    await ofHundred(pair);
    await pair.once(options);
    await changeAll(pair);
    await dieAt(at, pair, options);
    await pair.once(options);
    expect(await pair.destination.query('SELECT count(*) FROM public.t WHERE v = 0')).toEqual([[rows.load]]);
    expect(await pair.destination.query('SELECT count(*), count(DISTINCT (id, v)) FROM public.t WHERE v > 0')).toEqual([
      [rows.later, rows.later],
    ]);
  });

  test('keeps what it had when a restart dies before its end', async () => {
    const pair = await servers.pair();
    await ofHundred(pair);
    await pair.once(options);
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.source.query('UPDATE public.t SET v = 5; DELETE FROM public.t WHERE id = 1');
    await dieAt('copy.before_finish_commit', pair, options);
    expect(await pair.destination.query('SELECT count(*), max(v) FROM public.t')).toEqual([['100', '0']]);
    await pair.once(options);
    expect(await pair.destination.query('SELECT count(*), max(v) FROM public.t')).toEqual([['199', '5']]);
  });
});
