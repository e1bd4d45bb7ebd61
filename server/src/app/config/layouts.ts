// What a pipeline's preset and the options beside it come to: one layout, or the places where they contradict each other.
import type { FilePipeline } from '@millrace/contract/file';
import { DEFAULT_RAW_SCHEMA, isRefreshed, type Layout, PRESETS, type SyncMode } from '../../model/layout.ts';
import type { Place } from './place.ts';

/** An object's own `sync_mode` must go with the pipeline's layout. `place` is the object's. */
export function refuseObjectMode(syncMode: SyncMode | null, layout: Layout, place: Place): void {
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
  if (preset.types !== 'native') place.refuse('preset', `preset: ${raw.preset}`, 'use preset: native and the options that you need');
  const hasRawTables = raw.raw_tables ?? preset.rawSchema !== null;
  if (raw.raw_schema !== undefined && !hasRawTables)
    place.problem('raw_schema', 'raw_schema without raw tables has no meaning', 'add raw_tables: true, or remove the line');
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
function refuseContradictions({ syncMode, deletes, history }: Layout, place: Place): void {
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
