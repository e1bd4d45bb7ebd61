// Lists what a source has, with what a person needs to choose: size, key, identity, and why something can't be replicated.
import type { PgSession } from '../db/session.ts';
import { type IneligibleReason, objectLabel, type ReplicaIdentity, type SourceTable, type SourceType } from '../model/table.ts';
import { builtinTreatment } from '../model/type-refusals.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { hasFeature } from '../pg/version.ts';
import { type CatalogueFilter, type CatalogueSnapshot, readTables } from './catalog.ts';
import { identityFix } from './checks-objects.ts';
import type { IneligibleRelation } from './eligibility.ts';
import { columnTypeOids, readTypes } from './types.ts';

export type DiscoveredKind =
  | 'table'
  | 'partitioned_table'
  | 'partition'
  | 'foreign_table'
  | 'view'
  | 'materialized_view'
  | 'temporary_table'
  | 'unlogged_table';

/** One row of `millrace discover`. */
export interface DiscoveredRelation extends QualifiedName {
  readonly kind: DiscoveredKind;
  readonly sizeBytes: number;
  /** The planner's estimate; null when the table was never analysed. */
  readonly estimatedRows: number | null;
  readonly primaryKey: readonly string[];
  readonly replicaIdentity: ReplicaIdentity;
  /** Null when the relation is eligible. */
  readonly reason: IneligibleReason | null;
  /** Why it is not eligible, one sentence; null when it is. */
  readonly cause: string | null;
  /** What would make it eligible, or make more of it arrive; null where there is nothing to mend. */
  readonly fix: string | null;
  readonly notes: readonly string[];
}

/** Every relation of the source, temporary tables included, sorted by schema and name. The session must be idle. */
export async function discover(session: PgSession, filter: CatalogueFilter): Promise<readonly DiscoveredRelation[]> {
  const snapshot = await readTables(session, { ...filter, includeTemporary: true });
  const types = await readTypes(session, columnTypeOids(snapshot.tables));
  return describeSnapshot(snapshot, types);
}

/** The rows of `discover` from what was read. */
function describeSnapshot(snapshot: CatalogueSnapshot, types: ReadonlyMap<number, SourceType>): readonly DiscoveredRelation[] {
  const rules = { generatedBreaksFull: hasFeature(snapshot.version, 'publishGeneratedColumns') };
  const rows = [...snapshot.tables.map((table) => describeTable(table, types, rules)), ...snapshot.ineligible.map(describeIneligible)];
  return rows.sort((a, b) => compareText(a.schema, b.schema) || compareText(a.name, b.name));
}

function describeTable(
  table: SourceTable,
  types: ReadonlyMap<number, SourceType>,
  rules: { readonly generatedBreaksFull: boolean },
): DiscoveredRelation {
  const { schema, name, sizeBytes, primaryKey, replicaIdentity } = table;
  const refusal = refusedColumn(table, types);
  const anonymous = table.identity.kind === 'none';
  return {
    schema,
    name,
    kind: table.relkind === 'p' ? 'partitioned_table' : 'table',
    sizeBytes,
    estimatedRows: table.estimatedRows < 0 ? null : table.estimatedRows,
    primaryKey,
    replicaIdentity,
    reason: refusal === null ? null : 'unsupported_type',
    cause: refusal,
    fix: refusal === null && anonymous ? identityFix(table, rules) : null,
    notes: notesOf(table),
  };
}

function describeIneligible(relation: IneligibleRelation): DiscoveredRelation {
  const { schema, name, sizeBytes, primaryKey, replicaIdentity, reason, cause } = relation;
  return {
    schema,
    name,
    kind: kindOf(relation),
    sizeBytes,
    estimatedRows: relation.estimatedRows < 0 ? null : relation.estimatedRows,
    primaryKey,
    replicaIdentity,
    reason,
    cause,
    fix: relation.fix === '' ? null : relation.fix,
    notes: [],
  };
}

function kindOf(relation: IneligibleRelation): DiscoveredKind {
  switch (relation.reason) {
    case 'partition_of_object':
      return 'partition';
    case 'foreign_table':
    case 'view':
    case 'materialized_view':
    case 'temporary_table':
      return relation.reason;
    case 'unlogged_table':
      return relation.relkind === 'p' ? 'partitioned_table' : 'unlogged_table';
    default:
      return relation.relkind === 'p' ? 'partitioned_table' : 'table';
  }
}

function notesOf(table: SourceTable): readonly string[] {
  const unreadable = table.leaves.filter((leaf) => leaf.access !== undefined && leaf.access !== 'ok');
  const foreignGenerated = table.columns.filter((column) => column.generated !== null && !column.generated.builtinsOnly);
  return [
    ...(table.identity.kind === 'none' ? ['inserts only: updates and deletes carry no replica identity'] : []),
    ...(table.identity.kind === 'full' ? ['no key: rows are matched by all their columns'] : []),
    ...(table.relkind === 'p' ? [`${table.leaves.length} partitions`] : []),
    ...(table.hasInheritanceChildren ? ['its inheritance children are objects of their own'] : []),
    ...foreignGenerated.map((column) => `generated column ${column.name} is left out: it needs functions or types of the source`),
    ...unreadable.map((leaf) => `partition ${objectLabel(leaf)} can't be read by its own name`),
  ];
}

/** Why a column of the table can't be replicated at all; null when every column can. */
function refusedColumn(table: SourceTable, types: ReadonlyMap<number, SourceType>): string | null {
  for (const column of table.columns) {
    const refusal = refusalOf(column.typeOid, types);
    if (refusal !== null) return `column ${column.name} contains type ${refusal}`;
  }
  return null;
}

/** The refused built-in that a type is made of, with the reason; composites can't contain themselves, so this ends. */
function refusalOf(oid: number, types: ReadonlyMap<number, SourceType>): string | null {
  const type = types.get(oid);
  if (type === undefined) return null;
  if (type.kind === 'pseudo') return `${type.name}: it has no values`;
  if (type.schema === 'pg_catalog' && type.kind === 'base') {
    const treatment = builtinTreatment(type.name);
    return treatment.kind === 'refused' ? `${type.name}: ${treatment.reason}` : null;
  }
  const parts = [...(type.elementOid === 0 ? [] : [type.elementOid]), ...type.attributes.map((attribute) => attribute.typeOid)];
  return parts.map((part) => refusalOf(part, types)).find((refusal) => refusal !== null) ?? null;
}

/** By code unit, so that the order is the same everywhere. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
