// Where the rows of a historical load go until it is complete, and how they become the destination table's rows.
import type { PgSession } from '../db/session.ts';
import { type DestinationTable, writtenColumns } from '../model/destination-table.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import { type QualifiedName, quoteName } from '../pg/ident.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { readApplyTarget } from './apply-target.ts';
import {
  analyze,
  countRows,
  createSideKey,
  createSideTable,
  deleteAll,
  deleteMissing,
  deleteUnmarked,
  dropSideTable,
  insertAll,
  type KeyColumn,
  type LoadTable,
  markMissing,
  RAISE_BUILD_MEMORY,
  RESET_BUILD_MEMORY,
  TABLE_BYTES,
  truncate,
  upsertAll,
} from './load.sql.ts';
import { ownName, STATE_SCHEMA } from './names.ts';
import { replaceRecords } from './raw.sql.ts';
import { rowInput } from './row-input.ts';

/**
 * - `direct`: the first load; nobody has read the table yet, so rows go straight into it.
 * - `beside`: a reload; readers keep the old rows until all new ones are there.
 */
export type LoadPlace =
  | { readonly kind: 'direct'; readonly target: LoadTable }
  | { readonly kind: 'beside'; readonly target: LoadTable; readonly side: QualifiedName };

/** What a load writes of a destination table. */
export function loadTableOf(table: DestinationTable): LoadTable {
  const { schema, name, metadata, layout } = table;
  // Raw records are made of the rows when all are there.
  const input = rowInput({ ...table, raw: null });
  const columns = [...writtenColumns(table), ...(input?.own ?? [])].map((column) => column.name);
  const ownTypes = (input?.own ?? []).map((own) => metadata.find((column) => column.name === own.name)?.typeSql ?? 'pg_catalog.text');
  const types = [...writtenColumns(table).map((column) => column.typeSql), ...ownTypes];
  return { table: { schema, name }, columns, types, metadata, deletes: layout.deletes, input };
}

/** The place of a load into `target`. */
export function loadPlace(mode: 'first' | 'reload', target: LoadTable): LoadPlace {
  if (mode === 'first') return { kind: 'direct', target };
  return { kind: 'beside', target, side: sideTable(target.table) };
}

/** The table that pieces are copied into. */
export function landingTable(place: LoadPlace): LoadTable {
  if (place.kind === 'direct') return place.target;
  return { ...place.target, table: place.side, metadata: [], deletes: 'hard' };
}

/** Makes the place empty for a new load. Call it inside a transaction. */
export async function emptyPlace(session: PgSession, place: LoadPlace): Promise<void> {
  if (place.kind === 'beside') {
    await session.query(dropSideTable(place.side), []);
    await session.query(createSideTable(place.side, place.target), []);
    return;
  }
  // A table without pages needs no lock that readers would notice.
  if ((await tableBytes(session, place.target.table)) === 0) return;
  await session.query('SAVEPOINT millrace_empty');
  try {
    await session.query(truncate(place.target.table), []);
  } catch (error) {
    // A foreign key of somebody's table forbids TRUNCATE, whatever that table holds.
    if (!(error instanceof MillraceError) || error.facts.sqlstate !== SqlState.featureNotSupported) throw error;
    await session.query('ROLLBACK TO SAVEPOINT millrace_empty');
    await session.query(deleteAll(place.target.table), []);
  }
}

/**
 * Whether the rows of finished pieces are still there: a crash of the server empties an unlogged table, and somebody may have
 * dropped it. Ask before new rows go in.
 */
export async function isIntact(session: PgSession, place: LoadPlace, finishedRows: number): Promise<boolean> {
  const bytes = await tableBytes(session, landingTable(place).table);
  return bytes !== null && (bytes > 0 || finishedRows === 0);
}

/** Prepares the place for rows that may be there already: they are found by an index on `key`. */
export async function ensureLandingKey(session: PgSession, place: LoadPlace, key: readonly string[]): Promise<void> {
  if (place.kind === 'direct') return;
  await withBuildMemory(session, async () => {
    await session.query(createSideKey(place.side, ownName(place.side, 'key'), key), []);
  });
}

export interface Swap {
  /** Columns of the key, empty when rows have none. */
  readonly key: readonly string[];
  /** Rows that the side table must hold; null where pieces overlapped, so that nobody counted. */
  readonly rows: number | null;
  /** Whether the former rows go whatever they are: they don't fit a key that is new. */
  readonly discardsAll: boolean;
  /** Brings the table to the columns of the side table; absent where it has them. */
  readonly reshape?: (() => Promise<void>) | undefined;
}

