// What a table is to us: its columns, its key and how its changes identify rows. Pure values, read once from the catalogue.
import type { QualifiedName } from '../pg/ident.ts';

/** `pg_class.relreplident`, with the columns that a change's old row carries. */
export type ReplicaIdentity = 'default' | 'index' | 'full' | 'nothing';

/**
 * How a row is found again at the destination.
 * - `key`: by these columns (a primary key or the replica-identity index), unique and never null, checked at once.
 * - `full`: no such key, but REPLICA IDENTITY FULL: rows are a multiset, a delete removes exactly one equal row.
 * - `none`: changes carry no identity: only inserts and TRUNCATE can be replicated.
 */
export type RowIdentity =
  | { readonly kind: 'key'; readonly columns: readonly string[] }
  | { readonly kind: 'full' }
  | { readonly kind: 'none' };

/** A column of a source table, as the catalogue describes it. */
export interface SourceColumn {
  readonly name: string;
  /** `pg_attribute.attnum`: stays the same when the column is renamed. */
  readonly attnum: number;
  readonly typeOid: number;
  readonly typmod: number;
  readonly notNull: boolean;
  /** The expression as `pg_get_expr` prints it, for generated columns only. */
  readonly generated: { readonly kind: 'stored' | 'virtual'; readonly expression: string; readonly builtinsOnly: boolean } | null;
}

/** A source table with everything that copying and streaming it needs. */
export interface SourceTable extends QualifiedName {
  readonly oid: number;
  readonly relkind: 'r' | 'p';
  readonly columns: readonly SourceColumn[];
  /** Names of the primary key's columns in index order; empty when there is none. */
  readonly primaryKey: readonly string[];
  readonly replicaIdentity: ReplicaIdentity;
  readonly identity: RowIdentity;
  /** Leaf partitions (or the table itself when it is not partitioned): what a copy reads. */
  readonly leaves: readonly SourceLeaf[];
  /** Whether the table is an inheritance parent (not partitioning): a copy must say ONLY. */
  readonly hasInheritanceChildren: boolean;
  /** Size on disk of all leaves with TOAST, and the planner's row estimate (-1 when never analysed). */
  readonly sizeBytes: number;
  readonly estimatedRows: number;
}

/** One physical table that holds rows of an object. */
export interface SourceLeaf extends QualifiedName {
  readonly oid: number;
  readonly relfilenode: number;
  readonly pages: number;
}

/** Why a relation can't be an object. Each reason is shown to users with what they can do. */
export type IneligibleReason =
  | 'foreign_table'
  | 'temporary_table'
  | 'unlogged_table'
  | 'view'
  | 'materialized_view'
  | 'no_select_privilege'
  | 'partition_of_object'
  | 'row_level_security'
  | 'unsupported_type'
  | 'foreign_partition';

/** A type of the source's catalogue, by its names and structure, so that it can be found or made at the destination. */
export interface SourceType extends QualifiedName {
  readonly oid: number;
  readonly kind: 'base' | 'array' | 'enum' | 'domain' | 'composite' | 'range' | 'multirange' | 'pseudo';
  /** Array element, domain base, range subtype or multirange's range; 0 for the others. */
  readonly elementOid: number;
  /** typmod of a domain's base type; -1 for none. */
  readonly elementTypmod: number;
  readonly enumLabels: readonly string[];
  readonly attributes: readonly { readonly name: string; readonly typeOid: number; readonly typmod: number }[];
  /** The extension that owns the type, or null. */
  readonly extension: string | null;
  /** Whether the type has both a send and a receive function. */
  readonly hasBinary: boolean;
}

/** `schema.table`, the way users write an object's name; unambiguous only for display. */
export function objectLabel(name: QualifiedName): string {
  return `${name.schema}.${name.name}`;
}
