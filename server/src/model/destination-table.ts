// What a destination table looks like: the columns that are written, how each gets its value, and what makes a row unique.
import type { QualifiedName } from '../pg/ident.ts';
import type { Layout } from './layout.ts';
import type { RowIdentity } from './table.ts';

/**
 * A type by its name at the destination. `typmod` is compared with the catalogue, `modifiers` is what DDL says for it;
 * both are absent (-1 and '') where a type has none.
 */
export interface TypeRef extends QualifiedName {
  readonly array: boolean;
  readonly typmod: number;
  /** e.g. `(10,2)`, parentheses included. */
  readonly modifiers: string;
}

/**
 * How a column of the destination gets its values.
 * - `same`: the source's value in text or binary form.
 * - `text`: the source's text form, kept as text: the type means something else on another server (`reg*`).
 * - `generated`: computed by the destination itself; nothing may be written to it.
 * - `retired`: the source has it no longer; it stays, unwritten, for what was built on it.
 */
export type ColumnTransfer = 'same' | 'text' | 'generated' | 'retired';

/** One column of a destination table. */
export interface DestinationColumn {
  /** Name at the destination: the source's, unless that has more than 63 bytes in UTF-8. */
  readonly name: string;
  readonly sourceName: string;
  /** `pg_attribute.attnum` at the source. */
  readonly attnum: number;
  readonly sourceTypeOid: number;
  /** `pg_attribute.atttypmod` at the source: length, precision, scale. Absent in states that were written before it was kept. */
  readonly sourceTypmod?: number | undefined;
  readonly type: TypeRef;
  /** The type as SQL text, quoted and qualified: fit for DDL and for a cast. */
  readonly typeSql: string;
  readonly notNull: boolean;
  readonly transfer: ColumnTransfer;
  /** The expression of a generated column, null for the others. */
  readonly expression: string | null;
}

/** A column of ours at the end of a destination table. The server fills it in; expressions are SQL of our own making. */
export interface MetadataColumn {
  readonly name: string;
  readonly type: TypeRef;
  readonly typeSql: string;
  readonly notNull: boolean;
  /** The column's DEFAULT: what a row gets that is inserted. */
  readonly byDefault: string;
  /** What a change of the row sets; null: it stays. */
  readonly onChange: string | null;
  /** What a delete sets that leaves the row; null: it stays. */
  readonly onDelete: string | null;
  /** Whether its value tells rows that are deleted at the source: true, or not NULL. */
  readonly isMark: boolean;
}

/** Why a generated column does not exist at the destination. Its values are derived, so no data is lost. */
export type ExclusionReason =
  | 'expression_uses_user_objects'
  | 'expression_depends_on_collation'
  | 'expression_uses_renamed_column'
  | 'expression_uses_text_column'
  | 'expression_unreadable'
  | 'type_unavailable';

export interface ExcludedColumn {
  readonly sourceName: string;
  readonly attnum: number;
  readonly reason: ExclusionReason;
}

/** A destination table, as planned before it is created. */
export interface DestinationTable extends QualifiedName {
  /** In the source's column order; excluded columns are not among them. */
  readonly columns: readonly DestinationColumn[];
  readonly excluded: readonly ExcludedColumn[];
  /** Our own columns, after `columns`. */
  readonly metadata: readonly MetadataColumn[];
  readonly layout: Layout;
  /** Destination names of the primary key's columns in index order; empty when there is none. */
  readonly primaryKey: readonly string[];
  /** Destination names of the replica-identity index's columns where they differ from the primary key; else empty. */
  readonly uniqueKey: readonly string[];
  /** How rows are found again, by destination names. */
  readonly identity: RowIdentity;
  /** Whether the values of all columns mean the same in binary form at both servers. */
  readonly binarySafe: boolean;
  /** Source names of columns whose text form would be misread at the destination: their table can only go by a binary stream. */
  readonly needsBinary?: readonly string[] | undefined;
}

/** The columns that carry values, in order: what a COPY into the table lists. */
export function writtenColumns(table: DestinationTable): readonly DestinationColumn[] {
  return table.columns.filter((column) => column.transfer !== 'generated' && column.transfer !== 'retired');
}

/** The most columns a Postgres table can have. Source: PostgreSQL manual, "Appendix K. PostgreSQL Limits". */
export const MAX_COLUMNS = 1600;
