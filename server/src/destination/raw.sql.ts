// The statements that keep a table's records as json beside it: each record in the transaction that changes the row which it is about.
import { type DestinationTable, writtenColumns } from '../model/destination-table.ts';
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';
import { matchNewKey, matchOldKey, unmarkedTarget } from './apply.sql.ts';
import type { ApplyTarget } from './apply-target.ts';
import { type ConvertingTarget, inbox } from './inbox.sql.ts';
import { rawIdColumn, RANDOM_ID, unmarkedRows } from './metadata.ts';
import { inputValues, type RawTarget } from './row-input.ts';
import { keyStage, moveStage, rowStage, stageBy, type StagedBy } from './stage.sql.ts';

/** A target whose records are kept. */
export type RecordedTarget = ConvertingTarget & { readonly raw: RawTarget };

export function isRecorded(target: ApplyTarget): target is RecordedTarget {
  return target.raw !== null;
}

export function createRawTable(table: QualifiedName): string {
  return `CREATE TABLE ${quoteName(table)} (
    "_airbyte_raw_id" pg_catalog.varchar,
    "_airbyte_extracted_at" pg_catalog.timestamptz,
    "_airbyte_loaded_at" pg_catalog.timestamptz,
    "_airbyte_data" pg_catalog.jsonb)`;
}

/** A record for each whole row that waits for its conversion. */
export function recordArrivals(target: RecordedTarget): string {
  const all = target.columns.map((_, column) => column);
  const id = target.input.own.some(({ kind }) => kind === 'raw_id') ? 'i.raw_id' : RANDOM_ID;
  const row = rowOf(target.raw.fields, inputValues(target.input, all, 'i'));
  return `${into(target.raw.table)} ${records(id)} FROM ${inbox(target)} AS i ${row}`;
}

/** A record for each row that staged rows have changed, with all its columns: the change may have brought a part of them. */
export function recordChanges(target: RecordedTarget, by: StagedBy): string {
  const own = target.input.own.find(({ kind }) => kind === 'raw_id');
  const id = own === undefined ? RANDOM_ID : `t.${quoteIdent(own.name)}`;
  const values = target.columns.map((name) => `t.${quoteIdent(name)}`);
  return `${into(target.raw.table)} ${records(id)}
    FROM ${stageBy(target, by)} AS s JOIN ONLY ${quoteName(target.table)} AS t ON ${matchNewKey(target)} ${rowOf(target.raw.fields, values)}`;
}

/** A record of its delete for each staged key that no row has any more. */
export function recordDeletedKeys(target: RecordedTarget): string {
  return recordGone(target, keyStage(target));
}

/** The same for the keys that moved rows had before. */
export function recordLeftKeys(target: RecordedTarget): string {
  return recordGone(target, moveStage(target));
}

/** A record of its delete for each staged row, as often as it was deleted. */
export function recordDeletedRows(target: RecordedTarget, copies: number): string {
  const values = target.columns.map((_, column) => `s.c${column}`);
  return `${into(target.raw.table)} ${records(RANDOM_ID, DELETED)}
    FROM ${rowStage(target)} AS s CROSS JOIN pg_catalog.generate_series(1, ${Math.trunc(copies)}) ${rowOf(target.raw.fields, values)}`;
}

/** After a load: a record for each row, in the place of all that were there. None when no records are kept. */
export function replaceRecords(table: DestinationTable): readonly string[] {
  const raw = table.raw ?? null;
  if (raw === null) return [];
  const written = writtenColumns(table);
  const rawId = rawIdColumn(table.metadata);
  const row = rowOf(
    written.map(({ sourceName }) => sourceName),
    written.map(({ name }) => `t.${quoteIdent(name)}`),
  );
  return [
    `DELETE FROM ONLY ${quoteName(raw)}`,
    `${into(raw)} ${records(rawId === null ? RANDOM_ID : `t.${quoteIdent(rawId)}`)}
       FROM ONLY ${quoteName(table)} AS t ${row} WHERE ${unmarkedRows(table.metadata, 't')}`,
  ];
}

function into(table: QualifiedName): string {
  return `INSERT INTO ${quoteName(table)} ("_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_loaded_at", "_airbyte_data")`;
}

function records(id: string, data = 'pg_catalog.to_jsonb(r)'): string {
  return `SELECT ${id}, pg_catalog.now(), pg_catalog.now(), ${data}`;
}

const DELETED = `pg_catalog.to_jsonb(r) OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('_ab_cdc_deleted_at', pg_catalog.now())`;

/**
 * The record's fields as a row `r`, from which json takes their names. Not one by one as arguments, of which a function takes a hundred;
 * nor by a subquery for each record, which takes a tenth longer.
 */
function rowOf(fields: readonly string[], values: readonly string[]): string {
  const columns = values.map((value, index) => `${value} AS ${quoteIdent(fields[index] ?? '')}`);
  return `CROSS JOIN LATERAL (SELECT ${columns.join(', ')}) AS r`;
}

function recordGone(target: RecordedTarget, stage: string): string {
  const row = rowOf(
    target.key.map(({ column }) => target.raw.fields[column] ?? ''),
    target.key.map((_, i) => `s.o${i}`),
  );
  return `${into(target.raw.table)} ${records(RANDOM_ID, DELETED)} FROM ${stage} AS s ${row}
    WHERE NOT EXISTS (SELECT FROM ONLY ${quoteName(target.table)} AS t WHERE ${matchOldKey(target)} AND ${unmarkedTarget(target)})`;
}
