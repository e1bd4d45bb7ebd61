// The statements that bring one flush of one object into its table. Rows come through staging tables or straight by COPY.
import { quoteIdent, quoteName } from '../pg/ident.ts';
import { type ApplyTarget, columnList } from './apply-target.ts';
import { mergedNotes } from './convert.sql.ts';
import { unmarkedRows } from './metadata.ts';
import { keyStage, moveStage, rowStage, stageBy, type StagedBy } from './stage.sql.ts';

/** Session settings of the apply lane: a small staging table must never make the planner read the whole target. */
export const APPLY_SETTINGS: Readonly<Record<string, string>> = {
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_seqscan: 'off',
  enable_bitmapscan: 'off',
  enable_material: 'off',
  enable_nestloop: 'on',
  enable_indexscan: 'on',
  enable_indexonlyscan: 'on',
  enable_tidscan: 'on',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
};

/** One more of them, which servers before 14 don't know and would refuse the connection for. */
export const DISABLE_MEMOIZE = `
  SELECT pg_catalog.set_config(s.name, 'off', false) FROM pg_catalog.pg_settings AS s WHERE s.name = 'enable_memoize'`;

export function copyIntoTarget(target: ApplyTarget, format: string): string {
  const columns = target.columns.length === 0 ? '' : ` (${columnList(target)})`;
  return `COPY ${quoteName(target.table)}${columns} FROM STDIN (FORMAT ${format})`;
}

/** Deletes the rows whose key is staged. */
export function deleteStagedKeys(target: ApplyTarget): string {
  const keys = target.key.map((_, i) => `o${i}`);
  return `DELETE FROM ONLY ${quoteName(target.table)} AS t USING ${inKeyOrder(target, keyStage(target), keys, keys)} WHERE ${matchOldKey(target)}`;
}

/** Updates the present columns of the rows whose key the staged row has. */
export function updateStagedColumns(target: ApplyTarget, columns: readonly number[]): string {
  const keyColumns = new Set(target.key.map((part) => part.column));
  const changed = columns.filter((column) => !keyColumns.has(column));
  // A row of which only the key arrived has nothing to update, but it must be there: counting it finds a missing row.
  const assignments = changed.length > 0 ? changed : [target.key[0]?.column ?? 0];
  const names = [...columns.map((column) => `c${column}`), ...ownStaged(target)];
  const keys = target.key.map((part) => `c${part.column}`);
  return `UPDATE ONLY ${quoteName(target.table)} AS t SET ${assignmentList(target, assignments)}
    FROM ${inKeyOrder(target, rowStage(target), names, keys)} WHERE ${matchNewKey(target)}`;
}

/** Marks the rows whose key is staged: they are deleted at the source, and stay. */
export function markStagedKeys(target: ApplyTarget): string {
  const keys = target.key.map((_, i) => `o${i}`);
  return `UPDATE ONLY ${quoteName(target.table)} AS t SET ${markList(target)}
    FROM ${inKeyOrder(target, keyStage(target), keys, keys)} WHERE ${matchOldKey(target)} AND ${isUnmarked(target, 't')}`;
}

/** Marks all rows that are not marked yet. */
export function markAllRows(target: ApplyTarget): string {
  return `UPDATE ONLY ${quoteName(target.table)} AS t SET ${markList(target)} WHERE ${isUnmarked(target, 't')}`;
}

/** Marks rows whose key was changed, where no other row has that key now. */
export function markMovedRows(target: ApplyTarget): string {
  const taken = target.key.map((part, i) => `n.c${part.column} ${part.equals} s.o${i}`).join(' AND ');
  return `UPDATE ONLY ${quoteName(target.table)} AS t SET ${markList(target)} FROM ${moveStage(target)} AS s
    WHERE ${matchOldKey(target)} AND NOT EXISTS (SELECT FROM ${moveStage(target)} AS n WHERE ${taken})`;
}

