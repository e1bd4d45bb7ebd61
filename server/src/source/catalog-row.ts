// Reads the text values of a catalogue row by position, so that a query and its reader stay in step or fail loudly.
import { must } from '../lib/assert.ts';

type Row = readonly (string | null)[];

/** The value at `index`; throws when it is NULL, because the column never is. */
export function textAt(row: Row, index: number): string {
  return must(row[index], `column ${index} of a catalogue row`);
}

/** The value at `index`, or null. */
export function optionalTextAt(row: Row, index: number): string | null {
  return row[index] ?? null;
}

/** An integer that is at most 2^53 (OIDs, counts, sizes on disk). */
export function intAt(row: Row, index: number): number {
  const value = Number(textAt(row, index));
  if (!Number.isSafeInteger(value)) throw new TypeError(`column ${index} of a catalogue row is not an integer: ${textAt(row, index)}`);
  return value;
}

/** An integer, or null. */
export function optionalIntAt(row: Row, index: number): number | null {
  return optionalTextAt(row, index) === null ? null : intAt(row, index);
}

/** A boolean; NULL is false, which is what a `has_…_privilege` function gives for a relation that was dropped meanwhile. */
export function boolAt(row: Row, index: number): boolean {
  return row[index] === 't';
}

/** Rows by the integer at `index`, in their order. */
export function groupRows<R extends Row>(rows: readonly R[], index: number): ReadonlyMap<number, readonly R[]> {
  const groups = new Map<number, R[]>();
  for (const row of rows) {
    const key = intAt(row, index);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}
