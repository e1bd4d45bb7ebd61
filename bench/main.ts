// The bench's course: start the clusters, run every scenario in every round with the contenders in turns, print the medians.
import { writeFile } from 'node:fs/promises';
import { must } from '../server/src/lib/assert.ts';
import { type CatchUpScenario, catchesUp, catchUp } from './catch-up.ts';
import type { MillraceProgram } from './contenders/millrace.ts';
import { copies, firstCopy } from './first-copy.ts';
import { lagRound, streams } from './lag.ts';
import type { Measurement } from './measurement.ts';
import { isLayout } from './layouts.ts';
import { type BenchOptions, type Contender, parseOptions, type Scenario, USAGE } from './options.ts';
import { renderJson, renderTable, summarise } from './report.ts';
import { makeSeed, SEED, type Sizes, sizesFor } from './seed.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

/**
 * Runs the bench; returns the exit code. The table goes to stdout, what happens meanwhile to stderr. `bundleMillrace`
 * is called only when Millrace is measured, so that the others can be measured while it does not build.
 */
export async function main(argv: readonly string[], bundleMillrace: () => Promise<MillraceProgram>): Promise<number> {
  const options = readOptions(argv);
  if (options === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  if (options === 'wrong') return 2;
  const program = options.contenders.some(isLayout) ? await bundleMillrace() : null;
  const sizes = sizesFor(options.rowsScale);
  const bench = await openWorkbench(options);
  const interrupted = new Promise<never>((_, reject) => {
    process.once('SIGINT', () => reject(new Error('interrupted')));
    process.once('SIGTERM', () => reject(new Error('terminated')));
  });
  try {
    await Promise.race([runAll(bench, { options, sizes, program }), interrupted]);
    return 0;
  } catch (error) {
    say(`failed: ${error instanceof Error ? error.message : String(error)}`);
    for (const side of ['source', 'destination'] as const)
      say(`end of the ${side}'s log:\n${(await bench.logTail(side)).slice(-LOG_CHARS)}`);
    return 1;
  } finally {
    await bench.close();
  }
}

interface Plan {
  readonly options: BenchOptions;
  readonly sizes: Sizes;
  readonly program: MillraceProgram | null;
}

const LOG_CHARS = 1_500;

function readOptions(argv: readonly string[]): BenchOptions | 'help' | 'wrong' {
  try {
    return parseOptions(argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 'wrong';
  }
}

async function runAll(bench: Workbench, plan: Plan): Promise<void> {
  say(`making ${plan.sizes.rows} rows`);
  const tableBytes = await makeSeed(bench, plan.sizes);
  say(`${Math.round(tableBytes / 1e6)} MB, ${(tableBytes / plan.sizes.rows).toFixed(0)} bytes a row`);
  const measurements: Measurement[] = [];
  for (let round = 1; round <= plan.options.rounds; round++) {
    for (const scenario of plan.options.scenarios) {
      for (const measurement of await runScenario(bench, plan, scenario, round)) {
        measurements.push(measurement);
        say(describe(measurement));
      }
    }
  }
  process.stdout.write(`${renderTable(summarise(measurements))}\n`);
  if (plan.options.jsonFile === null) return;
  const serverVersion = await bench.use('source', 'postgres', async (session) =>
    must((await session.query("SELECT pg_catalog.current_setting('server_version')"))[0]?.[0], 'server version'),
  );
  await writeFile(plan.options.jsonFile, renderJson({ ...plan, tableBytes, serverVersion, measurements }));
}

/** Every measurement that writes starts from a fresh copy of the seed, so that each round moves the same bytes. */
async function runScenario(bench: Workbench, plan: Plan, scenario: Scenario, round: number): Promise<readonly Measurement[]> {
  const { sizes, program, options } = plan;
  const inTurns = (takesPart: (contender: Contender) => boolean): readonly Contender[] =>
    rotate(options.contenders.filter(takesPart), round - 1);
  const source = 'bench_source';
  switch (scenario) {
    case 'a': {
      const contenders = inTurns((contender) => copies(contender, options.version));
      if (contenders.length === 0) return [];
      await bench.createDatabase('source', source, SEED);
      const measurements: Measurement[] = [];
      for (const contender of contenders) measurements.push(await firstCopy(bench, source, { contender, round, program }));
      await bench.dropDatabase('source', source);
      return measurements;
    }
    case 'lag': {
      const measurements: Measurement[] = [];
      for (const contender of inTurns(streams)) {
        await bench.createDatabase('source', source, SEED);
        measurements.push(await lagRound(bench, source, { contender, round, options, sizes, program }));
        await bench.dropDatabase('source', source);
      }
      return measurements;
    }
    default: {
      const contenders = inTurns(catchesUp);
      if (contenders.length === 0) return [];
      await bench.createDatabase('source', source, SEED);
      const measurements = await catchUp(bench, source, {
        scenario: scenario satisfies CatchUpScenario,
        round,
        contenders,
        sizes,
        program,
      });
      await bench.dropDatabase('source', source);
      return measurements;
    }
  }
}

/** A different contender begins each round: whoever comes first meets colder caches. */
function rotate<T>(values: readonly T[], by: number): readonly T[] {
  if (values.length === 0) return values;
  const start = by % values.length;
  return [...values.slice(start), ...values.slice(0, start)];
}

function describe(entry: Measurement): string {
  const what =
    entry.lag === null ? `${entry.seconds.toFixed(2)} s` : `lag p50 ${entry.lag.p50Ms.toFixed(1)} ms, p99 ${entry.lag.p99Ms.toFixed(1)} ms`;
  const others = entry.othersShare === null ? '' : `, others used ${(100 * entry.othersShare).toFixed(0)} % of the machine`;
  return `round ${entry.round}, ${entry.scenario}, ${entry.contender}: ${what}${others}`;
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}
