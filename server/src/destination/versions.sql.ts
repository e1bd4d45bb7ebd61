// The statements that bring versions of rows into a table that keeps them all.
import { type QualifiedName, quoteIdent, quoteLiteral, quoteName } from '../pg/ident.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import { copyText } from '../pg/timestamp.ts';
import type { ApplyTarget } from './apply-target.ts';
import type { KeptVersions } from './kept-columns.ts';
import type { LoadTable } from './load.sql.ts';

/** A table of versions among the targets. */
export type VersionTarget = ApplyTarget & { readonly keeps: KeptVersions };

/**
 * Versions: `c0 …` as the table has them, `o0 …` the key of the current version that has the columns which are missing; NULL once they are
 * there. Then `x_lsn` and `x_from`, where the version begins, `x_to`, where it ends, `x_first` for the first of its key, `x_row` unless it
 * is only an end.
 */
export function versionStage(target: VersionTarget): string {
  return `pg_temp.${quoteIdent(`millrace_v_${target.id}`)}`;
}

export function createVersionStage(target: VersionTarget): string {
  const columns = [
    ...target.columns.map((name, column) => `${quoteIdent(name)} AS c${column}`),
    ...target.key.map((part, i) => `${nameOf(target, part.column)} AS o${i}`),
    'NULL::pg_catalog.pg_lsn AS x_lsn',
    'NULL::pg_catalog.timestamptz AS x_from',
    'NULL::pg_catalog.timestamptz AS x_to',
    'NULL::pg_catalog.bool AS x_first',
    'NULL::pg_catalog.bool AS x_row',
  ];
  return `CREATE TEMPORARY TABLE IF NOT EXISTS ${versionStage(target)} AS SELECT ${columns.join(', ')} FROM ${quoteName(target.table)} WITH NO DATA`;
}

/** `columns`: indices of the row's columns that the COPY brings; an incomplete row brings a key too. */
export function copyVersions(
  target: VersionTarget,
  columns: readonly number[],
  { format, isIncomplete }: { readonly format: string; readonly isIncomplete: boolean },
): string {
  const names = [...columns.map((column) => `c${column}`), ...OWN_FIELDS, ...(isIncomplete ? target.key.map((_, i) => `o${i}`) : [])];
  return `COPY ${versionStage(target)} (${names.join(', ')}) FROM STDIN (FORMAT ${format})`;
}

/** Fills the columns that the last staged group lacks from the versions that are current before anything of the flush is. */
export function completeVersions(target: VersionTarget, present: readonly number[]): string {
  const there = new Set(present);
  const missing = target.columns.flatMap((_, column) => (there.has(column) ? [] : [column]));
  const assignments = [...missing.map((column) => `c${column} = t.${nameOf(target, column)}`), 'o0 = NULL'];
  const match = target.key.map((part, i) => `t.${nameOf(target, part.column)} ${part.equals} s.o${i}`).join(' AND ');
  return `UPDATE ${versionStage(target)} AS s SET ${assignments.join(', ')}
    FROM ONLY ${quoteName(target.table)} AS t WHERE t.${current(target)} AND ${match}`;
}

/** Forgets staged versions of rows that never came: there is nothing that they could be completed from. */
export function dropIncomplete(target: VersionTarget): string {
  return `DELETE FROM ${versionStage(target)} WHERE o0 IS NOT NULL`;
}

/** A version that the same transaction began in an earlier flush never was: only what a transaction leaves counts. */
export function removeIntermediate(target: VersionTarget): string {
  return `DELETE FROM ONLY ${quoteName(target.table)} AS t USING ${versionStage(target)} AS s
    WHERE s.x_first AND t.${current(target)} AND t.${quoteIdent(target.keeps.lsn)} = s.x_lsn AND ${matchKey(target)}`;
}

/** The clock may have gone back since the version began: then it has no duration, rather than an end before its begin. */
export function endCurrent(target: VersionTarget): string {
  return `UPDATE ONLY ${quoteName(target.table)} AS t SET ${endAt(target.keeps, 's.x_from')}
    FROM ${versionStage(target)} AS s WHERE s.x_first AND t.${current(target)} AND ${matchKey(target)}`;
}

/** No version begins before the last one of its key ended. */
export function addVersions(target: VersionTarget): string {
  const { validFrom, validTo, current: isCurrent, lsn } = target.keeps;
  const names = [...target.columns, validFrom, validTo, isCurrent, lsn].map(quoteIdent).join(', ');
  const values = target.columns.map((_, column) => `s.c${column}`);
  return `INSERT INTO ${quoteName(target.table)} (${names}) OVERRIDING SYSTEM VALUE
    SELECT ${[...values, 'GREATEST(s.x_from, b.ended)', 'CASE WHEN s.x_to IS NOT NULL THEN GREATEST(s.x_to, b.ended) END', 's.x_to IS NULL', 's.x_lsn'].join(', ')}
    FROM ${versionStage(target)} AS s
    CROSS JOIN LATERAL (
      SELECT pg_catalog.max(t.${quoteIdent(validTo)}) AS ended FROM ONLY ${quoteName(target.table)} AS t
      WHERE NOT t.${current(target)} AND ${matchKey(target)}
    ) AS b
    WHERE s.x_row`;
}

