// What a pipeline's preset and the options beside it come to: one layout, or the places where they contradict each other.
import type { FilePipeline } from '@millrace/contract/file';
import { isReservedSchema } from '../../destination/names.ts';
import { DEFAULT_RAW_SCHEMA, type Layout, PRESETS } from '../../model/layout.ts';
import type { Place } from './place.ts';

/** The layout of the pipeline's objects. An option that is written out wins over the preset. */
export function readLayout(raw: FilePipeline, place: Place): Layout {
  const preset: Layout = PRESETS[raw.preset ?? 'native'];
  const hasRawTables = raw.raw_tables ?? preset.rawSchema !== null;
  if (raw.raw_schema !== undefined && !hasRawTables)
    place.problem('raw_schema', 'raw_schema without raw tables has no meaning', 'add raw_tables: true, or remove the line');
  if (raw.raw_schema !== undefined && isReservedSchema(raw.raw_schema))
    place.problem('raw_schema', `the schema ${JSON.stringify(raw.raw_schema)} is reserved`, 'choose another schema for the raw tables');
  const layout: Layout = {
    syncMode: raw.sync_mode ?? preset.syncMode,
    deletes: raw.deletes ?? preset.deletes,
    metadata: raw.metadata_columns ?? preset.metadata,
    rawSchema: hasRawTables ? (raw.raw_schema ?? DEFAULT_RAW_SCHEMA) : null,
    types: raw.types ?? preset.types,
    history: raw.history ?? preset.history,
  };
  refuseContradictions(layout, place);
  return layout;
}

/** Options that would each say something else of what becomes of a row. */
function refuseContradictions({ syncMode, deletes }: Layout, place: Place): void {
  if (deletes !== 'hard' && syncMode === 'incremental_append')
    place.problem('deletes', `deletes: ${deletes} with sync_mode: ${syncMode}`, 'remove the line: every delete is a row of the table');
}
