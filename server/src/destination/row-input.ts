// What arrives for a table whose values are converted: the types that the server reads first, and what it makes of them.
import { type ColumnConversion, type DestinationTable, writtenColumns } from '../model/destination-table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { asksHelper, convertedValue, notesOf } from './convert.sql.ts';
import { notesColumn, rawIdColumn } from './metadata.ts';

/** One column as it arrives, in the order of the table's written columns. */
export interface InputColumn {
  /** At the destination. */
  readonly name: string;
  /** The type that it is staged in, as SQL text. */
  readonly typeSql: string;
  /** Null: the staged value is the column's. */
  readonly conversion: ColumnConversion | null;
}

/** A column of ours that is written with the row. `notes`: which values could not be kept. `raw_id`: the id of its record in the raw table. */
export interface OwnColumn {
  readonly name: string;
  readonly kind: 'notes' | 'raw_id';
}

export interface RowInput {
  readonly columns: readonly InputColumn[];
  readonly own: readonly OwnColumn[];
}

/** Where a target's records go, and what their fields are called: as the columns are at the source, in the target's order. */
export interface RawTarget {
  readonly table: QualifiedName;
  readonly fields: readonly string[];
}

/** Null for a table whose columns read what comes, and of which no records are kept. */
export function rowInput(table: Pick<DestinationTable, 'columns' | 'metadata' | 'raw'>): RowInput | null {
  const columns = writtenColumns(table).map(({ name, typeSql, conversion }): InputColumn => {
    const stagedAs = conversion?.stagedAs ?? null;
    return stagedAs === null || conversion === undefined ? { name, typeSql, conversion: null } : { name, typeSql: stagedAs, conversion };
  });
  const hasRaw = (table.raw ?? null) !== null;
  if (!hasRaw && columns.every(({ conversion }) => conversion === null)) return null;
  const canFail = columns.some(({ conversion }) => conversion?.nulls === true);
  const notes = canFail ? notesColumn(table.metadata) : null;
  const rawId = hasRaw ? rawIdColumn(table.metadata) : null;
  const own: readonly OwnColumn[] = [
    ...(notes === null ? [] : [{ name: notes, kind: 'notes' as const }]),
    ...(rawId === null ? [] : [{ name: rawId, kind: 'raw_id' as const }]),
  ];
  return { columns, own };
}

/** Whether the session needs the function of ours that some conversion asks for. */
export function needsHelper({ columns }: RowInput): boolean {
  return columns.some(({ conversion }) => conversion !== null && asksHelper(conversion));
}

/** The names of staged columns: users' could clash with ours. */
export function stagedNames(columns: readonly number[]): readonly string[] {
  return columns.map((column) => `c${column}`);
}

/** The values of `columns` (indices), as expressions over a staged row with the alias `alias`. */
export function inputValues({ columns }: RowInput, wanted: readonly number[], alias: string): readonly string[] {
  return wanted.map((index) => {
    const conversion = columns[index]?.conversion ?? null;
    const value = `${alias}.c${index}`;
    return conversion === null ? value : convertedValue(conversion, value);
  });
}

/** The values of our own columns, for a staged row of which `wanted` columns came. */
export function inputOwn({ columns, own }: RowInput, wanted: readonly number[], alias: string): readonly string[] {
  const fields = wanted.flatMap((index) => {
    const column = columns[index];
    const conversion = column?.conversion ?? null;
    if (column === undefined || conversion === null || !conversion.nulls) return [];
    return [{ field: column.name, conversion, value: `${alias}.c${index}` }];
  });
  return own.map(({ kind }) => (kind === 'notes' ? notesOf(fields) : `${alias}.${kind}`));
}
