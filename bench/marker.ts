// Tells from outside, the same way for every contender, when a transaction has arrived, and that it arrived whole.
import { must } from '../server/src/lib/assert.ts';
import { COUNT_MARKED, COUNT_PRESENT } from './workload.sql.ts';
import { waitUntil, type Workbench } from './workbench.ts';

/** A count over a few rows of the last transaction, which is 0 before it and `expected` after it, and never between. */
export interface Marker {
  readonly sql: string;
  readonly values: readonly (string | readonly string[])[];
  readonly expected: number;
}

/** The rows `ids` exist. */
export function presentMarker(ids: readonly number[]): Marker {
  return { sql: COUNT_PRESENT, values: [ids.map(String)], expected: ids.length };
}

/** The rows `ids` have the quantity `mark`. */
export function quantityMarker(ids: readonly number[], mark: number): Marker {
  return { sql: COUNT_MARKED, values: [ids.map(String), String(mark)], expected: ids.length };
}

/** At most `count` numbers spread evenly over `first`, `first + step`, … up to `last`, both ends included. */
export function spread(first: number, last: number, { step, count }: { readonly step: number; readonly count: number }): readonly number[] {
  const steps = Math.floor((last - first) / step);
  const parts = Math.max(1, Math.min(count - 1, steps));
  return [...new Set(Array.from({ length: parts + 1 }, (_, index) => first + step * Math.floor((steps * index) / parts)))];
}

/** What a count means. Throws when only a part of the transaction is visible: one statement sees one snapshot. */
export function judgeMarker(marker: Marker, count: number): 'absent' | 'arrived' {
  if (count === 0) return 'absent';
  if (count === marker.expected) return 'arrived';
  throw new Error(`the destination showed ${count} of ${marker.expected} sampled rows of one transaction: it is not atomic`);
}

/**
 * Asks the destination every 20 ms until the marker shows; rejects when `abandoned` does (the contender died). Twenty
 * milliseconds are the precision of every time of scenarios b to e.
 */
export async function awaitMarker(bench: Workbench, database: string, marker: Marker, abandoned: Promise<never>): Promise<void> {
  await bench.use('destination', database, async (session) => {
    let stopped = false;
    const arrival = waitUntil(async () => {
      if (stopped) return 'stopped';
      const rows = await session.query(marker.sql, marker.values);
      return judgeMarker(marker, Number(must(rows[0]?.[0], 'count'))) === 'arrived' ? 'arrived' : null;
    }, 'the last transaction to show at the destination');
    await Promise.race([arrival, abandoned]).finally(() => {
      stopped = true;
    });
  });
}
