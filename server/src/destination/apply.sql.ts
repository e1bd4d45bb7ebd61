// The statements that bring one flush of one object into its table. Rows come through staging tables or straight by COPY.
import { quoteIdent, quoteName } from '../pg/ident.ts';
import { type ApplyTarget, columnList } from './apply-target.ts';

/** Session settings of the apply lane: a small staging table must never make the planner read the whole target. */
export const APPLY_SETTINGS: Readonly<Record<string, string>> = {
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_material: 'off',
  enable_memoize: 'off',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
};

/** Staging for keys: the columns `o0 …` with the key columns' types. */
export function keyStage(target: ApplyTarget): string {
  return `pg_temp.${quoteIdent(`millrace_k_${target.id}`)}`;
}

/** Staging for rows: the old key as `o0 …` (for moves), then all columns as `c0 …`: users' names could clash with ours. */
export function rowStage(target: ApplyTarget): string {
  return `pg_temp.${quoteIdent(`millrace_r_${target.id}`)}`;
}

/** Makes the staging table of keys, with the types of the target's columns and nothing else of them. */
export function createKeyStage(target: ApplyTarget): string {
  return `CREATE TEMPORARY TABLE IF NOT EXISTS ${keyStage(target)} AS
    SELECT ${oldKeyColumns(target)} FROM ${quoteName(target.table)} WITH NO DATA`;
}

/** Makes the staging table of rows. */
export function createRowStage(target: ApplyTarget): string {
  const renamed = target.columns.map((name, i) => `${quoteIdent(name)} AS c${i}`);
  const columns = [...(target.key.length > 0 ? [oldKeyColumns(target)] : []), ...renamed].join(', ');
  return `CREATE TEMPORARY TABLE IF NOT EXISTS ${rowStage(target)} AS
    SELECT ${columns} FROM ${quoteName(target.table)} WITH NO DATA`;
}

/** Staging is emptied after each use; TRUNCATE of a temporary table is cheap, but it changes the catalogue, so small ones are deleted from. */
export function clearStage(stage: string, rows: number): string {
  return rows > TRUNCATE_FROM_ROWS ? `TRUNCATE ${stage}` : `DELETE FROM ${stage}`;
}

const TRUNCATE_FROM_ROWS = 200;

export function copyIntoTarget(target: ApplyTarget, format: string): string {
  const columns = target.columns.length === 0 ? '' : ` (${columnList(target)})`;
  return `COPY ${quoteName(target.table)}${columns} FROM STDIN (FORMAT ${format})`;
}

export function copyIntoKeyStage(target: ApplyTarget, format: string): string {
  return `COPY ${keyStage(target)} FROM STDIN (FORMAT ${format})`;
}

/** `columns`: indices of the row's columns that the COPY brings; with `withOldKey`, the old key stands before them. */
export function copyIntoRowStage(target: ApplyTarget, columns: readonly number[], withOldKey: boolean, format: string): string {
  const names = [...(withOldKey ? target.key.map((_, i) => `o${i}`) : []), ...columns.map((column) => `c${column}`)];
  const list = names.length === 0 ? '' : ` (${names.join(', ')})`;
  return `COPY ${rowStage(target)}${list} FROM STDIN (FORMAT ${format})`;
}

export function deleteStagedKeys(target: ApplyTarget): string {
  const match = target.key.map((part, i) => `t.${nameOf(target, part.column)} ${part.equals} s.o${i}`).join(' AND ');
  return `DELETE FROM ${quoteName(target.table)} AS t USING ${keyStage(target)} AS s WHERE ${match}`;
}

/** Updates the present columns of the rows whose key the staged row has. */
export function updateStagedColumns(target: ApplyTarget, columns: readonly number[]): string {
  const keyColumns = new Set(target.key.map((part) => part.column));
  const changed = columns.filter((column) => !keyColumns.has(column));
  // A row of which only the key arrived has nothing to update, but it must be there: counting it finds a missing row.
  const assignments = changed.length > 0 ? changed : [target.key[0]?.column ?? 0];
  const match = target.key.map((part) => `t.${nameOf(target, part.column)} ${part.equals} s.c${part.column}`).join(' AND ');
  return `UPDATE ${quoteName(target.table)} AS t SET ${assignmentList(target, assignments)} FROM ${rowStage(target)} AS s WHERE ${match}`;
}