/**
 * Replaces the rows of a reloaded table by those of the side table, which goes. Call it inside a transaction: readers see all old rows
 * until it commits, then all new ones. The session must be one that was open before the first piece was written: had the server
 * crashed since, the side table would be empty and the session dead.
 */
export async function swapIn(session: PgSession, place: LoadPlace & { readonly kind: 'beside' }, swap: Swap): Promise<void> {
  const { side, target } = place;
  if (swap.rows !== null) await requireRows(session, side, swap.rows);
  const staysInPart = swap.key.length > 0 && !swap.discardsAll && (target.deletes !== 'hard' || (await hasWatchers(session, target)));
  // Rows that stay, because something watches them or they outlive their deletes, are overwritten or marked.
  if (staysInPart) await swap.reshape?.();
  const merged = staysInPart ? await keyToMergeBy(session, target, swap.key) : null;
  if (merged === null) {
    const keepsMarked = target.deletes === 'soft' && !swap.discardsAll;
    if (keepsMarked) await swap.reshape?.();
    await session.query(keepsMarked ? deleteUnmarked(target) : deleteAll(target.table), []);
    if (!keepsMarked && !staysInPart) await swap.reshape?.();
    await session.query(insertAll(side, target), []);
  } else {
    await session.query(analyze(side), []);
    if (target.deletes === 'hard') await session.query(deleteMissing(side, target, merged), []);
    else if (target.deletes === 'soft') await session.query(markMissing(side, target, merged), []);
    await session.query(upsertAll(side, target, swap.key), []);
  }
  await session.query(dropSideTable(side), []);
}

/** Makes the records beside a loaded table, where there are any, those of its rows. Call it in the transaction that completes the load. */
export async function recordLoaded(session: PgSession, table: DestinationTable): Promise<void> {
  for (const statement of replaceRecords(table)) await session.query(statement, []);
}

/** Removes what a reload of `table` that was given up for good has left; nothing where there is none. */
export async function discardSideTable(session: PgSession, table: QualifiedName): Promise<void> {
  await session.query(dropSideTable(sideTable(table)), []);
}

/** Runs `work`, which builds indexes, with the memory that this takes to be quick. */
export async function withBuildMemory<T>(session: PgSession, work: () => Promise<T>): Promise<T> {
  await session.query(RAISE_BUILD_MEMORY);
  const result = await work();
  await session.query(RESET_BUILD_MEMORY);
  return result;
}

/** Tells the planner what came. Only a help: that it fails is no reason to load again. Never rejects. */
export async function analyzeLoaded(session: PgSession, table: QualifiedName): Promise<void> {
  await session.query(analyze(table), []).catch(() => {});
}

function sideTable(table: QualifiedName): QualifiedName {
  return { schema: STATE_SCHEMA, name: ownName(table, 'load') };
}

async function tableBytes(session: PgSession, table: QualifiedName): Promise<number | null> {
  const [row] = await session.query(TABLE_BYTES, [quoteName(table)]);
  const bytes = row?.[0] ?? null;
  return bytes === null ? null : Number(bytes);
}

/** Throws `object_copy_failed` unless the side table has what was copied into it. */
export async function requireRows(session: PgSession, side: QualifiedName, expected: number): Promise<void> {
  const [row] = await session.query(countRows(side), []);
  if (Number(row?.[0]) === expected) return;
  throw new MillraceError('object_copy_failed', {
    cause: `${objectLabel(side)} holds ${row?.[0] ?? 'no'} rows, but ${expected} were copied into it`,
    side: 'destination',
  });
}

async function hasWatchers(session: PgSession, target: LoadTable): Promise<boolean> {
  const facts = await readApplyTarget(session, { id: 'load', table: target.table, columns: [], keyColumns: [] });
  return facts.strategy === 'upsert';
}

/**
 * The key with its operators where rows outlive their deletes, and where triggers, foreign keys or rules watch the table's rows: deleting
 * a row only to insert it again would fire them, and could delete rows of others by ON DELETE CASCADE. Null where rows may be replaced.
 */
async function keyToMergeBy(session: PgSession, target: LoadTable, key: readonly string[]): Promise<readonly KeyColumn[] | null> {
  const facts = await readApplyTarget(session, { id: 'load', table: target.table, columns: target.columns, keyColumns: key });
  if (facts.strategy !== 'upsert' && target.deletes === 'hard') return null;
  return facts.key.map(({ column, equals }) => ({ name: target.columns[column] ?? '', equals }));
}
