// The table where streamed rows wait for their conversion: it has the types that they come in, and hands them on in the target's.
import { quoteIdent, quoteName } from '../pg/ident.ts';
import type { ApplyTarget } from './apply-target.ts';
import { CREATE_HELPER } from './convert.sql.ts';
import { RANDOM_ID } from './metadata.ts';
import { inputOwn, inputValues, needsHelper, type RowInput, stagedNames } from './row-input.ts';
import { stageBy, type StagedBy } from './stage.sql.ts';

/** A target whose rows are converted. */
export type ConvertingTarget = ApplyTarget & { readonly input: RowInput };

export function isConverting(target: ApplyTarget): target is ConvertingTarget {
  return target.input !== null;
}

/** Old keys in `o0 …`, rows in `c0 …`. */
export function inbox(target: ApplyTarget): string {
  return `pg_temp.${quoteIdent(`millrace_i_${target.id}`)}`;
}

export function createInbox(target: ConvertingTarget): string {
  const keys = target.key.map((part, i) => `${quoteIdent(target.columns[part.column] ?? '')} AS o${i}`);
  const rows = target.input.columns.map(({ typeSql }, column) => `NULL::${typeSql} AS c${column}`);
  const hasId = target.input.own.some(({ kind }) => kind === 'raw_id');
  const ids = hasId ? ['NULL::pg_catalog.varchar AS raw_id'] : [];
  // One id for the row and for its record, given as it arrives.
  const given = `; ALTER TABLE ${inbox(target)} ALTER COLUMN raw_id SET DEFAULT ${RANDOM_ID}`;
  return `CREATE TEMPORARY TABLE IF NOT EXISTS ${inbox(target)} AS
    SELECT ${[...keys, ...rows, ...ids].join(', ')} FROM ${quoteName(target.table)} WITH NO DATA${hasId ? given : ''}${needsHelper(target.input) ? `; ${CREATE_HELPER}` : ''}`;
}

/** `withKeys`: old keys stand before `columns`. */
export function copyIntoInbox(target: ApplyTarget, columns: readonly number[], { format, withKeys }: InboxRows): string {
  return `COPY ${inbox(target)} (${[...oldKeys(target, withKeys), ...stagedNames(columns)].join(', ')}) FROM STDIN (FORMAT ${format})`;
}

export interface InboxRows {
  readonly format: string;
  readonly withKeys: boolean;
}

/** Hands whole rows on to the target. */
export function insertFromInbox(target: ConvertingTarget): string {
  const all = target.input.columns.map((_, column) => column);
  const names = [...target.columns, ...target.input.own.map(({ name }) => name)].map((name) => quoteIdent(name));
  return `INSERT INTO ${quoteName(target.table)} (${names.join(', ')}) ${converted(target, all)}`;
}

/** Hands `columns` on to a staging table of the target's types. */
export function stageFromInbox(target: ConvertingTarget, columns: readonly number[], by: StagedBy): string {
  const keys = oldKeys(target, by === 'old_key');
  const names = [...keys, ...stagedNames(columns), ...target.input.own.map(({ kind }) => kind)];
  return `INSERT INTO ${stageBy(target, by)} (${names.join(', ')}) ${converted(target, columns, keys)}`;
}

function converted(target: ConvertingTarget, columns: readonly number[], keys: readonly string[] = []): string {
  const { input } = target;
  const values = [...keys.map((key) => `i.${key}`), ...inputValues(input, columns, 'i'), ...inputOwn(input, columns, 'i')];
  return `SELECT ${values.join(', ')} FROM ${inbox(target)} AS i`;
}

function oldKeys(target: ApplyTarget, withKeys: boolean): readonly string[] {
  return withKeys ? target.key.map((_, i) => `o${i}`) : [];
}
