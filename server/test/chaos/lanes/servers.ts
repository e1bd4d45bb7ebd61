// kill -9 of the servers' postmasters while changes flow and while history is loaded; the program must heal by itself.
import { setTimeout as delay } from 'node:timers/promises';
import { SIDES } from '../arena.ts';
import type { MillraceProcess } from '../millrace-process.ts';
import { count, type Tally } from '../report.ts';
import type { Rig } from '../rig.ts';
import { disturb } from './kills.ts';

export interface ServersPlan {
  /** Kills of each of the two servers. */
  readonly kills: number;
  readonly checkEvery: number;
}

/** Goes on with `process` where one is given, else starts one. */
export async function killServers(rig: Rig, tally: Tally, plan: ServersPlan, process?: MillraceProcess): Promise<MillraceProcess> {
  const random = rig.randomOf('servers');
  const running = process ?? rig.start();
  if (process === undefined) await rig.resumed(running, tally);
  for (let kill = 0; kill < plan.kills * SIDES.length; kill++) {
    const side = SIDES[kill % SIDES.length] ?? 'source';
    if (random.oneIn(2)) await disturb(rig, random, tally);
    await delay(random.below(1_500));
    const server = rig.arena.servers[side];
    await server.kill();
    count(tally, `kills of the ${side} server`);
    await delay(random.below(2_000));
    await server.start();
    // The program may be waiting for its next attempt, so this includes the pause between two.
    await rig.resumed(running, tally, performance.now());
    if ((kill + 1) % plan.checkEvery === 0) {
      await rig.check(running, tally);
      rig.say(`  ${kill + 1} kills of servers: equal`);
    }
  }
  await rig.check(running, tally);
  return running;
}
