// Fills what an update left out of its new row from the old row that came along: an unchanged value stored out of line is not sent again.
import { GrowBuffer } from './grow-buffer.ts';
import type { RowFormat, TupleSlice } from './row-format.ts';

/** The old row of an update or delete: all of it, or only the columns of its key. */
export interface OldRow {
  readonly tuple: TupleSlice;
  readonly isFull: boolean;
}

/** Appends the new row, completed from the old one; returns how many columns stay unknown. */
export function appendNewRow(
  format: RowFormat,
  out: GrowBuffer,
  old: OldRow,
  tuple: TupleSlice,
  keyColumns: readonly number[],
  columnCount: number,
): number {
  const start = out.length;
  const unknown = format.appendTuple(out, tuple, columnCount);
  if (unknown === 0) return 0;
  const base = new GrowBuffer();
  if (old.isFull) format.appendTuple(base, old.tuple, columnCount);
  else format.appendSparse(base, old.tuple, keyColumns, columnCount);
  return mergeLast(format, out, start, base, columnCount);
}

/** Appends the key of the new row; returns how many of its columns are unknown even so. */
export function appendNewKey(
  format: RowFormat,
  out: GrowBuffer,
  oldTuple: TupleSlice,
  tuple: TupleSlice,
  keyColumns: readonly number[],
): number {
  const start = out.length;
  if (format.appendColumns(out, tuple, keyColumns) === 0) return 0;
  const base = new GrowBuffer();
  format.appendColumns(base, oldTuple, keyColumns);
  return mergeLast(format, out, start, base, keyColumns.length);
}

/** Replaces the row that begins at `start`, the last one, by itself merged onto `base`. */
function mergeLast(format: RowFormat, out: GrowBuffer, start: number, base: GrowBuffer, columnCount: number): number {
  const patch = Buffer.from(out.bytes.subarray(start, out.length));
  out.length = start;
  return format.appendMerged(
    out,
    { bytes: patch, start: 0, end: patch.length },
    { bytes: base.bytes, start: 0, end: base.length },
    columnCount,
  );
}
