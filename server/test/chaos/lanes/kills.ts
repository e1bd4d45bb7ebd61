// kill -9 at random moments: while it starts, while it loads history, while it streams, while it catches up.
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../fuzz/random.ts';
import type { MillraceProcess } from '../millrace-process.ts';
import { count, type Tally } from '../report.ts';
import type { Rig } from '../rig.ts';

export interface KillsPlan {
  readonly kills: number;
  /** A comparison after so many kills. */
  readonly checkEvery: number;
  /** The pipeline begins anew after so many kills: kills during the first load of everything. */
  readonly anewEvery: number;
}

export async function killAtRandom(rig: Rig, tally: Tally, plan: KillsPlan): Promise<MillraceProcess> {
  const random = rig.randomOf('kills');
  for (let kill = 0; kill < plan.kills; kill++) {
    if (kill > 0 && kill % plan.anewEvery === 0) await rig.beginAnew();
    else if (random.oneIn(2)) await disturb(rig, random, tally);
    await startAndKill(rig, random, tally);
    if ((kill + 1) % plan.checkEvery === 0) {
      const process = rig.start();
      await rig.check(process, tally);
      rig.say(`  ${kill + 1} kills: equal`);
      await process.kill();
      count(tally, 'kills -9');
    }
  }
  const process = rig.start();
  await rig.check(process, tally);
  return process;
}

async function startAndKill(rig: Rig, random: Random, tally: Tally): Promise<void> {
  const process = rig.start();
  if (random.oneIn(2)) {
    await Promise.race([delay(EARLY_FROM_MS + random.below(EARLY_SPAN_MS)), process.ended]);
  } else {
    await rig.resumed(process, tally);
    if (random.oneIn(3)) await disturb(rig, random, tally);
    await delay(random.below(WORKING_SPAN_MS));
  }
  if (process.endedByItself) throw new Error(`millrace ended by itself:\n${process.lastWords}`);
  await process.kill();
  count(tally, 'kills -9');
  // Now and then the application goes on alone for a while: there is something to catch up with.
  if (random.oneIn(4)) await delay(random.below(2_000));
}

/** What makes historical loads due, or leaves a large transaction to be applied. */
export async function disturb(rig: Rig, random: Random, tally: Tally): Promise<void> {
  switch (random.below(6)) {
    case 0:
    case 1:
      // Right after a first start there may be no object to restart yet.
      await rig.restartSome(random, 1 + random.below(3)).then(
        () => count(tally, 'restarts of objects'),
        () => {},
      );
      return;
    case 2:
      await rig.extras.create(random);
      return count(tally, 'new tables');
    case 3:
      await rig.extras.recreate(random);
      await rig.extras.touch(random);
      return count(tally, 'tables made again');
    case 4:
      await rig.copyMany(random);
      return count(tally, 'large COPYs');
    default:
      if (rig.extras.names.length > 4) await rig.extras.drop(random);
      await rig.extras.touch(random);
  }
}

const EARLY_FROM_MS = 150;
const EARLY_SPAN_MS = 2_500;
const WORKING_SPAN_MS = 1_500;
