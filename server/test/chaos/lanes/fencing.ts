// A process that was only asleep: another one takes over, and the first must find that its time is over.
import { setTimeout as delay } from 'node:timers/promises';
import type { RunLine } from '@millrace/contract/run-event';
import { CATALOGUE } from '../../../src/model/error-catalogue.ts';
import type { MillraceProcess } from '../millrace-process.ts';
import { count, type Tally } from '../report.ts';
import type { Rig } from '../rig.ts';

export interface FencingPlan {
  readonly takeOvers: number;
}

export async function takeOverSleepers(rig: Rig, tally: Tally, plan: FencingPlan): Promise<MillraceProcess> {
  const random = rig.randomOf('fencing');
  let running = rig.start();
  await rig.resumed(running, tally);
  for (let round = 0; round < plan.takeOvers; round++) {
    await delay(random.below(1_500));
    running.signal('SIGSTOP');
    const successor = rig.start();
    await rig.resumed(successor, tally);
    await delay(random.below(1_000));
    await wakeUp(running);
    count(tally, 'take-overs');
    running = successor;
    await rig.check(running, tally);
    rig.say(`  ${round + 1} take-overs: equal`);
  }
  return running;
}

/** The sleeper must stop by itself, and say why. */
async function wakeUp(sleeper: MillraceProcess): Promise<void> {
  const since = sleeper.lineCount;
  sleeper.signal('SIGCONT');
  const done = await sleeper.line(isEnd, { since, timeoutMs: STOP_TIMEOUT_MS });
  const ended = await Promise.race([sleeper.ended, delay(STOP_TIMEOUT_MS, null)]);
  const wasFenced = sleeper.lastWords.includes(`"${CATALOGUE.fenced.code}"`);
  if (done === null || ended === null || ended.code !== CATALOGUE.fenced.exit || !wasFenced)
    throw new Error(`a process that was replaced while it slept did not stop as fenced (${JSON.stringify(ended)}):\n${sleeper.lastWords}`);
}

function isEnd(line: RunLine): boolean {
  return line.type === 'done';
}

const STOP_TIMEOUT_MS = 30_000;
