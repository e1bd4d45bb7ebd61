// What a destination table looks like beside its columns: how rows land, what a delete leaves, and which columns are ours.

/**
 * - `full_refresh_overwrite`: each run replaces all rows. - `full_refresh_append`: each run adds all rows.
 * - `incremental_append`: every change is a row. - `incremental_append_deduped`: one row for each row of the source.
 */
export type SyncMode = 'full_refresh_overwrite' | 'full_refresh_append' | 'incremental_append' | 'incremental_append_deduped';

/** What a delete at the source does: the row goes, is marked and stays, or stays as it is. */
export type DeletePolicy = 'hard' | 'soft' | 'ignore';

/** Whose names and meanings our own columns have. */
export type MetadataSet = 'none' | 'millrace' | 'hevo' | 'airbyte';

/** `native`: the source's types. The others are the tables of those systems. */
export type TypeMap = 'native' | 'hevo' | 'airbyte';

/** The layout of one object's table. */
export interface Layout {
  readonly syncMode: SyncMode;
  readonly deletes: DeletePolicy;
  readonly metadata: MetadataSet;
  /** Schema of the raw tables that stand beside the typed ones; null: there are none. */
  readonly rawSchema: string | null;
  readonly types: TypeMap;
  /** One row for each version of a row, instead of one for each row. */
  readonly history: boolean;
}

/** Whether the object is read whole from time to time, and no change of it is streamed. */
export function isRefreshed({ syncMode }: Pick<Layout, 'syncMode'>): boolean {
  return syncMode === 'full_refresh_overwrite' || syncMode === 'full_refresh_append';
}

/** What a pipeline has when its file says nothing. */
export const NATIVE_LAYOUT: Layout = {
  syncMode: 'incremental_append_deduped',
  deletes: 'hard',
  metadata: 'none',
  rawSchema: null,
  types: 'native',
  history: false,
};

/** The schema of raw tables where the file names none. */
export const DEFAULT_RAW_SCHEMA = 'airbyte_internal';

/** A preset is nothing but a bundle of options; each can be said otherwise beside it. */
export const PRESETS = {
  native: NATIVE_LAYOUT,
  hevo: { ...NATIVE_LAYOUT, deletes: 'soft', metadata: 'hevo', types: 'hevo' },
  airbyte: { ...NATIVE_LAYOUT, metadata: 'airbyte', rawSchema: DEFAULT_RAW_SCHEMA, types: 'airbyte' },
  prequel: NATIVE_LAYOUT,
} as const satisfies Readonly<Record<string, Layout>>;

/** A text that two layouts share if and only if the same changes leave the same table. */
export function layoutSignature(layout: Layout): string {
  const { syncMode, deletes, metadata, rawSchema, types, history } = layout;
  return JSON.stringify({ syncMode, deletes, metadata, rawSchema, types, history });
}

/** The layout of which `layoutSignature` wrote the first line. */
export function parseLayout(signature: string): Layout {
  return { ...NATIVE_LAYOUT, ...(JSON.parse(signature.split('\n')[0] ?? '') as Partial<Layout>) };
}
