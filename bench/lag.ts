// Scenario lag: how long after its commit at the source a transaction is visible at the destination, at a steady rate.
import { must } from '../server/src/lib/assert.ts';
import type { PgSession } from '../server/src/db/session.ts';
import { type MillraceProgram, millracePipeline } from './contenders/millrace.ts';
import { copyByNative, disableNative, dropNative, prepareNative } from './contenders/native.ts';
import { FINGERPRINT_ITEMS, FINGERPRINT_TICKS, TEND_ITEMS } from './dataset.sql.ts';
import { assertEqual } from './equality.ts';
import { type CommittedTick, type SeenTicks, summariseLag } from './lag-summary.ts';
import { type Measurement, measure, type ProcessUsage, stopwatch } from './measurement.ts';
import type { BenchOptions, Contender } from './options.ts';
import type { Sizes } from './seed.ts';
import { CALL_BEAT, SELECT_COMMITTED_TICKS, SELECT_FIRST_TICK, SELECT_SEEN_TICKS, WRITE_FIRST_TICK } from './workload.sql.ts';
import { waitUntil, type Workbench } from './workbench.ts';

export interface LagRound {
  readonly contender: Contender;
  readonly round: number;
  readonly options: BenchOptions;
  readonly sizes: Sizes;
  readonly program: MillraceProgram | null;
}

/** Whether a contender takes part. */
export function streams(contender: Contender): boolean {
  return contender === 'native' || contender === 'millrace';
}

/** Measures one contender on a source database that nobody else has written to. */
export async function lagRound(bench: Workbench, source: string, plan: LagRound): Promise<Measurement> {
  const pair = { source, destination: `bench_${plan.contender}` };
  const streamer =
    plan.contender === 'native'
      ? await nativeStreamer(bench, pair)
      : await millraceStreamer(bench, pair, must(plan.program, 'bundle of millrace'));
  await bench.use('destination', pair.destination, async (session) => void (await session.query(TEND_ITEMS)));
  const { effort, processors, othersShare } = await measure(bench, async () => {
    const elapsed = stopwatch();
    const streaming = await streamer.start();
    await Promise.race([awaitFirstTick(bench, pair), streaming.failed]);
    const watched = beatAndWatch(bench, pair, plan);
    // When the contender fails, the bench ends and with it these sessions; that is no failure of its own.
    watched.catch(() => {});
    const seen = await Promise.race([watched, streaming.failed]);
    const seconds = elapsed();
    return { seconds, wholeSeconds: null, process: await streaming.stop(), seen };
  });
  const { seen, ...rest } = effort;
  const lag = await bench.use('source', source, async (session) => summariseLag(await committedTicks(session), seen));
  await assertEqual(bench, FINGERPRINT_ITEMS, pair);
  const units = (await assertEqual(bench, FINGERPRINT_TICKS, pair)) - 1;
  await streamer.cleanUp();
  return { ...rest, scenario: 'lag', contender: plan.contender, round: plan.round, units, lag, processors, othersShare };
}

/** Writers at the source; the rate is shared among them. */
const WRITERS = [0, 1, 2, 3] as const;

interface Pair {
  readonly source: string;
  readonly destination: string;
}

interface Streaming {
  readonly stop: () => Promise<ProcessUsage | null>;
  /** Rejects when the contender fails while it should stream; never resolves. */
  readonly failed: Promise<never>;
}

interface Streamer {
  readonly start: () => Promise<Streaming>;
  readonly cleanUp: () => Promise<void>;
}

async function nativeStreamer(bench: Workbench, pair: Pair): Promise<Streamer> {
  await prepareNative(bench, pair);
  await copyByNative(bench, pair, 'text');
  return {
    start: async () => ({
      stop: async () => {
        await disableNative(bench, pair);
        return null;
      },
      failed: new Promise<never>(() => {}),
    }),
    cleanUp: () => dropNative(bench, pair),
  };
}

async function millraceStreamer(bench: Workbench, pair: Pair, program: MillraceProgram): Promise<Streamer> {
  await bench.createDatabase('destination', pair.destination);
  const run = await millracePipeline(bench, program, pair);
  await run('once').ended;
  return {
    start: async () => {
      const { ended, stop } = run('continuous');
      const failed = new Promise<never>((_, reject) => void ended.catch(reject));
      failed.catch(() => {});
      return {
        stop: () => {
          stop();
          return ended;
        },
        failed,
      };
    },
    cleanUp: () => bench.dropDatabase('destination', pair.destination),
  };
}

/** Nothing is measured before changes flow: connecting is not lag. */
async function awaitFirstTick(bench: Workbench, pair: Pair): Promise<void> {
  await bench.use('source', pair.source, async (session) => void (await session.query(WRITE_FIRST_TICK)));
  await bench.use('destination', pair.destination, (session) =>
    waitUntil(async () => ((await session.query(SELECT_FIRST_TICK)).length > 0 ? 'seen' : null), 'the first tick', { timeoutMs: 60_000 }),
  );
}

/** Writes at the rate and looks at the destination all the while, until everything written is visible. */
async function beatAndWatch(bench: Workbench, pair: Pair, plan: LagRound): Promise<readonly SeenTicks[]> {
  const perWriter = Math.round((plan.options.lagSeconds * plan.options.lagRate) / WRITERS.length);
  const intervalMs = (1_000 * WRITERS.length) / plan.options.lagRate;
  const writing = Promise.all(
    WRITERS.map((writer) =>
      bench.use('source', pair.source, (session) =>
        session.query(CALL_BEAT, [String(writer), String(perWriter), String(intervalMs), String(plan.sizes.rows)]),
      ),
    ),
  );
  const watching = bench.use('destination', pair.destination, (session) => watch(session, perWriter));
  const [seen] = await Promise.all([watching, writing]);
  return seen;
}

/**
 * Looks every few milliseconds and notes what is visible by the server's clock. One statement sees one snapshot; its
 * clock is read after the snapshot was taken, so a lag is never shown shorter than it was.
 */
async function watch(session: PgSession, perWriter: number): Promise<readonly SeenTicks[]> {
  const seen: SeenTicks[] = [];
  await waitUntil(
    async () => {
      const [clock, highest] = must((await session.query(SELECT_SEEN_TICKS, [WRITERS.map(String)]))[0], 'ticks');
      const tick = { clockUs: Number(must(clock, 'clock')), highest: must(highest, 'numbers').split(',').map(Number) };
      seen.push(tick);
      return tick.highest.every((number) => number >= perWriter) ? 'all' : null;
    },
    'all ticks to show at the destination',
    { intervalMs: 2 },
  );
  return seen;
}

async function committedTicks(session: PgSession): Promise<readonly CommittedTick[]> {
  const rows = await session.query(SELECT_COMMITTED_TICKS);
  return rows.map(([writer, number, committedUs]) => ({
    writer: Number(must(writer, 'writer')),
    number: Number(must(number, 'number')),
    committedUs: Number(must(committedUs, 'commit time')),
  }));
}
