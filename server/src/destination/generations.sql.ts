// The statement that adds the rows of a full refresh to those of the ones before it.
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';
import type { KeptGenerations } from './kept-columns.ts';
import type { LoadTable } from './load.sql.ts';

/** Adds all rows of the side table under a number of their own; the server says when. */
export function insertGeneration(side: QualifiedName, target: LoadTable, kept: KeptGenerations, generation: number): string {
  const columns = target.columns.map(quoteIdent);
  return `INSERT INTO ${quoteName(target.table)} (${[...columns, quoteIdent(kept.generation)].join(', ')})
    OVERRIDING SYSTEM VALUE SELECT ${[...columns, String(Math.trunc(generation))].join(', ')} FROM ${quoteName(side)}`;
}
