// The statements that keep a table's records as json beside it: each record in the transaction that changes the row which it is about.
import type { DestinationTable } from '../model/destination-table.ts';
import { type QualifiedName, quoteIdent, quoteLiteral, quoteName } from '../pg/ident.ts';
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
  return `${into(target.raw.table)} SELECT ${record(id, json(target.raw.fields, inputValues(target.input, all, 'i')))}
    FROM ${inbox(target)} AS i`;
}

/** A record for each row that staged rows have changed, with all its columns: the change may have brought a part of them. */
export function recordChanges(target: RecordedTarget, by: StagedBy): string {
  const own = target.input.own.find(({ kind }) => kind === 'raw_id');
  const id = own === undefined ? RANDOM_ID : `t.${quoteIdent(own.name)}`;
  const values = target.columns.map((name) => `t.${quoteIdent(name)}`);
  return `${into(target.raw.table)} SELECT ${record(id, json(target.raw.fields, values))}
    FROM ${stageBy(target, by)} AS s JOIN ONLY ${quoteName(target.table)} AS t ON ${matchNewKey(target)}`;
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
  return `${into(target.raw.table)} SELECT ${record(RANDOM_ID, deleted(json(target.raw.fields, values)))}
    FROM ${rowStage(target)} AS s, pg_catalog.generate_series(1, ${Math.trunc(copies)})`;
}

/** After a load: a record for each row, in the place of all that were there. None when no records are kept. */
export function replaceRecords(table: DestinationTable): readonly string[] {
  const raw = table.raw ?? null;
  if (raw === null) return [];
  const written = table.columns.filter((column) => column.transfer !== 'generated');
  const rawId = rawIdColumn(table.metadata);
  const data = json(
    written.map(({ sourceName }) => sourceName),
    written.map(({ name }) => `t.${quoteIdent(name)}`),
  );
  return [
    `DELETE FROM ONLY ${quoteName(raw)}`,
    `${into(raw)} SELECT ${record(rawId === null ? RANDOM_ID : `t.${quoteIdent(rawId)}`, data)}
       FROM ONLY ${quoteName(table)} AS t WHERE ${unmarkedRows(table.metadata, 't')}`,
  ];
}

function into(table: QualifiedName): string {
  return `INSERT INTO ${quoteName(table)} ("_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_loaded_at", "_airbyte_data")`;
}

function record(id: string, data: string): string {
  return `${id}, pg_catalog.now(), pg_catalog.now(), ${data}`;
}

/** A row of its own is what json takes the fields' names from; functions that are given them one by one take fifty at most. */
function json(fields: readonly string[], values: readonly string[]): string {
  const columns = values.map((value, index) => `${value} AS ${quoteIdent(fields[index] ?? '')}`);
  return `(SELECT pg_catalog.to_jsonb(r) FROM (SELECT ${columns.join(', ')}) AS r)`;
}

function deleted(data: string): string {
  return `${data} OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(${quoteLiteral('_ab_cdc_deleted_at')}, pg_catalog.now())`;
}

function recordGone(target: RecordedTarget, stage: string): string {
  const fields = target.key.map(({ column }) => target.raw.fields[column] ?? '');
  const data = json(
    fields,
    target.key.map((_, i) => `s.o${i}`),
  );
  return `${into(target.raw.table)} SELECT ${record(RANDOM_ID, deleted(data))} FROM ${stage} AS s
    WHERE NOT EXISTS (SELECT FROM ONLY ${quoteName(target.table)} AS t WHERE ${matchOldKey(target)} AND ${unmarkedTarget(target)})`;
}
