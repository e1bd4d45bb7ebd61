// Gives tables that keep more than the present rows the indexes by which those of a key are found.
import type { PgSession } from '../db/session.ts';
import type { DestinationTable } from '../model/destination-table.ts';
import { createIndex, INDEXES_OF_TABLE } from './ddl-kept.sql.ts';
import { type KeptIndex, keptIndexes } from './kept-columns.ts';

/**
 * Makes what the table `oid` lacks. The server names the indexes: a table that was renamed keeps the names of its own. Call it inside a
 * transaction.
 */
export async function addKeptIndexes(session: PgSession, table: DestinationTable, oid: number): Promise<void> {
  const wanted = keptIndexes(table);
  if (wanted.length === 0) return;
  const found = new Set((await session.query(INDEXES_OF_TABLE, [oid])).map(([columns]) => columns));
  for (const index of wanted) if (!found.has(describe(index))) await session.query(createIndex(table, index), []);
}

/** As `INDEXES_OF_TABLE` tells them. */
function describe({ columns }: KeptIndex): string {
  return JSON.stringify(columns);
}
