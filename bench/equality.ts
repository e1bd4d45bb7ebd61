// Proves after every measurement that both sides hold the same rows: a fast wrong result is a failure, not a figure.
import { must } from '../server/src/lib/assert.ts';
import type { Side, Workbench } from './workbench.ts';

/**
 * Throws unless the statement (a row count and a checksum) answers the same in both databases; returns the count. `atDestination`: the
 * statement for a destination that holds more than the source.
 */
export async function assertEqual(
  bench: Workbench,
  fingerprint: string,
  databases: { readonly source: string; readonly destination: string },
  atDestination = fingerprint,
): Promise<number> {
  const read = (side: Side): Promise<readonly [string, string]> =>
    bench.use(side, databases[side], async (session) => {
      const [count, checksum] = must((await session.query(side === 'source' ? fingerprint : atDestination))[0], 'fingerprint');
      return [must(count, 'count'), must(checksum, 'checksum')] as const;
    });
  const source = await read('source');
  const destination = await read('destination');
  if (source[0] !== destination[0] || source[1] !== destination[1]) {
    throw new Error(
      `${databases.destination} differs from ${databases.source}: ${destination.join(' rows, sum ')} instead of ${source.join(' rows, sum ')}`,
    );
  }
  return Number(source[0]);
}
