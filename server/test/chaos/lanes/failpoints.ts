// kill -9 at each named crash point: none may lose or double a row, and none may be out of reach.
import { setTimeout as delay } from 'node:timers/promises';
import { type FailpointName, FAILPOINTS } from '../../../src/lib/failpoint.ts';
import type { Random } from '../../fuzz/random.ts';
import type { MillraceProcess } from '../millrace-process.ts';
import { count, type Tally } from '../report.ts';
import type { Rig } from '../rig.ts';

export interface FailpointsPlan {
  /** `once`: one crash after the other, compared at the end. `thorough`: each in a first load and in a reload, each compared. */
  readonly how: 'once' | 'thorough';
}

/** Where the workload's application comes by: it alters no table. `schema-changes-crash.pg.test.ts` dies where one is. */
export const CRASH_POINTS: readonly FailpointName[] = FAILPOINTS.filter((name) => !name.endsWith('_alter'));

export async function killAtFailpoints(rig: Rig, tally: Tally, plan: FailpointsPlan): Promise<MillraceProcess> {
  const random = rig.randomOf('failpoints');
  for (const name of inOrder(CRASH_POINTS)) {
    if (plan.how === 'thorough') {
      // Tables enough are loaded, and transactions applied, for any of these passes.
      await rig.beginAnew();
      await crashAt(rig, tally, { name, nth: name.startsWith('session.') ? 1 : 1 + random.below(6) });
      await checked(rig, tally);
      if (name === 'session.after_slot') continue;
    }
    await makeWork(rig, random, { name, thorough: plan.how === 'thorough' });
    await crashAt(rig, tally, { name, nth: 1 });
    if (plan.how === 'thorough') await checked(rig, tally);
  }
  const process = rig.start();
  await rig.check(process, tally);
  return process;
}

/** Those of a first start come first: later ones don't pass where the slot is made. */
function inOrder(names: readonly FailpointName[]): readonly FailpointName[] {
  return names.toSorted((a, b) => Number(b.startsWith('session.')) - Number(a.startsWith('session.')));
}

/** Makes sure that the next session passes the point. The application writes all the time, so changes need no help. */
async function makeWork(rig: Rig, random: Random, point: { readonly name: FailpointName; readonly thorough: boolean }): Promise<void> {
  if (!point.name.startsWith('copy.')) return;
  await rig.extras.create(random);
  if (point.thorough) await rig.restartSome(random, 3);
}

async function crashAt(rig: Rig, tally: Tally, failpoint: { readonly name: FailpointName; readonly nth: number }): Promise<void> {
  const process = rig.start({ failpoint });
  const ended = await Promise.race([process.ended, delay(REACH_TIMEOUT_MS, null)]);
  if (ended?.signal !== 'SIGKILL') {
    const what =
      ended === null ? `was not reached within ${REACH_TIMEOUT_MS} ms` : `was not reached before the end (${JSON.stringify(ended)})`;
    throw new Error(`${failpoint.name}:${failpoint.nth} ${what}:\n${process.lastWords}`);
  }
  count(tally, 'crash points');
  rig.say(`  died at ${failpoint.name}:${failpoint.nth}`);
}

async function checked(rig: Rig, tally: Tally): Promise<void> {
  const process = rig.start();
  await rig.resumed(process, tally);
  await rig.check(process, tally);
  await process.kill();
}

const REACH_TIMEOUT_MS = 60_000;
