// What a pipeline's preset and the options beside it come to: one layout, or the places where they contradict each other.
import type { FilePipeline } from '@millrace/contract/file';
import { DEFAULT_RAW_SCHEMA, type Layout, PRESETS } from '../../model/layout.ts';
import type { Place } from './place.ts';

/** The layout of the pipeline's objects. An option that is written out wins over the preset. */
export function readLayout(raw: FilePipeline, place: Place): Layout {
  const preset: Layout = PRESETS[raw.preset ?? 'native'];
  const hasRawTables = raw.raw_tables ?? preset.rawSchema !== null;
  if (hasRawTables && raw.raw_tables === undefined)
    place.refuse('preset', `preset: ${raw.preset} with raw tables`, 'add raw_tables: false');
  if (raw.raw_schema !== undefined && !hasRawTables)
    place.problem('raw_schema', 'raw_schema without raw tables has no meaning', 'add raw_tables: true, or remove the line');
  return {
    syncMode: raw.sync_mode ?? preset.syncMode,
    deletes: raw.deletes ?? preset.deletes,
    metadata: raw.metadata_columns ?? preset.metadata,
    rawSchema: hasRawTables ? (raw.raw_schema ?? DEFAULT_RAW_SCHEMA) : null,
    types: raw.types ?? preset.types,
    history: raw.history ?? preset.history,
  };
}
