// The statements that bring the rows of a historical load into a table, and that put a reloaded table in the old one's place.
import type { MetadataColumn } from '../model/destination-table.ts';
import type { DeletePolicy } from '../model/layout.ts';
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';
import { unmarkedRows } from './metadata.ts';
import { CREATE_HELPER } from './convert.sql.ts';
import { inputOwn, inputValues, needsHelper, type RowInput, stagedNames } from './row-input.ts';

/** What the rows of a load go into: the destination table itself, or a side table of the same columns. */
export interface LoadTable {
  readonly table: QualifiedName;
  /** The columns that carry values, in the order of the COPY data; after those of the data one for notes on them, where there is one. */
  readonly columns: readonly string[];
  /** Our own columns of it, which the server fills in. */
  readonly metadata: readonly MetadataColumn[];
  readonly deletes: DeletePolicy;
  /** What arrives where values are converted on their way into the table. */
  readonly input?: RowInput | null | undefined;
  /** The columns' types as SQL, which those of `table` may have yet to become; absent: those of `table`. */
  readonly types?: readonly string[] | undefined;
}

export function copyIn({ table, columns }: LoadTable, format: 'text' | 'binary'): string {
  return `COPY ${quoteName(table)}${columnClause(columns)} FROM STDIN (FORMAT ${format})`;
}

/** Stage of rows that may be there already; it lives as long as the transaction. */
const STAGE: QualifiedName = { schema: 'pg_temp', name: 'millrace_load' };

export function stageOf({ columns, input }: LoadTable): LoadTable {
  return { table: STAGE, columns: input ? stagedNames(allOf(input)) : columns, metadata: [], deletes: 'hard' };
}

export function createStage(target: LoadTable): string {
  const { input } = target;
  if (input) {
    const columns = input.columns.map(({ typeSql }, index) => `c${index} ${typeSql}`);
    const create = `CREATE TEMPORARY TABLE ${quoteIdent(STAGE.name)} (${columns.join(', ')}) ON COMMIT DROP`;
    return needsHelper(input) ? `${create}; ${CREATE_HELPER}` : create;
  }
  return `CREATE TEMPORARY TABLE ${quoteIdent(STAGE.name)} ON COMMIT DROP AS ${selectColumns(target)} WITH NO DATA`;
}

/** Inserts the staged rows; a row whose key is there already gets the staged values. */
export function upsertStage(target: LoadTable, key: readonly string[]): string {
  return upsertFrom(stagedRows(target), target, key);
}

/** Inserts the staged rows. */
export function insertStage(target: LoadTable): string {
  return `INSERT INTO ${quoteName(target.table)} (${list(target.columns)}) ${stagedRows(target)}`;
}

/**
 * A table beside the others of ours that takes a reload's rows. Without WAL, since it can be made again; a crash of the server empties it.
 */
export function createSideTable(side: QualifiedName, target: LoadTable): string {
  const { columns, types } = target;
  if (types === undefined) return `CREATE UNLOGGED TABLE ${quoteName(side)} AS ${selectColumns(target)} WITH NO DATA`;
  return `CREATE UNLOGGED TABLE ${quoteName(side)} (${columns.map((column, index) => `${quoteIdent(column)} ${types[index] ?? ''}`).join(', ')})`;
}

export function dropSideTable(side: QualifiedName): string {
  return `DROP TABLE IF EXISTS ${quoteName(side)}`;
}

/** `ON CONFLICT` needs an index. */
export function createSideKey(side: QualifiedName, index: string, key: readonly string[]): string {
  return `CREATE UNIQUE INDEX IF NOT EXISTS ${quoteIdent(index)} ON ${quoteName(side)} (${list(key)})`;
}

/** Bytes in the main fork of the table `$1`, a quoted name; null when there is no such table. */
export const TABLE_BYTES = 'SELECT pg_catalog.pg_relation_size(pg_catalog.to_regclass($1::pg_catalog.text))';

/** Every row of the table and of no inheritance child. Not TRUNCATE: readers would find the table empty. */
export function deleteAll(table: QualifiedName): string {
  return `DELETE FROM ONLY ${quoteName(table)}`;
}

/** The same without the rows that are marked as deleted. */
export function deleteUnmarked({ table, metadata }: LoadTable): string {
  return `DELETE FROM ONLY ${quoteName(table)} AS t WHERE ${unmarkedRows(metadata, 't')}`;
}

/** For a table that nobody has read yet. Never CASCADE. */
export function truncate(table: QualifiedName): string {
  return `TRUNCATE ONLY ${quoteName(table)}`;
}

