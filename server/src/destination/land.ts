// How the rows of a complete historical load become rows of a table that keeps the past: what is there stays, and they are added.
import type { PgSession } from '../db/session.ts';
import type { DestinationTable } from '../model/destination-table.ts';
import type { Layout } from '../model/layout.ts';
import { keptBy } from './kept-columns.ts';
import { analyze, dropSideTable } from './load.sql.ts';
import { insertGeneration } from './generations.sql.ts';
import { type LoadPlace, loadTableOf, requireRows, type Swap, swapIn } from './load-place.ts';
import { insertLoaded, type LoadMoment, noteEmptyLoad } from './log.sql.ts';
import { compareLoaded } from './versions.sql.ts';

/** Whether rows of this layout are ever replaced: loads of all others go beside the table, and add to it. */
export function keepsThePast(layout: Layout): boolean {
  return keptBy(layout) !== null;
}

/**
 * Brings the rows of the side table, which goes, into the table as its layout wants it. Call it inside a transaction, under the same
 * conditions as `swapIn`: readers see what was there, and then all of it together with what is new.
 */
export async function land(
  session: PgSession,
  place: LoadPlace & { readonly kind: 'beside' },
  {
    table,
    swap,
    moment,
  }: { readonly table: DestinationTable; readonly swap: Swap; readonly moment: LoadMoment & { readonly generation: number } },
): Promise<void> {
  const kept = keptBy(table.layout);
  if (kept === null) return swapIn(session, place, swap);
  const { side } = place;
  if (swap.rows !== null) await requireRows(session, side, swap.rows);
  const target = loadTableOf(table);
  if (kept.kind === 'changes') {
    await session.query(noteEmptyLoad(side, target, kept, moment), []);
    await session.query(insertLoaded(side, target, kept, moment), []);
  } else if (kept.kind === 'generations') {
    await session.query(insertGeneration(side, target, kept, moment.generation), []);
  } else {
    const key = table.identity.kind === 'key' ? table.identity.columns : [];
    await session.query(analyze(side), []);
    for (const statement of compareLoaded(side, target, kept, { key, takenAt: moment.takenAt })) await session.query(statement, []);
  }
  await session.query(dropSideTable(side), []);
}
