// `npm run chaos`: kills everything that can be killed while an application writes, and counts what is lost or doubled.
import { unreachable } from '../../src/lib/assert.ts';
import { disturbNetwork } from './lanes/network.ts';
import { killAtFailpoints } from './lanes/failpoints.ts';
import { killAtRandom } from './lanes/kills.ts';
import { killServers } from './lanes/servers.ts';
import { takeOverSleepers } from './lanes/fencing.ts';
import type { MillraceProcess } from './millrace-process.ts';
import { type ChaosOptions, type LaneName, parseOptions, USAGE } from './options.ts';
import { brokenPromises, emptyTally, type LaneResult, renderLane, RESUME_LIMIT_MS, type Tally } from './report.ts';
import { openRig, type Rig } from './rig.ts';

/** Returns the exit code: 0 when nothing was lost, doubled or late. `program` is the bundled command line. */
export async function main(argv: readonly string[], program: string): Promise<number> {
  const options = parse(argv);
  if (typeof options === 'number') return options;
  say(`chaos with --seed ${options.seed}, PostgreSQL ${options.version}, fsync ${options.durable ? 'on' : 'off'}`);
  const initial = { rows: options.rows, toastBytes: options.toastBytes };
  const rig = await openRig({ ...options, initial, program, writers: 3, say });
  const results: LaneResult[] = [];
  try {
    rig.workload.go();
    for (const lane of options.lanes) results.push(await runLane(rig, lane, options));
    const { rows, transactions, refused, lost, rowsPerSecond } = rig.workload.counts;
    say('');
    for (const result of results) say(renderLane(result));
    say(
      `application  ${rows} row operations in ${transactions} transactions, ${Math.round(rowsPerSecond)} a second in its bursts; ` +
        `${refused} refused, ${lost} connections lost; the reader saw the bank ${rig.watch.samples} times`,
    );
  } finally {
    await rig.close();
  }
  return verdict(results, options);
}

async function runLane(rig: Rig, lane: LaneName, options: ChaosOptions): Promise<LaneResult> {
  say(`${lane}:`);
  const tally = emptyTally();
  const startMs = performance.now();
  const failure = await attempt(rig, lane, { options, tally }).then(
    () => null,
    (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error)),
  );
  if (failure !== null) say(`  FAILED: ${failure}`);
  await rig.killAll();
  return { lane, tally, seconds: (performance.now() - startMs) / 1_000, failure };
}

async function attempt(rig: Rig, lane: LaneName, run: { readonly options: ChaosOptions; readonly tally: Tally }): Promise<void> {
  await rig.beginAnew();
  const process = await laneOf(rig, lane, run);
  if (process !== null) await rig.finish(process);
  rig.workload.go();
}

function laneOf(
  rig: Rig,
  lane: LaneName,
  { options, tally }: { readonly options: ChaosOptions; readonly tally: Tally },
): Promise<MillraceProcess | null> {
  switch (lane) {
    case 'kills':
      return killAtRandom(rig, tally, { kills: options.kills, checkEvery: 10, anewEvery: 25 });
    case 'failpoints':
      return killAtFailpoints(rig, tally, { how: 'thorough' });
    case 'servers':
      return killServers(rig, tally, { kills: options.serverKills, checkEvery: 4 });
    case 'network':
      return disturbNetwork(rig, tally, { cuts: options.cuts, halfOpen: options.halfOpen, checkEvery: 10 });
    case 'fencing':
      return takeOverSleepers(rig, tally, { takeOvers: options.takeOvers });
    default:
      return unreachable(lane);
  }
}

function verdict(results: readonly LaneResult[], options: ChaosOptions): number {
  const failed = results.filter((result) => result.failure !== null).map((result) => result.lane);
  const broken = results.flatMap((result) =>
    brokenPromises(result.tally, { resumeMs: RESUME_LIMIT_MS }).map((what) => `${result.lane}: ${what}`),
  );
  for (const what of broken) say(what);
  if (failed.length > 0) say(`FAILED: ${failed.join(', ')}; again with --seed ${options.seed}`);
  else say(broken.length > 0 ? 'nothing lost, nothing doubled, but too slow' : 'held: nothing lost, nothing doubled');
  return failed.length > 0 || broken.length > 0 ? 1 : 0;
}

function parse(argv: readonly string[]): ChaosOptions | number {
  try {
    const options = parseOptions(argv, Date.now());
    if (options !== 'help') return options;
    say(USAGE);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
