// Scenarios b, c, d and e: what was written while nobody consumed is applied by each contender in turn, from the same log.
import { must } from '../server/src/lib/assert.ts';
import { decodeOnly, prepareDecode } from './contenders/decode.ts';
import { type MillraceProgram, millracePipeline } from './contenders/millrace.ts';
import { copyByNative, disableNative, dropNative, enableNative, prepareNative } from './contenders/native.ts';
import { FINGERPRINT_ITEMS, fingerprintItems, TEND_ITEMS } from './dataset.sql.ts';
import { assertEqual } from './equality.ts';
import { isLayout, type LayoutName, presentRows } from './layouts.ts';
import { awaitMarker, type Marker, presentMarker, quantityMarker, spread } from './marker.ts';
import { type Effort, type Measurement, measure, type ProcessUsage, stopwatch } from './measurement.ts';
import type { Contender } from './options.ts';
import type { Sizes } from './seed.ts';
import { CALL_WRITE_ONE_BY_ONE, INSERT_MANY, SELECT_LOG_END, UPDATE_MANY, WRITE_LAST_ONE } from './workload.sql.ts';
import type { Workbench } from './workbench.ts';

export type CatchUpScenario = 'b' | 'c' | 'd' | 'e';

export interface CatchUpRound {
  readonly scenario: CatchUpScenario;
  readonly round: number;
  /** In the order in which they are measured. */
  readonly contenders: readonly Contender[];
  readonly sizes: Sizes;
  readonly program: MillraceProgram | null;
}

/** Whether a contender takes part. */
export function catchesUp(contender: Contender): boolean {
  return contender === 'decode' || contender === 'native' || isLayout(contender);
}

/** Prepares all contenders on the source database, writes once, and measures one after another. */
export async function catchUp(bench: Workbench, source: string, plan: CatchUpRound): Promise<readonly Measurement[]> {
  const catchers: { readonly contender: Contender; readonly catcher: Catcher }[] = [];
  for (const contender of plan.contenders) catchers.push({ contender, catcher: await prepare(bench, source, contender, plan.program) });
  const written = await write(bench, source, plan.scenario, plan.sizes);
  const measurements: Measurement[] = [];
  for (const { contender, catcher } of catchers) {
    const { effort, processors, othersShare } = await measure(bench, () => catcher.apply(written));
    const present = fingerprintItems(presentRows(contender));
    if (catcher.destination !== null) await assertEqual(bench, FINGERPRINT_ITEMS, { source, destination: catcher.destination }, present);
    measurements.push({
      ...effort,
      scenario: plan.scenario,
      contender,
      round: plan.round,
      units: written.units,
      lag: null,
      processors,
      othersShare,
    });
  }
  for (const { catcher } of catchers) await catcher.cleanUp();
  return measurements;
}

/** What was written: how to see its end at a destination, and the position before its last transaction. */
interface Written {
  readonly marker: Marker;
  readonly beforeLast: string;
  readonly units: number;
}

interface Catcher {
  /** Where the rows arrive; null for a contender that keeps nothing. */
  readonly destination: string | null;
  readonly apply: (written: Written) => Promise<Effort>;
  readonly cleanUp: () => Promise<void>;
}

function prepare(bench: Workbench, source: string, contender: Contender, program: MillraceProgram | null): Promise<Catcher> {
  if (isLayout(contender)) return millraceCatcher(bench, source, must(program, 'bundle of millrace'), contender);
  switch (contender) {
    case 'decode':
      return decodeCatcher(bench, source);
    case 'native':
      return nativeCatcher(bench, source);
    case 'pipe':
    case 'native-binary':
      throw new Error(`${contender} does not catch up`);
  }
}

async function decodeCatcher(bench: Workbench, source: string): Promise<Catcher> {
  await prepareDecode(bench, source);
  // The slot goes with the source database.
  return { destination: null, apply: (written) => decodeOnly(bench, source, written.beforeLast), cleanUp: async () => {} };
}

async function nativeCatcher(bench: Workbench, source: string): Promise<Catcher> {
  const pair = { source, destination: 'bench_native' };
  await prepareNative(bench, pair);
  await copyByNative(bench, pair, 'text');
  await disableNative(bench, pair);
  await tend(bench, pair.destination);
  const never = new Promise<never>(() => {});
  return {
    destination: pair.destination,
    apply: async (written) => {
      const elapsed = stopwatch();
      await enableNative(bench, pair);
      await awaitMarker(bench, pair.destination, written.marker, never);
      const seconds = elapsed();
      await disableNative(bench, pair);
      return { seconds, wholeSeconds: null, process: null };
    },
    cleanUp: () => dropNative(bench, pair),
  };
}

async function millraceCatcher(bench: Workbench, source: string, program: MillraceProgram, layout: LayoutName): Promise<Catcher> {
  const destination = `bench_${layout}`;
  await bench.createDatabase('destination', destination);
  const run = await millracePipeline(bench, program, { source, destination }, layout);
  await run('once').ended;
  await tend(bench, destination);
  return {
    destination,
    apply: async (written) => {
      const elapsed = stopwatch();
      const { ended } = run('once');
      const arrived = awaitMarker(bench, destination, written.marker, failureOf(ended)).then(elapsed);
      const [seconds, usage] = await Promise.all([arrived, ended]);
      return { seconds, wholeSeconds: elapsed(), process: usage };
    },
    cleanUp: () => bench.dropDatabase('destination', destination),
  };
}

/** Rejects when the run fails, and never resolves: after a good end the marker still has to be seen. */
function failureOf(ended: Promise<ProcessUsage>): Promise<never> {
  return new Promise((_, reject) => void ended.catch(reject));
}

async function tend(bench: Workbench, destination: string): Promise<void> {
  await bench.use('destination', destination, async (session) => void (await session.query(TEND_ITEMS)));
}

function write(bench: Workbench, source: string, scenario: CatchUpScenario, sizes: Sizes): Promise<Written> {
  const { rows } = sizes;
  return bench.use('source', source, async (session) => {
    const logEnd = async (): Promise<string> => must((await session.query(SELECT_LOG_END))[0]?.[0], 'end of the log');
    const insert = async (units: number): Promise<Written> => {
      const beforeLast = await logEnd();
      await session.query(INSERT_MANY, [String(rows + 1), String(rows + units)]);
      return { marker: presentMarker(spread(rows + 1, rows + units, SAMPLE)), beforeLast, units };
    };
    switch (scenario) {
      case 'b': {
        await session.query('SET synchronous_commit = off');
        await session.query(CALL_WRITE_ONE_BY_ONE, [String(rows), String(sizes.smallTransactions - 1)]);
        const beforeLast = await logEnd();
        await session.query(WRITE_LAST_ONE);
        return { marker: quantityMarker([1], -1), beforeLast, units: sizes.smallTransactions };
      }
      case 'c': {
        const beforeLast = await logEnd();
        await session.query(UPDATE_MANY);
        return {
          marker: quantityMarker(spread(4, rows - (rows % 4), { ...SAMPLE, step: 4 }), -2),
          beforeLast,
          units: Math.floor(rows / 4),
        };
      }
      case 'd':
        return insert(sizes.insertedRows);
      case 'e':
        return insert(sizes.insertedManyRows);
    }
  });
}

const SAMPLE = { step: 1, count: 50 } as const;
