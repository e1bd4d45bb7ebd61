// Connections that break at a random byte, that are refused for a while, or that fall silent without a word.
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../fuzz/random.ts';
import { type FaultProxy, startProxy } from '../../net/proxy.ts';
import { type Side, SIDES } from '../arena.ts';
import type { MillraceProcess } from '../millrace-process.ts';
import { count, type Tally } from '../report.ts';
import type { Rig } from '../rig.ts';
import { disturb } from './kills.ts';

export interface NetworkPlan {
  readonly cuts: number;
  /** Half-open connections: to the source, to the destination, to both, in turn. Each may take a minute. */
  readonly halfOpen: number;
  readonly checkEvery: number;
}

/** The process that runs at the end talks to the servers by way of proxies that are gone: it has been stopped already. */
export async function disturbNetwork(rig: Rig, tally: Tally, plan: NetworkPlan): Promise<null> {
  const random = rig.randomOf('network');
  const proxies = { source: await proxyOf(rig, 'source'), destination: await proxyOf(rig, 'destination') };
  try {
    const file = await rig.arena.writeFile('by-proxy.yaml', { source: proxies.source.port, destination: proxies.destination.port });
    const process = rig.start({ file });
    await rig.resumed(process, tally);
    for (let cut = 0; cut < plan.cuts; cut++) {
      if (random.oneIn(3)) await disturb(rig, random, tally);
      await breakConnections(proxies, random, tally);
      await rig.resumed(process, tally, performance.now());
      if ((cut + 1) % plan.checkEvery === 0) {
        await rig.check(process, tally);
        rig.say(`  ${cut + 1} cuts: equal`);
      }
    }
    for (let silence = 0; silence < plan.halfOpen; silence++) {
      await fallSilent(rig, tally, { proxies, process, which: SILENCES[silence % SILENCES.length] ?? SIDES });
      await rig.check(process, tally);
    }
    await rig.check(process, tally);
    if (plan.halfOpen > 0) await stopInSilence(rig, tally, { proxies, process, which: SIDES });
    else await rig.finish(process);
    return null;
  } finally {
    await proxies.source.close();
    await proxies.destination.close();
  }
}

type Proxies = Readonly<Record<Side, FaultProxy>>;

const SILENCES: readonly (readonly Side[])[] = [['source'], ['destination'], ['source', 'destination']];

function proxyOf(rig: Rig, side: Side): Promise<FaultProxy> {
  return startProxy({ host: '127.0.0.1', port: rig.arena.servers[side].port });
}

async function breakConnections(proxies: Proxies, random: Random, tally: Tally): Promise<void> {
  const side = random.pick(SIDES);
  const proxy = proxies[side];
  if (random.oneIn(6)) {
    proxy.refuse();
    proxy.cut(random.pick(['reset', 'end']));
    await delay(random.below(1_500));
    proxy.heal();
    return count(tally, `outages of the way to the ${side}`);
  }
  const accepted = proxy.accepted;
  proxy.cutAfter(random.pick(['to_server', 'to_client']), 1 + random.below(random.oneIn(2) ? 2_000 : 200_000));
  const deadline = performance.now() + CUT_TIMEOUT_MS;
  while (proxy.accepted === accepted && performance.now() < deadline) await delay(POLL_MS);
  if (proxy.accepted === accepted) {
    // So much did not flow in that direction; then the cut is made where it stands.
    proxy.heal();
    proxy.cut('reset');
  }
  count(tally, `cuts on the way to the ${side}`);
}

interface Silence {
  readonly proxies: Proxies;
  readonly process: MillraceProcess;
  readonly which: readonly Side[];
}

/** All connections stay open and say nothing, until the program gives them up. Then the network is well again. */
async function fallSilent(rig: Rig, tally: Tally, { proxies, process, which }: Silence): Promise<void> {
  const since = process.lineCount;
  const startMs = performance.now();
  for (const side of which) proxies[side].blackHole();
  const noticed = await process.line((line) => line.type === 'state' && line.state === 'retrying', { since, timeoutMs: NOTICE_TIMEOUT_MS });
  const noticedMs = performance.now() - startMs;
  for (const side of which) proxies[side].heal();
  if (noticed === null)
    throw new Error(
      `half-open connections to ${which.join(' and ')} were not noticed within ${NOTICE_TIMEOUT_MS} ms:\n${process.lastWords}`,
    );
  tally.noticeMs.push(noticedMs);
  count(tally, 'half-open connections');
  rig.say(`  half-open to ${which.join(' and ')}: noticed after ${(noticedMs / 1_000).toFixed(1)} s`);
  await rig.resumed(process, tally, performance.now());
}

/** Who stops the program may do so because the network is gone: the stop must not wait for it. */
async function stopInSilence(rig: Rig, tally: Tally, { proxies, process, which }: Silence): Promise<void> {
  await rig.workload.rest();
  for (const side of which) proxies[side].blackHole();
  const { ended, tookMs } = await process.stop();
  for (const side of which) proxies[side].heal();
  if (ended.code !== 0)
    throw new Error(`a stop without a network took ${Math.round(tookMs)} ms (${JSON.stringify(ended)}):\n${process.lastWords}`);
  count(tally, 'stops without a network');
  await rig.expectNothingLeft();
}

const CUT_TIMEOUT_MS = 5_000;
const POLL_MS = 20;
const NOTICE_TIMEOUT_MS = 120_000;
