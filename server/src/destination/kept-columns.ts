// Our own columns of tables that keep every change or every version: their names in each metadata set, and the indexes over them.
import type { ChangeWords, Keeping } from '../model/batch/change-origin.ts';
import type { DestinationTable, MetadataColumn } from '../model/destination-table.ts';
import type { Layout, MetadataSet } from '../model/layout.ts';
import { metadataColumns } from './metadata.ts';
import { plainRef, typeSql } from './types-format.ts';

/** A table with a row for each change. */
export interface KeptChanges {
  readonly kind: 'changes';
  readonly words: ChangeWords;
  readonly change: string;
  readonly lsn: string;
  readonly committedAt: string;
  readonly sequence: string;
}

/** A table with a row for each version of a row. */
export interface KeptVersions {
  readonly kind: 'versions';
  readonly validFrom: string;
  readonly validTo: string;
  readonly current: string;
  /** Position of the commit that the version began with; NULL when it began with a load. */
  readonly lsn: string;
  /** Columns of the metadata set that the end of a version changes, as the server fills them in. */
  readonly onEnd: readonly { readonly name: string; readonly expression: string }[];
}

/** A table with all rows of every full refresh. */
export interface KeptGenerations {
  readonly kind: 'generations';
  readonly generation: string;
  readonly syncedAt: string;
}

/** What a table keeps beyond the present rows. */
export type Kept = KeptChanges | KeptVersions | KeptGenerations;

/** What `layout` makes the table keep beyond the present rows; null: nothing. */
export function keptBy(layout: Layout): Kept | null {
  if (layout.history) return { ...VERSIONS, onEnd: changedByEnd(layout.metadata) };
  if (layout.syncMode === 'full_refresh_append') return GENERATIONS;
  return layout.syncMode === 'incremental_append' ? CHANGES_OF[layout.metadata] : null;
}

/** The part of it that collecting changes depends on. */
export function keepingOf(layout: Layout): Keeping | undefined {
  const kept = keptBy(layout);
  if (kept === null || kept.kind === 'generations') return undefined;
  return kept.kind === 'changes' ? { kind: kept.kind, words: kept.words } : { kind: kept.kind };
}

/** Our columns of a table of this layout, in the order in which they stand after the source's. */
export function ownColumns(layout: Layout): readonly MetadataColumn[] {
  const kept = keptBy(layout);
  if (kept === null) return metadataColumns(layout);
  const own = keptColumns(kept);
  const names = new Set(own.map(({ name }) => name));
  return [...own, ...metadataColumns({ metadata: layout.metadata, deletes: 'hard' }).filter(({ name }) => !names.has(name))];
}

function keptColumns(kept: Kept): readonly MetadataColumn[] {
  switch (kept.kind) {
    case 'changes':
      return logColumns(kept);
    case 'versions':
      return versionColumns(kept);
    case 'generations':
      return [column(kept.generation, 'int8', '0'), column(kept.syncedAt, 'timestamptz', 'pg_catalog.now()')];
  }
}

function logColumns(kept: KeptChanges): readonly MetadataColumn[] {
  return [
    column(kept.change, 'text', `'${kept.words.load}'::pg_catalog.text`),
    column(kept.lsn, 'pg_lsn', `'0/0'::pg_catalog.pg_lsn`),
    column(kept.committedAt, 'timestamptz', 'pg_catalog.now()'),
    column(kept.sequence, 'int8', '0'),
  ];
}

function versionColumns(kept: KeptVersions): readonly MetadataColumn[] {
  return [
    column(kept.validFrom, 'timestamptz', 'pg_catalog.now()'),
    { ...column(kept.validTo, 'timestamptz', 'NULL'), notNull: false },
    column(kept.current, 'bool', 'true'),
    { ...column(kept.lsn, 'pg_lsn', 'NULL'), notNull: false },
  ];
}

/** An index that a table of ours needs. */
export interface KeptIndex {
  readonly columns: readonly string[];
  readonly isUnique: boolean;
  /** The rows that it is over: those for which this column of ours is true, or false. */
  readonly only: { readonly column: string; readonly is: boolean } | null;
}

/**
 * The indexes of a table that keeps more than the present rows. Of the rows of a key only one is current; of the others the last one's end
 * must be found where the key comes again.
 */
export function keptIndexes({ layout, identity }: Pick<DestinationTable, 'layout' | 'identity'>): readonly KeptIndex[] {
  const kept = keptBy(layout);
  if (kept === null || kept.kind === 'generations' || identity.kind !== 'key') return [];
  const key = identity.columns;
  const ordered = (order: readonly string[]): readonly string[] =>
    key.length + order.length > MAX_INDEX_COLUMNS ? key : [...key, ...order];
  if (kept.kind === 'changes') return [{ columns: ordered([kept.lsn, kept.sequence]), isUnique: false, only: null }];
  return [
    { columns: key, isUnique: true, only: { column: kept.current, is: true } },
    { columns: ordered([kept.validTo]), isUnique: false, only: { column: kept.current, is: false } },
  ];
}

/** Source: PostgreSQL manual, "Appendix K. PostgreSQL Limits". */
const MAX_INDEX_COLUMNS = 32;

const PLAIN_WORDS: ChangeWords = { load: 'load', insert: 'insert', update: 'update', delete: 'delete', truncate: 'truncate' };

const PLAIN: KeptChanges = {
  kind: 'changes',
  words: PLAIN_WORDS,
  change: '_millrace_change',
  lsn: '_millrace_lsn',
  committedAt: '_millrace_committed_at',
  sequence: '_millrace_seq',
};

/** Other systems' names where they have one. */
const CHANGES_OF: Readonly<Record<MetadataSet, KeptChanges>> = {
  none: PLAIN,
  millrace: PLAIN,
  hevo: {
    ...PLAIN,
    words: { load: 'R', insert: 'I', update: 'U', delete: 'D', truncate: 'T' },
    change: '__hevo_op_type',
    committedAt: '__hevo__source_modified_at',
  },
  airbyte: { ...PLAIN, committedAt: '_ab_cdc_updated_at' },
};

const VERSIONS: Omit<KeptVersions, 'onEnd'> = {
  kind: 'versions',
  validFrom: '_millrace_valid_from',
  validTo: '_millrace_valid_to',
  current: '_millrace_current',
  lsn: '_millrace_lsn',
};

const GENERATIONS: KeptGenerations = { kind: 'generations', generation: '_millrace_generation', syncedAt: '_millrace_synced_at' };

function changedByEnd(metadata: MetadataSet): KeptVersions['onEnd'] {
  const changed = metadataColumns({ metadata, deletes: 'hard' }).filter(({ name }) => name !== VERSIONS.lsn);
  return changed.flatMap(({ name, onChange }) => (onChange === null ? [] : [{ name, expression: onChange }]));
}

/** Every row brings its own value: the default only says what a row would be that somebody else put there. */
function column(name: string, type: string, byDefault: string): MetadataColumn {
  const ref = plainRef('pg_catalog', type);
  return { name, type: ref, typeSql: typeSql(ref), notNull: true, byDefault, onChange: null, onDelete: null, isMark: false };
}