/** Moves rows to their new key where they stand, so that the columns which did not arrive keep their values. */
export function moveStagedRows(target: ApplyTarget, columns: readonly number[]): string {
  const match = target.key.map((part, i) => `t.${nameOf(target, part.column)} ${part.equals} s.o${i}`).join(' AND ');
  return `UPDATE ${quoteName(target.table)} AS t SET ${assignmentList(target, columns)} FROM ${rowStage(target)} AS s WHERE ${match}`;
}

/** Inserts staged rows, or updates the rows that are there. */
export function upsertStagedRows(target: ApplyTarget): string {
  const keyColumns = new Set(target.key.map((part) => part.column));
  const others = target.columns.flatMap((name, column) => (keyColumns.has(column) ? [] : [quoteIdent(name)]));
  const action =
    others.length === 0 ? 'DO NOTHING' : `DO UPDATE SET ${others.map((name) => `${name} = EXCLUDED.${name}`).join(', ')}`;
  return `INSERT INTO ${quoteName(target.table)} (${columnList(target)}) OVERRIDING SYSTEM VALUE
    SELECT ${target.columns.map((_, i) => `s.c${i}`).join(', ')} FROM ${rowStage(target)} AS s
    ON CONFLICT (${target.key.map((part) => nameOf(target, part.column)).join(', ')}) ${action}`;
}

/**
 * Deletes as many rows equal to each staged row as it is staged. Equal means the same bytes (`*=`, record_image_eq), because types such
 * as json and point have no equality, and 1.0 is not 1.00. The casts to `record` make it one comparison of two rows: between two bare
 * ROW(…) it would be written out column by column, with operators that do not exist. Source: manual, "9.25.6. Composite Type Comparison".
 */
export function deleteStagedRowsOnce(target: ApplyTarget): string {
  const targetRow = `ROW(${target.columns.map((name) => `t.${quoteIdent(name)}`).join(', ')})::pg_catalog.record`;
  const stagedRow = `ROW(${target.columns.map((_, i) => `s.c${i}`).join(', ')})::pg_catalog.record`;
  return `DELETE FROM ${quoteName(target.table)} AS d WHERE d.ctid = ANY (ARRAY(
    SELECT found.ctid FROM (
      SELECT t.ctid, pg_catalog.row_number() OVER (PARTITION BY wanted.example ORDER BY t.ctid) AS nth, wanted.copies
      FROM (
        SELECT pg_catalog.min(s.ctid) AS example, pg_catalog.count(*) AS copies
        FROM ${rowStage(target)} AS s
        GROUP BY ${stagedRow}::pg_catalog.text
      ) AS wanted
      JOIN ${rowStage(target)} AS s ON s.ctid = wanted.example
      JOIN ${quoteName(target.table)} AS t ON ${targetRow} OPERATOR(pg_catalog.*=) ${stagedRow}
    ) AS found
    WHERE found.nth <= found.copies))`;
}

/** The planner settings for `deleteStagedRowsOnce`: rows without a key are found by sorting, not by an index. */
export const MULTISET_SETTINGS = 'SET LOCAL enable_seqscan = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_hashjoin = on';
export const KEYED_SETTINGS = 'SET LOCAL enable_seqscan = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_hashjoin = off';

/** Deletes any `rows` rows of a table without columns: they are all equal. */
export function deleteColumnlessRows(target: ApplyTarget, rows: number): string {
  const table = quoteName(target.table);
  return `DELETE FROM ${table} AS d WHERE d.ctid = ANY (ARRAY(SELECT t.ctid FROM ${table} AS t LIMIT ${Math.trunc(rows)}))`;
}

/** Empties the tables together, so that foreign keys among them do not stand in the way. Never CASCADE: that could reach users' tables. */
export function truncateTables(targets: readonly ApplyTarget[]): string {
  return `TRUNCATE ${targets.map((target) => `ONLY ${quoteName(target.table)}`).join(', ')}`;
}

function oldKeyColumns(target: ApplyTarget): string {
  return target.key.map((part, i) => `${nameOf(target, part.column)} AS o${i}`).join(', ');
}

function assignmentList(target: ApplyTarget, columns: readonly number[]): string {
  return columns.map((column) => `${nameOf(target, column)} = s.c${column}`).join(', ');
}

function nameOf(target: ApplyTarget, column: number): string {
  return quoteIdent(target.columns[column] as string);
}
