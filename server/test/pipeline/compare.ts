// Says whether a table's rows are the same at both ends: every value as its own type prints it, duplicates counted.
import { expect } from 'vitest';
import { type QualifiedName, quoteIdent, quoteName } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';

/** Where the two ends of one comparison are. */
export interface Ends {
  readonly source: TestDatabase;
  readonly destination: TestDatabase;
}

/** The tables to compare; the destination's name is the source's unless it is said. */
export interface ComparedTable {
  readonly table: QualifiedName;
  readonly target?: QualifiedName;
  /** Source columns that the destination leaves out. */
  readonly without?: readonly string[];
}

/** Fails with the difference unless both tables hold the same rows, as multisets of printed values. */
export async function expectEqual(ends: Ends, ...compared: readonly ComparedTable[]): Promise<void> {
  for (const each of compared) {
    const columns = await columnNames(ends.source, each);
    const [source, destination] = [await rowsOf(ends.source, each.table, columns), await rowsOf(ends.destination, targetOf(each), columns)];
    expect(destination, `the rows of ${quoteName(each.table)}`).toEqual(source);
  }
}

/** Waits until both tables hold the same rows; fails with the difference when that does not come. */
export async function untilEqual(ends: Ends, ...compared: readonly ComparedTable[]): Promise<void> {
  for (const each of compared) {
    await waitFor(`equal rows of ${quoteName(each.table)}`, async () => isEqual(ends, each)).catch(async (error: unknown) => {
      await expectEqual(ends, each);
      throw error;
    });
  }
}

/** `schema.name` with neither quoted: for names without dots. */
export function table(label: string): ComparedTable {
  const [schema = '', name = ''] = label.split('.');
  return { table: { schema, name } };
}

/** The rows of a table, each printed as a whole, sorted by bytes. */
async function rowsOf(database: TestDatabase, name: QualifiedName, columns: readonly string[]): Promise<readonly string[]> {
  const row = `ROW(${columns.map((column) => `t.${quoteIdent(column)}`).join(', ')})::text`;
  const from = (await isPartitioned(database, name)) ? quoteName(name) : `ONLY ${quoteName(name)}`;
  const rows = await database.query(`SELECT ${row} COLLATE "C" AS printed FROM ${from} AS t ORDER BY printed`);
  return rows.map(([printed]) => printed ?? '');
}

async function isEqual(ends: Ends, each: ComparedTable): Promise<boolean> {
  const columns = await columnNames(ends.source, each);
  const [source, destination] = [await rowsOf(ends.source, each.table, columns), await rowsOf(ends.destination, targetOf(each), columns)];
  return source.length === destination.length && source.every((row, index) => row === destination[index]);
}

async function columnNames(database: TestDatabase, { table: name, without = [] }: ComparedTable): Promise<readonly string[]> {
  const rows = await database.query(
    `SELECT attname FROM pg_catalog.pg_attribute
     WHERE attrelid = $1::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
    [quoteName(name)],
  );
  return rows.map(([column]) => column ?? '').filter((column) => !without.includes(column));
}

async function isPartitioned(database: TestDatabase, name: QualifiedName): Promise<boolean> {
  const [row] = await database.query('SELECT relkind FROM pg_catalog.pg_class WHERE oid = $1::pg_catalog.regclass', [quoteName(name)]);
  return row?.[0] === 'p';
}

function targetOf(each: ComparedTable): QualifiedName {
  return each.target ?? each.table;
}
