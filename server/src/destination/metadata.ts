// The columns that we add to a destination table: their names, types, and what the server writes into them by itself.
import type { MetadataColumn } from '../model/destination-table.ts';
import type { Layout, MetadataSet } from '../model/layout.ts';
import { quoteIdent, quoteLiteral } from '../pg/ident.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import { plainRef, typeSql } from './types-format.ts';

/**
 * The setting that names the position up to which rows being written are current. A column's DEFAULT reads it: the server fills the
 * column in, and no row is touched in this process.
 */
const LSN_SETTING = 'millrace.lsn';

/** The columns of a table with one row for each row of the source, in the order in which they stand after the source's. */
export function metadataColumns({ metadata, deletes }: Pick<Layout, 'metadata' | 'deletes'>): readonly MetadataColumn[] {
  return [...COLUMNS_OF[metadata], ...(deletes === 'soft' ? MARKS_OF[metadata] : [])];
}

/** The condition that a row is not marked as deleted; true where rows are never marked. `alias` names the table. */
export function unmarkedRows(metadata: readonly MetadataColumn[], alias: string): string {
  const marks = metadata.filter(({ isMark }) => isMark);
  if (marks.length === 0) return 'true';
  return marks.map(({ name, type }) => `${alias}.${quoteIdent(name)} IS ${type.name === 'bool' ? 'NOT TRUE' : 'NULL'}`).join(' AND ');
}

/** Whether the server needs to be told the position of what is written. */
export function readsPosition(metadata: readonly MetadataColumn[]): boolean {
  return metadata.some(({ byDefault }) => byDefault === POSITION);
}

/** The statement that says up to which position the rows that follow are current: for the transaction, or for the session. */
export function setPosition(position: Lsn, scope: 'transaction' | 'session'): string {
  return `SELECT pg_catalog.set_config('${LSN_SETTING}', ${quoteLiteral(formatLsn(position))}, ${scope === 'transaction'})`;
}

/** The column that says of a row which of its values could not be kept; null where a set has none. */
export function notesColumn(columns: readonly MetadataColumn[]): string | null {
  return columns.find(({ name }) => name === NOTES)?.name ?? null;
}

/** The column that a row shares with its record in the raw table; null where a set has none. */
export function rawIdColumn(columns: readonly MetadataColumn[]): string | null {
  return columns.find(({ name }) => name === RAW_ID)?.name ?? null;
}

/** Gives each row its own, also in one COPY. `gen_random_uuid()` is part of the server from 13 on. */
export const RANDOM_ID = 'pg_catalog.gen_random_uuid()::pg_catalog.varchar';

const NOTES = '_airbyte_meta';
const RAW_ID = '_airbyte_raw_id';
const NOW = 'pg_catalog.now()';
const POSITION = `NULLIF(pg_catalog.current_setting('${LSN_SETTING}', true), '')::pg_catalog.pg_lsn`;

function column(name: string, type: string, rest: Partial<MetadataColumn> & Pick<MetadataColumn, 'byDefault'>): MetadataColumn {
  const ref = plainRef('pg_catalog', type);
  return { name, type: ref, typeSql: typeSql(ref), notNull: true, onChange: null, onDelete: null, isMark: false, ...rest };
}

/** Written anew with every change of the row. */
function current(name: string, type: string, expression: string, notNull = true): MetadataColumn {
  return column(name, type, { byDefault: expression, onChange: expression, onDelete: expression, notNull });
}

/** True for a row that is deleted at the source. */
function mark(name: string): MetadataColumn {
  return column(name, 'bool', { byDefault: 'false', onChange: 'false', onDelete: 'true', isMark: true });
}

/** When a row was marked; NULL for one that is there. */
function markedAt(name: string): MetadataColumn {
  return column(name, 'timestamptz', { byDefault: 'NULL', onChange: 'NULL', onDelete: NOW, notNull: false });
}

const MILLRACE_MARKS = [mark('_millrace_deleted'), markedAt('_millrace_deleted_at')];

const COLUMNS_OF: Readonly<Record<MetadataSet, readonly MetadataColumn[]>> = {
  none: [],
  millrace: [current('_millrace_synced_at', 'timestamptz', NOW), current('_millrace_lsn', 'pg_lsn', POSITION, false)],
  hevo: [current('__hevo__ingested_at', 'timestamptz', NOW), current('__hevo__loaded_at', 'timestamptz', NOW)],
  airbyte: [
    current(RAW_ID, 'varchar', RANDOM_ID),
    current('_airbyte_extracted_at', 'timestamptz', NOW),
    current(NOTES, 'jsonb', `'{"changes": []}'::pg_catalog.jsonb`),
  ],
};

/** The columns that soft deletes need. */
const MARKS_OF: Readonly<Record<MetadataSet, readonly MetadataColumn[]>> = {
  none: MILLRACE_MARKS,
  millrace: MILLRACE_MARKS,
  hevo: [mark('__hevo__marked_deleted')],
  airbyte: [{ ...markedAt('_ab_cdc_deleted_at'), isMark: true }],
};
