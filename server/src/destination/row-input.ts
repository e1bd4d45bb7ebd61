// What arrives for a table whose values are converted: the types that the server reads first, and what it makes of them.
import { type ColumnConversion, type DestinationTable, writtenColumns } from '../model/destination-table.ts';
import { convertedValue, notesOf } from './convert.sql.ts';
import { notesColumn } from './metadata.ts';

/** One column as it arrives, in the order of the table's written columns. */
export interface InputColumn {
  /** At the destination. */
  readonly name: string;
  /** The type that it is staged in, as SQL text. */
  readonly typeSql: string;
  /** Null: the staged value is the column's. */
  readonly conversion: ColumnConversion | null;
}

export interface RowInput {
  readonly columns: readonly InputColumn[];
  /** The column of ours that says which values could not be kept; null: none can fail, or there is no such column. */
  readonly notes: string | null;
}

/** Null for a table whose columns read what comes. */
export function rowInput(table: Pick<DestinationTable, 'columns' | 'metadata'>): RowInput | null {
  const columns = writtenColumns(table).map(({ name, typeSql, conversion }): InputColumn => {
    const stagedAs = conversion?.stagedAs ?? null;
    return stagedAs === null || conversion === undefined ? { name, typeSql, conversion: null } : { name, typeSql: stagedAs, conversion };
  });
  if (columns.every(({ conversion }) => conversion === null)) return null;
  const canFail = columns.some(({ conversion }) => conversion?.nulls === true);
  return { columns, notes: canFail ? notesColumn(table.metadata) : null };
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

/** The notes about `wanted` columns of a staged row; an empty list where the table has no column for them. */
export function inputNotes({ columns, notes }: RowInput, wanted: readonly number[], alias: string): readonly string[] {
  if (notes === null) return [];
  const fields = wanted.flatMap((index) => {
    const column = columns[index];
    const conversion = column?.conversion ?? null;
    if (column === undefined || conversion === null || !conversion.nulls) return [];
    return [{ field: column.name, conversion, value: `${alias}.c${index}` }];
  });
  return [notesOf(fields)];
}
