// The staging tables of the apply lane: temporary tables with the types of a target's columns and nothing else of them.
import { createHash } from 'node:crypto';
import { quoteIdent, quoteName } from '../pg/ident.ts';
import type { ApplyTarget } from './apply-target.ts';

/** Keys, in columns `o0 …`. Tables whose keys have the same types share one: ten thousand tables must not mean ten thousand more. */
export function keyStage(target: ApplyTarget): string {
  const types = target.key.map((part) => part.typeKey).join(' ');
  return `pg_temp.${quoteIdent(`millrace_k_${createHash('sha256').update(types).digest('hex').slice(0, 20)}`)}`;
}

/** Rows, in columns `c0 …`: users' names could clash with ours. */
export function rowStage(target: ApplyTarget): string {
  return `pg_temp.${quoteIdent(`millrace_r_${target.id}`)}`;
}

/** Rows that change their key: the old one in `o0 …`, then all columns in `c0 …`. */
export function moveStage(target: ApplyTarget): string {
  return `pg_temp.${quoteIdent(`millrace_m_${target.id}`)}`;
}

/** How staged rows find the row that they change: by their own key, or by the key that it had before. */
export type StagedBy = 'new_key' | 'old_key';

export function stageBy(target: ApplyTarget, by: StagedBy): string {
  return by === 'new_key' ? rowStage(target) : moveStage(target);
}

export function createKeyStage(target: ApplyTarget): string {
  return create(keyStage(target), target, oldKeyColumns(target));
}

export function createRowStage(target: ApplyTarget): string {
  return create(rowStage(target), target, rowColumns(target));
}

export function createMoveStage(target: ApplyTarget): string {
  return create(moveStage(target), target, [...oldKeyColumns(target), ...rowColumns(target)]);
}

export function copyIntoKeyStage(target: ApplyTarget, format: string): string {
  return `COPY ${keyStage(target)} FROM STDIN (FORMAT ${format})`;
}

/** `columns`: indices of the row's columns that the COPY brings. */
export function copyIntoRowStage(target: ApplyTarget, columns: readonly number[], format: string): string {
  return `COPY ${rowStage(target)} (${rowNames(columns).join(', ')}) FROM STDIN (FORMAT ${format})`;
}

/** The old key stands before `columns`. */
export function copyIntoMoveStage(target: ApplyTarget, columns: readonly number[], format: string): string {
  const names = [...target.key.map((_, i) => `o${i}`), ...rowNames(columns)];
  return `COPY ${moveStage(target)} (${names.join(', ')}) FROM STDIN (FORMAT ${format})`;
}

/**
 * Empties a staging table. TRUNCATE writes to the catalogue, so it is for when there is something to free: no vacuum ever comes to a
 * temporary table, and rows deleted from it stay in the way of every scan.
 */
export function clearStage(stage: string, how: 'delete' | 'truncate'): string {
  return how === 'truncate' ? `TRUNCATE ${stage}` : `DELETE FROM ${stage}`;
}

/** Drops every temporary table of the session: their transaction ids age, and hold back the whole database's, as long as they live. */
export const DROP_STAGES = 'DISCARD TEMP';

function create(stage: string, target: ApplyTarget, columns: readonly string[]): string {
  return `CREATE TEMPORARY TABLE IF NOT EXISTS ${stage} AS SELECT ${columns.join(', ')} FROM ${quoteName(target.table)} WITH NO DATA`;
}

function oldKeyColumns(target: ApplyTarget): string[] {
  return target.key.map((part, i) => `${quoteIdent(target.columns[part.column] ?? '')} AS o${i}`);
}

function rowColumns(target: ApplyTarget): string[] {
  const own = target.input?.own ?? [];
  return [
    ...target.columns.map((name, column) => `${quoteIdent(name)} AS c${column}`),
    ...own.map(({ name, kind }) => `${quoteIdent(name)} AS ${kind}`),
  ];
}

function rowNames(columns: readonly number[]): string[] {
  return columns.map((column) => `c${column}`);
}
