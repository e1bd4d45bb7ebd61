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
  /** `format_type(atttypid, atttypmod)`; only its modifier part is used, and only for types of extensions. */
  readonly formatted?: string | undefined;
  /** Whether the column declares a collation other than its type's own (`attcollation <> typcollation`). */
  readonly ownCollation?: boolean | undefined;
  readonly notNull: boolean;
  /** The name at the destination that the file asks for. Absent: its own. */
  readonly renamed?: string | undefined;
  /** The expression as `pg_get_expr` prints it, for generated columns only. */
  readonly generated: { readonly kind: 'stored' | 'virtual'; readonly expression: string; readonly builtinsOnly: boolean } | null;
}

/** A source table with everything that copying and streaming it needs. */
export interface SourceTable extends QualifiedName {
  readonly oid: number;
  readonly relkind: 'r' | 'p';
  readonly columns: readonly SourceColumn[];
  /** `pg_class.relnatts`: how many columns the table ever had. Absent: unknown. */
  readonly highestAttnum?: number | undefined;
  /** Names of the primary key's columns in index order; empty when there is none. */
  readonly primaryKey: readonly string[];
  readonly replicaIdentity: ReplicaIdentity;
  readonly identity: RowIdentity;
  /** Leaf partitions (or the table itself when it is not partitioned): what a copy reads. */
  readonly leaves: readonly SourceLeaf[];
  /** Whether the table is an inheritance parent (not partitioning): a copy must say ONLY. */
  readonly hasInheritanceChildren: boolean;
  /** Whether our role owns the table (or is a member of its owner): only then may it enter a publication of ours. Absent: unknown. */
  readonly owned?: boolean | undefined;
  /** Only rows for which this is true are published and read, as the server prints it. Absent: all. */
  readonly condition?: string | undefined;
  /** Size on disk of all leaves with TOAST, and the planner's row estimate (-1 when never analysed). */
  readonly sizeBytes: number;
  readonly estimatedRows: number;
}

/** One physical table that holds rows of an object. */
export interface SourceLeaf extends QualifiedName {
  readonly oid: number;
  readonly relfilenode: number;
  /**
   * Another text after anything changed in how the catalogue describes the columns. Together with another file it means that the rows
   * themselves may have been rewritten. Absent: unknown.
   */
  readonly columnsVersion?: string | undefined;
  /**
   * The highest number that a column of the object's table ever had, as far as the destination table knows of it: a later one is new.
   * The same for all leaves. Absent: unknown.
   */
  readonly highestAttnum?: number | undefined;
  readonly pages: number;
  /** Whether our role may read the leaf by its own name: privileges and policies of the root do not reach it. Absent: `ok`. */
  readonly access?: LeafAccess | undefined;
  /** How the leaf hangs below its root, nearest parent first; absent or empty for a table that is not partitioned. */
  readonly lineage?: readonly PartitionEdge[] | undefined;
}

/** What stands in the way of reading a leaf by its own name. */
export type LeafAccess = 'ok' | 'no_select_privilege' | 'row_level_security';

/** One step from a partition to its parent. */
export interface PartitionEdge {
  readonly childOid: number;
  readonly parentOid: number;
  /** Identity of the `pg_inherits` row: another one after DETACH and ATTACH. */
  readonly version: string;
  /** Whether the child was created as this parent's partition, so that it never held a row that its root did not publish. */
  readonly createdInPlace: boolean;
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
  readonly attributes: readonly SourceAttribute[];
  /** Composite types only: whether it is the row type of a table (`pg_class.relkind <> 'c'`), whose name the table itself takes. */
  readonly isTableRow?: boolean | undefined;
  /** Range types only: what `pg_range` says beyond the subtype. Absent: all defaults. */
  readonly range?: SourceRange | undefined;
  /** The extension that owns the type, or null. */
  readonly extension: string | null;
  /** Whether the type has both a send and a receive function. */
  readonly hasBinary: boolean;
}

/** One attribute of a composite type. */
export interface SourceAttribute {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  /** `format_type(atttypid, atttypmod)`, as in `SourceColumn`. */
  readonly formatted?: string | undefined;
}

/** How a range type orders and normalises its bounds. */
export interface SourceRange {
  /** `rngcanonical`: a function that rewrites every value on input. */
  readonly hasCanonical: boolean;
  /** `rngsubopc`, or null when it is the subtype's default operator class. */
  readonly operatorClass: QualifiedName | null;
  /** `rngcollation`, or null when it is 0 or the subtype's own. */
  readonly collation: QualifiedName | null;
}

/** `schema.table`, the way users write an object's name; unambiguous only for display. */
export function objectLabel(name: QualifiedName): string {
  return `${name.schema}.${name.name}`;
}
