// Turns measurements into the table that people read and the document that the next run is compared with.
import { cpus, totalmem } from 'node:os';
import { must } from '../server/src/lib/assert.ts';
import type { Measurement } from './measurement.ts';
import { type BenchOptions, CONTENDERS, type Contender, SCENARIOS, type Scenario } from './options.ts';
import type { Sizes } from './seed.ts';
import { maximum, median, minimum } from './statistics.ts';
import { CLUSTER_SETTINGS } from './workbench.ts';

/** The medians of one contender in one scenario; null where it can't be known or makes no sense. */
export interface Summary {
  readonly scenario: Scenario;
  readonly contender: Contender;
  readonly rounds: number;
  /** Rounds in which others left the machine alone. Unless there are none, times are theirs alone. */
  readonly quietRounds: number;
  readonly units: number;
  readonly seconds: number;
  readonly leastSeconds: number;
  readonly mostSeconds: number;
  readonly wholeSeconds: number | null;
  /** How many times as fast as native replication by `seconds`. */
  readonly timesNative: number | null;
  /** The greatest of all rounds: a limit must hold in each of them. */
  readonly peakRssBytes: number | null;
  readonly processCpuSeconds: number | null;
  readonly sourceCpuSeconds: number | null;
  readonly destinationCpuSeconds: number | null;
  readonly lagP50Ms: number | null;
  readonly lagP99Ms: number | null;
  readonly lagMaxMs: number | null;
  readonly ratePerSecond: number | null;
}

/** Medians over the rounds, in the order of the scenarios and contenders. */
export function summarise(measurements: readonly Measurement[]): readonly Summary[] {
  const summaries: Summary[] = [];
  for (const scenario of SCENARIOS) {
    const native = measurements.filter((entry) => entry.scenario === scenario && entry.contender === 'native');
    for (const contender of CONTENDERS) {
      const rounds = measurements.filter((entry) => entry.scenario === scenario && entry.contender === contender);
      if (rounds.length > 0) summaries.push(summariseRounds(rounds, native));
    }
  }
  return summaries;
}

/** The table, one line for each contender of each scenario. */
export function renderTable(summaries: readonly Summary[]): string {
  const rows = summaries.map((summary) => [
    summary.scenario,
    summary.contender,
    String(summary.units),
    summary.scenario === 'lag' ? '' : `${fixed(summary.seconds, 2)} (${fixed(summary.leastSeconds, 2)}–${fixed(summary.mostSeconds, 2)})`,
    summary.scenario === 'lag' ? '' : fixed(summary.wholeSeconds, 2),
    summary.scenario === 'lag' ? '' : fixed(summary.timesNative, 2),
    summary.peakRssBytes === null ? '' : fixed(summary.peakRssBytes / 1024 / 1024, 0),
    fixed(summary.processCpuSeconds, 2),
    fixed(summary.sourceCpuSeconds, 2),
    fixed(summary.destinationCpuSeconds, 2),
    `${summary.quietRounds} of ${summary.rounds}`,
    summary.lagP50Ms === null ? '' : `${fixed(summary.lagP50Ms, 1)} / ${fixed(summary.lagP99Ms, 1)} / ${fixed(summary.lagMaxMs, 1)}`,
    fixed(summary.ratePerSecond, 0),
  ]);
  const widths = HEADINGS.map((heading, column) => maximum([heading, ...rows.map((row) => row[column] ?? '')].map((text) => text.length)));
  const line = (cells: readonly string[]): string => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(HEADINGS), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** Everything for the JSON file: what was run on what, the medians, and each measurement. */
export function renderJson(run: {
  readonly options: BenchOptions;
  readonly sizes: Sizes;
  readonly tableBytes: number;
  readonly serverVersion: string;
  readonly measurements: readonly Measurement[];
}): string {
  const { jsonFile: _, directory: __, ...options } = run.options;
  const machine = { processors: cpus().length, model: cpus()[0]?.model ?? 'unknown', memoryBytes: totalmem(), node: process.version };
  const document = {
    at: new Date().toISOString(),
    machine,
    serverVersion: run.serverVersion,
    options,
    settings: { ...CLUSTER_SETTINGS, fsync: run.options.durable ? 'on' : 'off' },
    sizes: { ...run.sizes, tableBytes: run.tableBytes },
    summaries: summarise(run.measurements),
    measurements: run.measurements,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

const HEADINGS = [
  'scenario',
  'contender',
  'rows or tx',
  'seconds (min–max)',
  'to exit',
  '× native',
  'RSS MiB',
  'CPU process',
  'CPU source',
  'CPU destination',
  'quiet rounds',
  'lag ms p50 / p99 / max',
  'tx/s',
];

/** Above this share of the machine, others have disturbed a measurement. */
const DISTURBED_SHARE = 0.1;

function summariseRounds(rounds: readonly Measurement[], native: readonly Measurement[]): Summary {
  const first = must(rounds[0], 'round');
  const quiet = quietOnes(rounds);
  const seconds = quiet.map((entry) => entry.seconds);
  const nativeSeconds = quietOnes(native).map((entry) => entry.seconds);
  return {
    scenario: first.scenario,
    contender: first.contender,
    rounds: rounds.length,
    quietRounds: rounds.filter(isQuiet).length,
    units: first.units,
    seconds: median(seconds),
    leastSeconds: minimum(seconds),
    mostSeconds: maximum(seconds),
    wholeSeconds: over(quiet, median, (entry) => entry.wholeSeconds),
    timesNative: nativeSeconds.length === 0 || first.scenario === 'lag' ? null : median(nativeSeconds) / median(seconds),
    peakRssBytes: over(rounds, maximum, (entry) => entry.process?.peakRssBytes ?? null),
    processCpuSeconds: over(quiet, median, (entry) => entry.process?.cpuSeconds ?? null),
    sourceCpuSeconds: over(quiet, median, (entry) => entry.processors?.sourceCpuSeconds ?? null),
    destinationCpuSeconds: over(quiet, median, (entry) => entry.processors?.destinationCpuSeconds ?? null),
    lagP50Ms: over(quiet, median, (entry) => entry.lag?.p50Ms ?? null),
    lagP99Ms: over(quiet, median, (entry) => entry.lag?.p99Ms ?? null),
    lagMaxMs: over(quiet, maximum, (entry) => entry.lag?.maxMs ?? null),
    ratePerSecond: over(quiet, minimum, (entry) => entry.lag?.ratePerSecond ?? null),
  };
}

function isQuiet(entry: Measurement): boolean {
  return entry.othersShare === null || entry.othersShare <= DISTURBED_SHARE;
}

/** The quiet rounds, or all of them when none was quiet. */
function quietOnes(rounds: readonly Measurement[]): readonly Measurement[] {
  const quiet = rounds.filter(isQuiet);
  return quiet.length > 0 ? quiet : rounds;
}

/** `statistic` over what is known in all rounds; null when nothing is. */
function over(
  rounds: readonly Measurement[],
  statistic: (values: readonly number[]) => number,
  read: (entry: Measurement) => number | null,
): number | null {
  const known = rounds.map(read).filter((value) => value !== null);
  return known.length === 0 ? null : statistic(known);
}

function fixed(value: number | null, digits: number): string {
  return value === null ? '' : value.toFixed(digits);
}
