// What a destination table looks like: the columns that are written, how each gets its value, and what makes a row unique.
import type { QualifiedName } from '../pg/ident.ts';
import { type Layout, layoutSignature } from './layout.ts';
import type { TableFilter } from './object-filter.ts';
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

/**
 * How values of a mapped type become those of the destination's, by expressions that mean the same on either server.
 * - `json`: the text of a json document, read as jsonb. - `array`: any array, of texts, as jsonb. - `value`: an array or a composite as jsonb.
 * - `document`: the same where json is part of it, whose text may be no jsonb. - `number`: any number as numeric.
 */
export interface ColumnConversion {
  readonly form: 'json' | 'array' | 'value' | 'document' | 'number';
  /** The type, as SQL text, that values arrive in before they are converted; null: the column's own type reads them as they come. */
  readonly stagedAs: string | null;
  /** Whether the destination needs a function of ours to tell what can be converted: it is older than the server's own. */
  readonly needsHelper?: boolean | undefined;
  /** Whether a value that can't be converted becomes NULL, with a note in the row's metadata, instead of stopping the object. */
  readonly nulls: boolean;
}

/** The version that says of a text whether a type reads it. Source: manual, "9.27.8. Data Validity Checking Functions". */
export const INPUT_CHECKED_SINCE = 160_000;

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
  /** Absent: the column's type reads the source's text form, and prints the same. */
  readonly conversion?: ColumnConversion | undefined;
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
  | 'expression_uses_hidden_column'
  | 'expression_uses_renamed_column'
  | 'expression_uses_text_column'
  | 'expression_unreadable'
  | 'type_mapped'
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
  /** The table beside it that holds every record as json; null or absent: there is none. */
  readonly raw?: QualifiedName | null | undefined;
  /** Our own columns, after `columns`. */
  readonly metadata: readonly MetadataColumn[];
  readonly layout: Layout;
  /** What of the source's table comes here. Absent: everything, as it is. */
  readonly filter?: TableFilter | undefined;
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

/** A text that two plans of an object share if and only if the same changes leave the same table. */
export function tableSignature({ layout, filter }: Pick<DestinationTable, 'layout' | 'filter'>): string {
  return filter === undefined ? layoutSignature(layout) : `${layoutSignature(layout)}\n${filter.signature}`;
}

/** The filter's part of a `tableSignature`; null where there is none. Neither part holds a line break. */
export function filterPart(signature: string): string | null {
  return signature.split('\n')[1] ?? null;
}

/** The columns that carry values, in order: what a COPY into the table lists. */
export function writtenColumns(table: Pick<DestinationTable, 'columns'>): readonly DestinationColumn[] {
  return table.columns.filter((column) => column.transfer !== 'generated' && column.transfer !== 'retired');
}

/** The most columns a Postgres table can have. Source: PostgreSQL manual, "Appendix K. PostgreSQL Limits". */
export const MAX_COLUMNS = 1600;
