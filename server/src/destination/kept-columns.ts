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

/** What `layout` makes the table keep beyond the present rows; null: nothing. */
export function keptBy(layout: Layout): KeptChanges | null {
  return layout.syncMode === 'incremental_append' ? CHANGES_OF[layout.metadata] : null;
}

/** The part of it that collecting changes depends on. */
export function keepingOf(layout: Layout): Keeping | undefined {
  const kept = keptBy(layout);
  return kept === null ? undefined : { kind: kept.kind, words: kept.words };
}

/** Our columns of a table of this layout, in the order in which they stand after the source's. */
export function ownColumns(layout: Layout): readonly MetadataColumn[] {
  const kept = keptBy(layout);
  if (kept === null) return metadataColumns(layout);
  const own = [
    column(kept.change, 'text', `'${kept.words.load}'::pg_catalog.text`),
    column(kept.lsn, 'pg_lsn', `'0/0'::pg_catalog.pg_lsn`),
    column(kept.committedAt, 'timestamptz', 'pg_catalog.now()'),
    column(kept.sequence, 'int8', '0'),
  ];
  const names = new Set(own.map(({ name }) => name));
  return [...own, ...metadataColumns({ metadata: layout.metadata, deletes: 'hard' }).filter(({ name }) => !names.has(name))];
}

/** An index that a table of ours needs. */
export interface KeptIndex {
  readonly columns: readonly string[];
}

/** The indexes of a table that keeps more than the present rows. None is unique over all rows of a key: there are many. */
export function keptIndexes({ layout, identity }: Pick<DestinationTable, 'layout' | 'identity'>): readonly KeptIndex[] {
  const kept = keptBy(layout);
  if (kept === null || identity.kind !== 'key') return [];
  const key = identity.columns;
  const order = key.length + 2 > MAX_INDEX_COLUMNS ? [] : [kept.lsn, kept.sequence];
  return [{ columns: [...key, ...order] }];
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

/** Every row brings its own value: the default only says what a row would be that somebody else put there. */
function column(name: string, type: string, byDefault: string): MetadataColumn {
  const ref = plainRef('pg_catalog', type);
  return { name, type: ref, typeSql: typeSql(ref), notNull: true, byDefault, onChange: null, onDelete: null, isMark: false };
}
