// What one contender did in one round of one scenario, and the stopwatch around it.
import { cpus } from 'node:os';
import type { Lag } from './lag-summary.ts';
import type { Contender, Scenario } from './options.ts';
import { type ProcessorUse, processorUse, readProcessorTimes } from './processor-time.ts';
import type { Workbench } from './workbench.ts';

/** What a process of the contender's own used; `peakRssBytes` is null where it ran inside the bench itself. */
export interface ProcessUsage {
  readonly peakRssBytes: number | null;
  readonly cpuSeconds: number;
}

/** What a contender reports of its work. */
export interface Effort {
  /** From the start until the destination showed all of it. */
  readonly seconds: number;
  /** From the start until the contender's process had ended; null for one that has none. */
  readonly wholeSeconds: number | null;
  readonly process: ProcessUsage | null;
}

/** One line of the result. Only made after source and destination were found equal. */
export interface Measurement extends Effort {
  readonly scenario: Scenario;
  readonly contender: Contender;
  readonly round: number;
  /** Rows moved, or transactions in scenarios `b` and `lag`. */
  readonly units: number;
  readonly lag: Lag | null;
  readonly processors: ProcessorUse | null;
  /** The part of the machine (0 to 1) that others used meanwhile; null where the system does not tell. */
  readonly othersShare: number | null;
}

/** Settles the clusters, runs `work`, and says what it cost. */
export async function measure<T extends Effort>(
  bench: Workbench,
  work: () => Promise<T>,
): Promise<{ readonly effort: T; readonly processors: ProcessorUse | null; readonly othersShare: number | null }> {
  await bench.settle();
  const pids = { source: bench.postmasterPid('source'), destination: bench.postmasterPid('destination') };
  const before = await readProcessorTimes(pids);
  const elapsed = stopwatch();
  const effort = await work();
  const capacitySeconds = elapsed() * cpus().length;
  const processors = processorUse(before, await readProcessorTimes(pids));
  return { effort, processors, othersShare: processors === null ? null : processors.othersCpuSeconds / capacitySeconds };
}

/** Starts a stopwatch; each call of the result gives the seconds since. */
export function stopwatch(): () => number {
  const startedMs = performance.now();
  return () => (performance.now() - startedMs) / 1000;
}
