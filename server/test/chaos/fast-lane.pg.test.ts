// The chaos in short, for every run of the tests; `npm run chaos` is the whole of it.
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { compareSides } from './equality.ts';
import { CRASH_POINTS, killAtFailpoints } from './lanes/failpoints.ts';
import { takeOverSleepers } from './lanes/fencing.ts';
import { killAtRandom } from './lanes/kills.ts';
import { disturbNetwork } from './lanes/network.ts';
import { killServers } from './lanes/servers.ts';
import type { MillraceProcess } from './millrace-process.ts';
import { brokenPromises, emptyTally, type Tally } from './report.ts';
import { openRig, type Rig } from './rig.ts';
import { untilCaughtUp } from './settle.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/millrace.mjs', import.meta.url));

/** Other tests run beside these, so they must not count seconds; `npm run chaos` holds the program to its ten. */
const RESUME_LIMIT_MS = 30_000;

/** In the names of the tests, so that a failure can be tried again: MILLRACE_SEED=… */
const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);

let rig: Rig;

beforeAll(async () => {
  rig = await openRig({
    seed,
    program: PROGRAM,
    version: 17,
    initial: { rows: 200, toastBytes: 9_000 },
    durable: false,
    writers: 3,
    rowsPerSecond: 1_200,
    say: () => {},
  });
  rig.workload.go();
}, 60_000);

afterEach(async () => {
  await rig.killAll();
});

afterAll(async () => {
  await rig.close();
});

describe(`under a mixed workload (seed ${seed}), nothing is lost or doubled`, { timeout: 240_000 }, () => {
  test('by kill -9 at every crash point', async () => {
    const tally = await held((figures) => killAtFailpoints(rig, figures, { how: 'once' }));
    expect(tally.done.get('crash points')).toBe(CRASH_POINTS.length);
  });

  test('by kill -9 at random moments', async () => {
    await held((figures) => killAtRandom(rig, figures, { kills: 8, checkEvery: 4, anewEvery: 100 }));
  });

  test('by kill -9 of either server, and the program heals by itself', async () => {
    await held((figures) => killServers(rig, figures, { kills: 1, checkEvery: 2 }));
  });

  test('by connections that are cut at a random byte', async () => {
    await held((figures) => disturbNetwork(rig, figures, { cuts: 2, halfOpen: 0, checkEvery: 2 }));
  });

  test('by a process that sleeps while another takes over', async () => {
    await held((figures) => takeOverSleepers(rig, figures, { takeOvers: 1 }));
    expect(rig.watch.samples).toBeGreaterThan(0);
  });

  test('and the comparison would have seen it', async () => {
    const process = rig.start();
    await rig.workload.rest();
    await untilCaughtUp(rig.arena, process);
    await rig.finish(process);
    expect(await compareSides(rig.arena)).toMatchObject({ differences: [] });
    await rig.arena.query(
      'destination',
      `DELETE FROM chaos.wide WHERE id = (SELECT min(id) FROM chaos.wide);
       INSERT INTO chaos.bag SELECT * FROM chaos.bag LIMIT 1;
       UPDATE chaos.zoo SET f8 = '-0' WHERE id = (SELECT min(id) FROM chaos.zoo);
       UPDATE chaos.zoo SET f8 = '0' WHERE id = (SELECT max(id) FROM chaos.zoo)`,
    );
    await rig.arena.query('source', `UPDATE chaos.zoo SET f8 = '-0' WHERE id = (SELECT max(id) FROM chaos.zoo)`);
    const { differences } = await compareSides(rig.arena);
    expect(differences.map(({ table, missing, extra }) => ({ table, missing, extra }))).toEqual([
      { table: 'bag', missing: 0, extra: 1 },
      { table: 'wide', missing: 1, extra: 0 },
      { table: 'zoo', missing: expect.any(Number), extra: expect.any(Number) },
    ]);
  });
});

/** Runs one lane to its clean end, and holds its figures to the promises. */
async function held(lane: (tally: Tally) => Promise<MillraceProcess | null>): Promise<Tally> {
  const tally = emptyTally();
  const process = await lane(tally);
  if (process !== null) await rig.finish(process);
  rig.workload.go();
  expect(tally.checks).toBeGreaterThan(0);
  expect(brokenPromises(tally, { resumeMs: RESUME_LIMIT_MS })).toEqual([]);
  return tally;
}
