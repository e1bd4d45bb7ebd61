// What the configuration file says, checked and typed: the only form in which it travels further.
import type { ObjectName } from '@millrace/contract/object-name';
import type { ExistingPolicy } from '../../destination/existing.ts';
import type { NamespaceRule } from '../../destination/names.ts';
import type { ConnectionSettings } from '../../model/connection.ts';
import type { Layout, SyncMode } from '../../model/layout.ts';
import type { ObjectFilter } from '../../model/object-filter.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import type { Problem } from './problem.ts';

/** A source server; `type` only decides which hints and checks apply. */
export interface SourceSettings {
  readonly name: string;
  readonly type: 'generic' | 'azure' | 'aurora';
  readonly connection: ConnectionSettings;
}

export interface DestinationSettings {
  readonly name: string;
  readonly connection: ConnectionSettings;
}

/** What an object has of which the file says nothing more than its name. */
export const PLAIN_OBJECT = { include: true, target: null, syncMode: null, filter: null, existingTable: 'empty' } as const;

/** What the file says of one object. */
export interface ObjectSettings extends ObjectName {
  readonly include: boolean;
  /** The destination table's name; null: the source's. */
  readonly target: string | null;
  /** Null: the pipeline's. */
  readonly syncMode: SyncMode | null;
  /** Null: all columns and rows as they are. */
  readonly filter: ObjectFilter | null;
  /** What to do with a destination table that others made. */
  readonly existingTable: ExistingPolicy;
}

export interface PipelineSettings {
  readonly name: string;
  readonly source: SourceSettings;
  readonly destination: DestinationSettings;
  readonly schedule: 'continuous' | 'manual';
  readonly loadHistoricalData: boolean;
  readonly includeNewTables: boolean;
  /** What happens with objects that `objects` does not list. */
  readonly defaultObjectState: 'included' | 'skipped';
  /** Only these schemas are looked at; null: all. */
  readonly schemas: readonly string[] | null;
  readonly objects: readonly ObjectSettings[];
  readonly namespace: NamespaceRule;
  /** Of objects that say nothing else. */
  readonly layout: Layout;
  /** What happens when the columns of a source table change. */
  readonly schemaChanges: SchemaChangePolicy;
}

/**
 * - `apply`: the destination table follows. - `hold`: the object waits until an operator resumes it. - `ignore`: new columns are left out,
 * and those that are gone stay, unwritten.
 */
export type SchemaChangePolicy = 'apply' | 'hold' | 'ignore';

/** The layout of one object's table. */
export function layoutOf({ layout, objects }: Pick<PipelineSettings, 'layout' | 'objects'>, table: QualifiedName): Layout {
  const listed = objects.find((object) => object.schema === table.schema && object.name === table.name);
  if (listed === undefined || listed.syncMode === null) return layout;
  // Where a delete is a row, or no change is streamed, nothing is left for a policy of deletes to decide.
  const deletes = listed.syncMode === 'incremental_append_deduped' ? layout.deletes : 'hard';
  return { ...layout, syncMode: listed.syncMode, deletes };
}

/** What of a table its object brings; null: everything. */
export function filterOf({ objects }: Pick<PipelineSettings, 'objects'>, table: QualifiedName): ObjectFilter | null {
  return objects.find((object) => object.schema === table.schema && object.name === table.name)?.filter ?? null;
}

/** What to do with a destination table of an object that others made. */
export function existingPolicyOf({ objects }: Pick<PipelineSettings, 'objects'>, table: QualifiedName): ExistingPolicy {
  return objects.find((object) => object.schema === table.schema && object.name === table.name)?.existingTable ?? 'empty';
}

/** The whole file. Lists are in the file's order. */
export interface FileSettings {
  /** As it was given on the command line. */
  readonly path: string;
  readonly sources: readonly SourceSettings[];
  readonly destinations: readonly DestinationSettings[];
  readonly pipelines: readonly PipelineSettings[];
  readonly warnings: readonly Problem[];
}
