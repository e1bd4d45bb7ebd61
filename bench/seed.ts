// Makes the table once, as a template from which every measurement takes a fresh, equal source database.
import { must } from '../server/src/lib/assert.ts';
import { ADD_ITEMS_KEY, CREATE_ITEMS, CREATE_TICKS, INSERT_ITEMS, SIZE_OF_ITEMS, TEND_ITEMS } from './dataset.sql.ts';
import { CREATE_BEAT, CREATE_WRITE_ONE_BY_ONE } from './workload.sql.ts';
import type { Workbench } from './workbench.ts';

/** Row and transaction counts of a run; the published ones times the scale. */
export interface Sizes {
  readonly rows: number;
  readonly smallTransactions: number;
  readonly insertedRows: number;
  readonly insertedManyRows: number;
}

/** The counts for a scale; at least a thousand rows, of which the mix of small transactions takes its share. */
export function sizesFor(scale: number): Sizes {
  const scaled = (count: number): number => Math.max(1_000, Math.round((count * scale) / 1_000) * 1_000);
  return {
    rows: scaled(2_000_000),
    smallTransactions: scaled(300_000),
    insertedRows: scaled(1_000_000),
    insertedManyRows: scaled(5_000_000),
  };
}

/** The template's name. */
export const SEED = 'bench_seed';

/** Makes the template; returns the table's size on disk in bytes, without the index. */
export async function makeSeed(bench: Workbench, sizes: Sizes): Promise<number> {
  await bench.createDatabase('source', SEED);
  return bench.use('source', SEED, async (session) => {
    await session.query(CREATE_ITEMS);
    await session.query(INSERT_ITEMS, ['1', String(sizes.rows)]);
    await session.query(ADD_ITEMS_KEY);
    await session.query(CREATE_TICKS);
    await session.query(CREATE_WRITE_ONE_BY_ONE);
    await session.query(CREATE_BEAT);
    await session.query(TEND_ITEMS);
    return Number(must((await session.query(SIZE_OF_ITEMS))[0]?.[0], 'table size'));
  });
}
