// Joins the moments of commit with the moments of sight: the lag of every single transaction, and its percentiles.
import { assert, must } from '../server/src/lib/assert.ts';
import { maximum, minimum, percentile } from './statistics.ts';

/** One look at the destination: when, and the highest number visible of each writer, in the writers' order. */
export interface SeenTicks {
  readonly clockUs: number;
  readonly highest: readonly number[];
}

/** One transaction of a writer and when the source committed it. Microseconds since 1970. */
export interface CommittedTick {
  readonly writer: number;
  readonly number: number;
  readonly committedUs: number;
}

/** Lag in milliseconds, from commit at the source to visible at the destination. */
export interface Lag {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly transactions: number;
  /** The rate that the writers reached, transactions a second. */
  readonly ratePerSecond: number;
}

/**
 * A writer's transactions show in their order, so the first look whose highest number reaches a transaction's is the
 * first that saw it. `committed` must be sorted by writer and number, `seen` by time. Throws when one was never seen.
 */
export function summariseLag(committed: readonly CommittedTick[], seen: readonly SeenTicks[]): Lag {
  const lagsMs: number[] = [];
  let writer = -1;
  let number = 0;
  let look = 0;
  for (const tick of committed) {
    if (tick.writer !== writer) {
      writer = tick.writer;
      look = 0;
    } else {
      assert(tick.number > number, 'ticks in the order of their numbers');
    }
    number = tick.number;
    while (look < seen.length && (seen[look]?.highest[writer] ?? 0) < tick.number) look++;
    const sight = must(seen[look], `look that shows transaction ${tick.number} of writer ${writer}`);
    lagsMs.push((sight.clockUs - tick.committedUs) / 1_000);
  }
  const times = committed.map((tick) => tick.committedUs);
  return {
    p50Ms: percentile(lagsMs, 0.5),
    p99Ms: percentile(lagsMs, 0.99),
    maxMs: maximum(lagsMs),
    transactions: lagsMs.length,
    ratePerSecond: (1e6 * (lagsMs.length - 1)) / Math.max(1, maximum(times) - minimum(times)),
  };
}