/** A TRUNCATE: every current version ends, and those that its own transaction began never were. */
export function endAll(target: VersionTarget, { lsn, atMicros }: { readonly lsn: Lsn; readonly atMicros: bigint }): readonly string[] {
  const table = `ONLY ${quoteName(target.table)} AS t`;
  const begun = `t.${quoteIdent(target.keeps.lsn)} = ${quoteLiteral(formatLsn(lsn))}::pg_catalog.pg_lsn`;
  return [
    `DELETE FROM ${table} WHERE t.${current(target)} AND ${begun}`,
    `UPDATE ${table} SET ${endAt(target.keeps, timeLiteral(copyText(atMicros)))} WHERE t.${current(target)}`,
  ];
}

/**
 * Compares the side table, a snapshot, with the versions that are current: ends those of rows that are gone or differ in any byte, and adds
 * what is new. Keys are compared by their text, since a key that changed has no index of its own yet.
 */
export function compareLoaded(
  side: QualifiedName,
  target: LoadTable,
  kept: KeptVersions,
  { key, takenAt }: { readonly key: readonly string[]; readonly takenAt: string },
): readonly string[] {
  const table = quoteName(target.table);
  const { validFrom, validTo, current: isCurrent } = kept;
  const at = timeLiteral(takenAt);
  const keyText = (of: string): string =>
    `(ARRAY[${key.map((name) => `pg_catalog.concat(${of}.${quoteIdent(name)})`).join(', ')}]::pg_catalog.text[]::pg_catalog.text COLLATE pg_catalog."C")`;
  const row = (of: string): string => `ROW(${target.columns.map((name) => `${of}.${quoteIdent(name)}`).join(', ')})::pg_catalog.record`;
  const isSame = `${keyText('s')} = ${keyText('t')} AND ${row('s')} OPERATOR(pg_catalog.*=) ${row('t')}`;
  const columns = target.columns.map(quoteIdent);
  const own = [validFrom, validTo, isCurrent].map(quoteIdent);
  return [
    `UPDATE ONLY ${table} AS t SET ${endAt(kept, at)}
      WHERE t.${quoteIdent(isCurrent)} AND NOT EXISTS (SELECT FROM ${quoteName(side)} AS s WHERE ${isSame})`,
    `INSERT INTO ${table} (${[...columns, ...own].join(', ')}) OVERRIDING SYSTEM VALUE
      SELECT ${columns.map((name) => `s.${name}`).join(', ')}, GREATEST(${at}, b.ended), NULL, true
      FROM ${quoteName(side)} AS s
      LEFT JOIN (
        SELECT ${keyText('e')} AS k, pg_catalog.max(e.${quoteIdent(validTo)}) AS ended FROM ONLY ${table} AS e
        WHERE NOT e.${quoteIdent(isCurrent)} AND e.${quoteIdent(validTo)} > ${at} GROUP BY 1
      ) AS b ON b.k = ${keyText('s')}
      WHERE NOT EXISTS (SELECT FROM ONLY ${table} AS t WHERE t.${quoteIdent(isCurrent)} AND ${isSame})`,
  ];
}

/** In the order in which a batch appends them. */
const OWN_FIELDS = ['x_lsn', 'x_from', 'x_to', 'x_first', 'x_row'];

function endAt({ validFrom, validTo, current: isCurrent, onEnd }: KeptVersions, at: string): string {
  return [
    `${quoteIdent(validTo)} = GREATEST(t.${quoteIdent(validFrom)}, ${at})`,
    `${quoteIdent(isCurrent)} = false`,
    ...onEnd.map(({ name, expression }) => `${quoteIdent(name)} = ${expression}`),
  ].join(', ');
}

function matchKey(target: VersionTarget): string {
  return target.key.map((part) => `t.${nameOf(target, part.column)} ${part.equals} s.c${part.column}`).join(' AND ');
}

function current(target: VersionTarget): string {
  return quoteIdent(target.keeps.current);
}

function timeLiteral(text: string): string {
  return `${quoteLiteral(text)}::pg_catalog.timestamptz`;
}

function nameOf(target: ApplyTarget, column: number): string {
  return quoteIdent(target.columns[column] as string);
}