/** Moves rows to their new key where they stand, so that the columns which did not arrive keep their values. */
export function moveStagedRows(target: ApplyTarget, columns: readonly number[]): string {
  return `UPDATE ONLY ${quoteName(target.table)} AS t SET ${assignmentList(target, columns)}
    FROM ${moveStage(target)} AS s WHERE ${matchOldKey(target)}`;
}

/** Inserts staged rows, or updates the rows that are there. */
export function upsertStagedRows(target: ApplyTarget): string {
  const keyColumns = new Set(target.key.map((part) => part.column));
  const others = target.columns.flatMap((name, column) => (keyColumns.has(column) ? [] : [quoteIdent(name)]));
  // What the server would have written into an inserted row.
  const ours = target.metadata.flatMap(({ name, onChange }) => (onChange === null ? [] : [quoteIdent(name)]));
  const assignments = [...others, ...ours, ...ownNames(target)].map((name) => `${name} = EXCLUDED.${name}`);
  const action = assignments.length === 0 ? 'DO NOTHING' : `DO UPDATE SET ${assignments.join(', ')}`;
  return `${insertStaged(target, rowStage(target))}
    ON CONFLICT (${target.key.map((part) => nameOf(target, part.column)).join(', ')}) ${action}`;
}

/** Fills the columns that a staged row lacks from the row that it changes. */
export function completeStagedRows(target: ApplyTarget, missing: readonly number[], by: StagedBy): string {
  const present = target.columns.flatMap((_, column) => (missing.includes(column) ? [] : [column]));
  const assignments = missing.map((column) => `c${column} = t.${nameOf(target, column)}`);
  for (const { name, kind } of target.input?.own ?? []) {
    if (kind === 'notes') assignments.push(`${kind} = ${notesAfter(target, name, present)}`);
  }
  return `UPDATE ${stageBy(target, by)} AS s SET ${assignments.join(', ')} FROM ONLY ${quoteName(target.table)} AS t WHERE ${match(target, by)}`;
}

/** Forgets staged rows that find no row to change. */
export function dropUnmatched(target: ApplyTarget, by: StagedBy): string {
  return `DELETE FROM ${stageBy(target, by)} AS s
    WHERE NOT EXISTS (SELECT FROM ONLY ${quoteName(target.table)} AS t WHERE ${match(target, by)})`;
}

/** Deletes the rows that staged rows change. */
export function deleteChangedRows(target: ApplyTarget, by: StagedBy): string {
  return `DELETE FROM ONLY ${quoteName(target.table)} AS t USING ${stageBy(target, by)} AS s WHERE ${match(target, by)}`;
}

/** Deletes rows that stand under a key which a staged row gets: they were deleted at the source, and stayed. */
export function deleteTakenKeys(target: ApplyTarget): string {
  return `DELETE FROM ONLY ${quoteName(target.table)} AS t USING ${moveStage(target)} AS s WHERE ${matchNewKey(target)}`;
}

/** Inserts staged rows, all columns of them. */
export function insertStagedRows(target: ApplyTarget, by: StagedBy): string {
  return insertStaged(target, stageBy(target, by));
}

/**
 * Deletes `copies` rows equal to each staged row; staged rows are distinct. Equal means the same bytes (`*=`, record_image_eq), because
 * types such as json and point have no equality, and 1.0 is not 1.00. The casts to `record` make it one comparison of two rows: between
 * two bare ROW(…) it would be written out column by column, with operators that do not exist. Source: manual, "9.25.6. Composite Type
 * Comparison". Candidates are found by hashing the rows' text: sorting the table by `*=` takes fifteen times as long.
 */
export function deleteStagedRowsOnce(target: ApplyTarget, copies: number): string {
  return `DELETE FROM ONLY ${quoteName(target.table)} AS d WHERE ${isStagedOnce(target, copies)}`;
}

/** Marks `copies` rows equal to each staged row, in the same way. */
export function markStagedRowsOnce(target: ApplyTarget, copies: number): string {
  return `UPDATE ONLY ${quoteName(target.table)} AS d SET ${markList(target)} WHERE ${isStagedOnce(target, copies)}`;
}

