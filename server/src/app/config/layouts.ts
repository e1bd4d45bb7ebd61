// What a pipeline's preset and the options beside it come to: one layout, or the places where they contradict each other.
import type { FilePipeline } from '@millrace/contract/file';
import { isReservedSchema } from '../../destination/names.ts';
import { DEFAULT_RAW_SCHEMA, isRefreshed, type Layout, PRESETS, type SyncMode } from '../../model/layout.ts';
import type { Place } from './place.ts';

/** An object's own `sync_mode` must go with the pipeline's layout. `place` is the object's. */
export function refuseObjectMode(syncMode: SyncMode | null, layout: Layout, place: Place): void {
  if (syncMode !== null && keepsThePast(syncMode) && layout.syncMode !== syncMode) refuseConversion(layout, 'sync_mode', place);
  if (syncMode !== null && syncMode !== 'incremental_append_deduped' && layout.history)
    place.problem(
      'sync_mode',
      `sync_mode: ${syncMode} with history: true`,
      'remove the line, or give the object a pipeline without history',
    );
}

/** The layout of the pipeline's objects. An option that is written out wins over the preset. */
export function readLayout(raw: FilePipeline, place: Place): Layout {
  const preset: Layout = PRESETS[raw.preset ?? 'native'];
  const hasRawTables = raw.raw_tables ?? preset.rawSchema !== null;
  if (raw.raw_schema !== undefined && !hasRawTables)
    place.problem('raw_schema', 'raw_schema without raw tables has no meaning', 'add raw_tables: true, or remove the line');
  if (raw.raw_schema !== undefined && isReservedSchema(raw.raw_schema))
    place.problem('raw_schema', `the schema ${JSON.stringify(raw.raw_schema)} is reserved`, 'choose another schema for the raw tables');
  const syncMode = raw.sync_mode ?? preset.syncMode;
  const history = raw.history ?? preset.history;
  // A preset's policy is for tables that a delete could take rows from; what is written out beside them is a contradiction.
  const hasPolicy = syncMode === 'incremental_append_deduped' && !history;
  const layout: Layout = {
    syncMode,
    deletes: raw.deletes ?? (hasPolicy ? preset.deletes : 'hard'),
    metadata: raw.metadata_columns ?? preset.metadata,
    rawSchema: hasRawTables ? (raw.raw_schema ?? DEFAULT_RAW_SCHEMA) : null,
    types: raw.types ?? preset.types,
    history,
  };
  refuseContradictions(layout, place);
  return layout;
}

/** Options that would each say something else of what becomes of a row. */
function refuseContradictions(layout: Layout, place: Place): void {
  const { syncMode, deletes, history } = layout;
  if (history || keepsThePast(syncMode)) refuseConversion(layout, history ? 'history' : 'sync_mode', place);
  if (history && syncMode !== 'incremental_append_deduped')
    place.problem(
      'sync_mode',
      `sync_mode: ${syncMode} with history: true`,
      'remove one of the two lines: versions are made of each change',
    );
  if (deletes === 'hard') return;
  if (history) place.problem('deletes', `deletes: ${deletes} with history: true`, 'remove the line: a delete ends a version, which stays');
  else if (isRefreshed({ syncMode }))
    place.problem(
      'deletes',
      `deletes: ${deletes} with sync_mode: ${syncMode}`,
      'remove the line: no delete is streamed, each refresh reads what is there',
    );
  else if (syncMode === 'incremental_append')
    place.problem('deletes', `deletes: ${deletes} with sync_mode: ${syncMode}`, 'remove the line: every delete is a row of the table');
}

function keepsThePast(syncMode: SyncMode): boolean {
  return syncMode === 'incremental_append' || syncMode === 'full_refresh_append';
}

/** Tables that keep the past take rows as they come. */
function refuseConversion({ types, rawSchema }: Layout, key: 'history' | 'sync_mode', place: Place): void {
  if (types !== 'native') place.refuse(key, `${key} with types: ${types}`, 'add types: native');
  if (rawSchema !== null) place.refuse(key, `${key} with raw tables`, 'add raw_tables: false');
}
