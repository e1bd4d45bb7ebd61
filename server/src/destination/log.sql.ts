// The statements that bring changes into a table that keeps each of them as a row.
import { quoteIdent, quoteLiteral, quoteName } from '../pg/ident.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import type { LogPlace } from '../model/batch/log-batch.ts';
import type { ApplyTarget } from './apply-target.ts';
import type { KeptChanges } from './kept-columns.ts';
import type { LoadTable } from './load.sql.ts';
import type { QualifiedName } from '../pg/ident.ts';

/** A log among the targets. */
export type LogTarget = ApplyTarget & { readonly keeps: KeptChanges };

/** Whole rows, our own fields behind their columns. */
export function copyIntoLog(target: LogTarget, format: string): string {
  return `COPY ${quoteName(target.table)} (${[...target.columns, ...ownNames(target.keeps)].map(quoteIdent).join(', ')}) FROM STDIN (FORMAT ${format})`;
}

/** Rows that lack columns: `c0 …` as the table has them, our own in `x0 …`, and in `o0 …` the key of the row that has the rest. */
export function logStage(target: LogTarget): string {
  return `pg_temp.${quoteIdent(`millrace_l_${target.id}`)}`;
}

export function createLogStage(target: LogTarget): string {
  const columns = [
    ...target.columns.map((name, column) => `${quoteIdent(name)} AS c${column}`),
    ...ownNames(target.keeps).map((name, i) => `${quoteIdent(name)} AS x${i}`),
    ...target.key.map((part, i) => `${nameOf(target, part.column)} AS o${i}`),
  ];
  return `CREATE TEMPORARY TABLE IF NOT EXISTS ${logStage(target)} AS SELECT ${columns.join(', ')} FROM ${quoteName(target.table)} WITH NO DATA`;
}

/** `columns`: indices of the row's columns that the COPY brings. */
export function copyIntoLogStage(target: LogTarget, columns: readonly number[], format: string): string {
  const names = [
    ...columns.map((column) => `c${column}`),
    ...ownNames(target.keeps).map((_, i) => `x${i}`),
    ...target.key.map((_, i) => `o${i}`),
  ];
  return `COPY ${logStage(target)} (${names.join(', ')}) FROM STDIN (FORMAT ${format})`;
}

/** Adds the staged rows, what they lack taken from the last row of their key before `first`. A delete knows nothing but the key. */
export function insertCompleted(target: LogTarget, present: readonly number[], first: LogPlace): string {
  const { lsn, sequence, change, words } = target.keeps;
  const there = new Set(present);
  const missing = target.columns.flatMap((_, column) => (there.has(column) ? [] : [column]));
  const values = target.columns.map((_, column) => (there.has(column) ? `s.c${column}` : `b.c${column}`));
  const match = target.key.map((part, i) => `t.${nameOf(target, part.column)} ${part.equals} s.o${i}`).join(' AND ');
  return `INSERT INTO ${quoteName(target.table)} (${[...target.columns, ...ownNames(target.keeps)].map(quoteIdent).join(', ')})
    OVERRIDING SYSTEM VALUE
    SELECT ${[...values, ...ownNames(target.keeps).map((_, i) => `s.x${i}`)].join(', ')}
    FROM ${logStage(target)} AS s
    CROSS JOIN LATERAL (
      SELECT ${missing.map((column) => `t.${nameOf(target, column)} AS c${column}`).join(', ')}
      FROM ONLY ${quoteName(target.table)} AS t
      WHERE ${match} AND ROW(t.${quoteIdent(lsn)}, t.${quoteIdent(sequence)}) < ROW(${quoteLiteral(formatLsn(first.lsn))}::pg_catalog.pg_lsn, ${Math.trunc(first.sequence)})
        AND t.${quoteIdent(change)} NOT IN (${quoteLiteral(words.delete)}, ${quoteLiteral(words.truncate)})
      ORDER BY t.${quoteIdent(lsn)} DESC, t.${quoteIdent(sequence)} DESC
      LIMIT 1
    ) AS b`;
}

/** The moment that the rows of a historical load are of. */
export interface LoadMoment {
  /** Every later change of the object has a commit record at or after this position. */
  readonly lsn: Lsn;
  /** By the source's clock, in Postgres' text form. */
  readonly takenAt: string;
}

/** Adds all rows of the side table as rows of a load. */
export function insertLoaded(side: QualifiedName, target: LoadTable, kept: KeptChanges, { lsn, takenAt }: LoadMoment): string {
  const columns = target.columns.map(quoteIdent);
  const own = [
    quoteLiteral(kept.words.load),
    `${quoteLiteral(formatLsn(lsn))}::pg_catalog.pg_lsn`,
    `${quoteLiteral(takenAt)}::pg_catalog.timestamptz`,
    '0',
  ];
  return `INSERT INTO ${quoteName(target.table)} (${[...columns, ...ownNames(kept).map(quoteIdent)].join(', ')})
    OVERRIDING SYSTEM VALUE SELECT ${[...columns, ...own].join(', ')} FROM ${quoteName(side)}`;
}

/** Says that nothing is left, where the side table of a later load is empty: the log would go on telling of rows that are gone. */
export function noteEmptyLoad(side: QualifiedName, { table }: LoadTable, kept: KeptChanges, { lsn, takenAt }: LoadMoment): string {
  return `INSERT INTO ${quoteName(table)} (${ownNames(kept).map(quoteIdent).join(', ')})
    SELECT ${quoteLiteral(kept.words.truncate)}, ${quoteLiteral(formatLsn(lsn))}::pg_catalog.pg_lsn,
      ${quoteLiteral(takenAt)}::pg_catalog.timestamptz, 0
    WHERE NOT EXISTS (SELECT FROM ${quoteName(side)}) AND EXISTS (SELECT FROM ONLY ${quoteName(table)})`;
}

/** In the order of the fields that a batch appends. */
function ownNames(kept: KeptChanges): readonly string[] {
  return [kept.change, kept.lsn, kept.committedAt, kept.sequence];
}

function nameOf(target: ApplyTarget, column: number): string {
  return quoteIdent(target.columns[column] as string);
}