function isStagedOnce(target: ApplyTarget, copies: number): string {
  if (target.mergesValues) return isEqualToStaged(target, copies);
  const targetNames = target.columns.map((name) => `t.${quoteIdent(name)}`);
  const stagedNames = target.columns.map((_, column) => `s.c${column}`);
  return `d.ctid = ANY (ARRAY(
    SELECT found.ctid FROM (
      SELECT t.ctid, pg_catalog.row_number() OVER (PARTITION BY s.ctid) AS nth
      FROM ${rowStage(target)} AS s
      JOIN ONLY ${quoteName(target.table)} AS t
        ON ${rowText(target, targetNames)} = ${rowText(target, stagedNames)}
        AND ROW(${targetNames.join(', ')})::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(${stagedNames.join(', ')})::pg_catalog.record
      WHERE ${isUnmarked(target, 't')}
    ) AS found
    WHERE found.nth <= ${Math.trunc(copies)}))`;
}

/**
 * Staged rows that differed at the source may have become equal: as many rows are found as there are staged ones. Equal means the same
 * text, which is all that a converted value has.
 */
function isEqualToStaged(target: ApplyTarget, copies: number): string {
  const image = (names: readonly string[]): string => `(ROW(${names.join(', ')})::pg_catalog.text COLLATE pg_catalog."C")`;
  const stagedImage = image(target.columns.map((_, column) => `s.c${column}`));
  return `d.ctid = ANY (ARRAY(
    SELECT found.ctid FROM (
      SELECT t.ctid, staged.wanted, pg_catalog.row_number() OVER (PARTITION BY staged.image) AS nth
      FROM (SELECT ${stagedImage} AS image, pg_catalog.count(*) * ${Math.trunc(copies)} AS wanted
            FROM ${rowStage(target)} AS s GROUP BY 1) AS staged
      JOIN ONLY ${quoteName(target.table)} AS t ON ${image(target.columns.map((name) => `t.${quoteIdent(name)}`))} = staged.image
      WHERE ${isUnmarked(target, 't')}
    ) AS found
    WHERE found.nth <= found.wanted))`;
}

/** The planner settings for `deleteStagedRowsOnce`: rows without a key are found by reading the whole table once. */
export const MULTISET_SETTINGS = "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on; SET LOCAL work_mem = '64MB'";
export const KEYED_SETTINGS = 'SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; RESET work_mem';

/** Deletes any `rows` rows of a table without columns: they are all equal. */
export function deleteColumnlessRows(target: ApplyTarget, rows: number): string {
  const table = quoteName(target.table);
  return `DELETE FROM ONLY ${table} AS d WHERE d.ctid = ANY (ARRAY(SELECT t.ctid FROM ONLY ${table} AS t LIMIT ${Math.trunc(rows)}))`;
}

/** Empties the tables together, so that foreign keys among them do not stand in the way. Never CASCADE: that could reach users' tables. */
export function truncateTables(targets: readonly ApplyTarget[]): string {
  return `TRUNCATE ${targets.map((target) => `ONLY ${quoteName(target.table)}`).join(', ')}`;
}

/** Text of a row that equal rows have in common. Long texts are cut: they may be stored out of line, a read for each. */
function rowText(target: ApplyTarget, names: readonly string[]): string {
  const parts = names.map((name, column) => (target.textColumns.has(column) ? `pg_catalog.left(${name}, ${LOOKED_AT_CHARACTERS})` : name));
  const groups: string[] = [];
  for (let i = 0; i < parts.length; i += MAX_ARGUMENTS) groups.push(`pg_catalog.concat(${parts.slice(i, i + MAX_ARGUMENTS).join(', ')})`);
  // A collation of our own, because those of the columns may contradict each other.
  return `(${groups.join(' OPERATOR(pg_catalog.||) ')}) COLLATE pg_catalog."C"`;
}

const LOOKED_AT_CHARACTERS = 64;
/** Source: manual, "Appendix K. PostgreSQL Limits", function arguments. */
const MAX_ARGUMENTS = 100;

