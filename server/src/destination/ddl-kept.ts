// Gives tables that keep more than the present rows the indexes by which those of a key are found, and takes away those of a former key.
import type { PgSession } from '../db/session.ts';
import type { DestinationTable } from '../model/destination-table.ts';
import { quoteIdent } from '../pg/ident.ts';
import { dropIndex } from './ddl-keys.sql.ts';
import { createIndex, INDEXES_OF_TABLE } from './ddl-kept.sql.ts';
import { readRelations } from './introspect.ts';
import { type KeptIndex, keptIndexes } from './kept-columns.ts';
import { holdEpoch } from './state.ts';
import type { Fence } from './state-records.ts';

/**
 * Makes what the table `oid` lacks. The server names the indexes: a table that was renamed keeps the names of its own. Call it inside a
 * transaction.
 */
export async function addKeptIndexes(session: PgSession, table: DestinationTable, oid: number): Promise<void> {
  const wanted = keptIndexes(table);
  if (wanted.length === 0) return;
  const found = new Set((await session.query(INDEXES_OF_TABLE, [oid])).map(([, ...facts]) => facts.join(' ')));
  for (const index of wanted) if (!found.has(describe(index))) await session.query(createIndex(table, index), []);
}

/**
 * Drops the index that makes the current version of a former key unique: under another key its values may come twice. The rows are to be
 * loaded anew then. Throws `fenced`.
 */
export async function dropStaleKeptIndexes(session: PgSession, fence: Fence, table: DestinationTable): Promise<void> {
  const unique = keptIndexes(table).filter((index) => index.isUnique);
  if (unique.length === 0) return;
  await session.transaction('BEGIN', async () => {
    await holdEpoch(session, fence);
    const [relation] = await readRelations(session, [table]);
    if (relation === undefined) return;
    for (const [name, ...facts] of await session.query(INDEXES_OF_TABLE, [relation.oid])) {
      const isOurs = unique.some(({ only }) => facts[1] === 't' && only !== null && facts[2] === predicate(only));
      if (isOurs && !unique.some((index) => describe(index) === facts.join(' '))) await session.query(dropIndex(table, name ?? ''), []);
    }
  });
}

/** As `INDEXES_OF_TABLE` tells them. */
function describe({ columns, isUnique, only }: KeptIndex): string {
  return `${JSON.stringify(columns)} ${isUnique ? 't' : 'f'} ${only === null ? '' : predicate(only)}`;
}

/** The server's own spelling. */
function predicate({ column, is }: { readonly column: string; readonly is: boolean }): string {
  return is ? unquoted(column) : `(NOT ${unquoted(column)})`;
}

/** Our own names need no quotes. */
function unquoted(column: string): string {
  return /^[a-z_]+$/.test(column) ? column : quoteIdent(column);
}