/** In the reload's transaction: all rows of the side table. */
export function insertAll(side: QualifiedName, target: LoadTable): string {
  if (target.columns.length === 0) return `INSERT INTO ${quoteName(target.table)} SELECT FROM ${quoteName(side)}`;
  return `INSERT INTO ${quoteName(target.table)} (${list(target.columns)}) SELECT ${list(target.columns)} FROM ${quoteName(side)}`;
}

/** Deletes the rows whose key the side table lacks. `equals` are the key's own equality operators, in the order of `key`. */
export function deleteMissing(side: QualifiedName, target: LoadTable, key: readonly KeyColumn[]): string {
  return `DELETE FROM ONLY ${quoteName(target.table)} AS t WHERE ${isMissing(side, key)}`;
}

/** Marks those rows instead: they were deleted at the source, nobody saw when. */
export function markMissing(side: QualifiedName, target: LoadTable, key: readonly KeyColumn[]): string {
  const marks = target.metadata.flatMap(({ name, onDelete }) => (onDelete === null ? [] : [`${quoteIdent(name)} = ${onDelete}`]));
  return `UPDATE ONLY ${quoteName(target.table)} AS t SET ${marks.join(', ')}
    WHERE ${unmarkedRows(target.metadata, 't')} AND ${isMissing(side, key)}`;
}

function isMissing(side: QualifiedName, key: readonly KeyColumn[]): string {
  const match = key.map(({ name, equals }) => `s.${quoteIdent(name)} ${equals} t.${quoteIdent(name)}`).join(' AND ');
  return `NOT EXISTS (SELECT FROM ${quoteName(side)} AS s WHERE ${match})`;
}

export interface KeyColumn {
  readonly name: string;
  /** e.g. `OPERATOR("pg_catalog".=)`. */
  readonly equals: string;
}

/** Inserts or updates the side table's rows; a row that is the same byte for byte is left alone. */
export function upsertAll(side: QualifiedName, target: LoadTable, key: readonly string[]): string {
  return upsertFrom(`SELECT ${list(target.columns)} FROM ${quoteName(side)}`, target, key);
}

export function countRows(table: QualifiedName): string {
  return `SELECT pg_catalog.count(*) FROM ONLY ${quoteName(table)}`;
}

export function analyze(table: QualifiedName): string {
  return `ANALYZE ${quoteName(table)}`;
}

/** Memory for building the keys of a table that was just filled; never less than the server's own setting. */
export const RAISE_BUILD_MEMORY = `
  SELECT pg_catalog.set_config('maintenance_work_mem', '512MB', false)
   WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) < 536870912`;

export const RESET_BUILD_MEMORY = 'RESET maintenance_work_mem';

function selectColumns({ table, columns }: LoadTable): string {
  return `SELECT ${list(columns)} FROM ${quoteName(table)}`;
}

function stagedRows({ columns, input }: LoadTable): string {
  const values = input ? [...inputValues(input, allOf(input), 's'), ...inputOwn(input, allOf(input), 's')] : columns.map(quoteIdent);
  return `SELECT ${values.join(', ')} FROM ${quoteName(STAGE)} AS s`;
}

function allOf(input: RowInput): readonly number[] {
  return input.columns.map((_, index) => index);
}

function upsertFrom(rows: string, { table, columns, metadata }: LoadTable, key: readonly string[]): string {
  const others = columns.filter((column) => !key.includes(column)).map(quoteIdent);
  // Of our own columns, what the server would have written into an inserted row.
  const ours = metadata.flatMap(({ name, onChange }) => (onChange === null ? [] : [quoteIdent(name)]));
  const assignments = [...others, ...ours].map((column) => `${column} = EXCLUDED.${column}`).join(', ');
  // Without the cast, two ROWs are compared column by column, by operators that not every type has.
  const row = (of: string): string => `ROW(${others.map((column) => `${of}.${column}`).join(', ')})::pg_catalog.record`;
  const differs = others.length === 0 ? 'false' : `${row('t')} OPERATOR(pg_catalog.*<>) ${row('EXCLUDED')}`;
  const action = assignments === '' ? 'NOTHING' : `UPDATE SET ${assignments} WHERE ${differs} OR NOT (${unmarkedRows(metadata, 't')})`;
  return `INSERT INTO ${quoteName(table)} AS t (${list(columns)})
    ${rows}
    ON CONFLICT (${list(key)}) DO ${action}`;
}

function columnClause(columns: readonly string[]): string {
  return columns.length === 0 ? '' : ` (${list(columns)})`;
}

function list(columns: readonly string[]): string {
  return columns.map(quoteIdent).join(', ');
}