function insertStaged(target: ApplyTarget, stage: string): string {
  const names = [columnList(target), ...ownNames(target)].join(', ');
  const values = [...target.columns.map((_, column) => `s.c${column}`), ...ownStaged(target).map((name) => `s.${name}`)];
  return `INSERT INTO ${quoteName(target.table)} (${names}) OVERRIDING SYSTEM VALUE
    SELECT ${values.join(', ')} FROM ${stage} AS s`;
}

/**
 * Staged rows, ordered by the leading columns of the key's index where that is cheap: neighbours in the table are found together. Measured:
 * an eighth less time for 60,000 random keys, see `docs/decisions/005-update-replace-or-upsert.md`. `keys` name the staged columns of
 * `target.key`.
 */
function inKeyOrder(target: ApplyTarget, stage: string, columns: readonly string[], keys: readonly string[]): string {
  const order = target.key
    .flatMap(({ sortsBy }, i) => (sortsBy === null ? [] : [{ position: sortsBy.position, by: `${keys[i]} USING ${sortsBy.lessThan}` }]))
    .toSorted((left, right) => left.position - right.position);
  if (order.length === 0) return `${stage} AS s`;
  // OFFSET keeps the planner from taking the subquery apart, and losing its order.
  return `(SELECT ${columns.join(', ')} FROM ${stage} ORDER BY ${order.map(({ by }) => by).join(', ')} OFFSET 0) AS s`;
}

function match(target: ApplyTarget, by: StagedBy): string {
  return by === 'new_key' ? matchNewKey(target) : matchOldKey(target);
}

export function matchOldKey(target: ApplyTarget): string {
  return target.key.map((part, i) => `t.${nameOf(target, part.column)} ${part.equals} s.o${i}`).join(' AND ');
}

export function matchNewKey(target: ApplyTarget): string {
  return target.key.map((part) => `t.${nameOf(target, part.column)} ${part.equals} s.c${part.column}`).join(' AND ');
}

/** The staged values of `columns`, and what a change of the row means for our own columns. */
function assignmentList(target: ApplyTarget, columns: readonly number[]): string {
  const ours = target.metadata.flatMap(({ name, onChange }) => (onChange === null ? [] : [`${quoteIdent(name)} = ${onChange}`]));
  const own = (target.input?.own ?? []).map(
    ({ name, kind }) => `${quoteIdent(name)} = ${kind === 'notes' ? notesAfter(target, name, columns) : `s.${kind}`}`,
  );
  return [...columns.map((column) => `${nameOf(target, column)} = s.c${column}`), ...ours, ...own].join(', ');
}

/** The columns of ours that are written with the row, as SQL. */
function ownNames(target: ApplyTarget): readonly string[] {
  return (target.input?.own ?? []).map(({ name }) => quoteIdent(name));
}

/** Their names in staging tables. */
function ownStaged(target: ApplyTarget): readonly string[] {
  return (target.input?.own ?? []).map(({ kind }) => kind);
}

/** The notes of a row of which only `columns` were written; the notes about the others stay. */
function notesAfter(target: ApplyTarget, name: string, columns: readonly number[]): string {
  const fields = columns.flatMap((column) => target.columns[column] ?? []);
  return mergedNotes(fields, { before: `t.${quoteIdent(name)}`, now: 's.notes' });
}

function markList(target: ApplyTarget): string {
  return target.metadata.flatMap(({ name, onDelete }) => (onDelete === null ? [] : [`${quoteIdent(name)} = ${onDelete}`])).join(', ');
}

/** Whether the target's row `t` is there at the source, as far as the destination knows. */
export function unmarkedTarget(target: ApplyTarget): string {
  return isUnmarked(target, 't');
}

/** Whether a row is there at the source, as far as the destination knows. */
function isUnmarked(target: ApplyTarget, alias: string): string {
  return unmarkedRows(target.metadata, alias);
}

function nameOf(target: ApplyTarget, column: number): string {
  return quoteIdent(target.columns[column] as string);
}
