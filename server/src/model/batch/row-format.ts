// Turns a tuple of the stream into one row of COPY, in the format that the stream is in, without looking at any value.
import { ProtocolError } from '../../pg/protocol-error.ts';
import type { GrowBuffer } from './grow-buffer.ts';

/** How values travel: the server's binary form, or its text form. One per stream. */
export type TransferFormat = 'binary' | 'text';

/**
 * Rows as COPY reads them, appended to an arena. A column that the source left out because it did not change
 * (unchanged TOAST) is kept as a mark that no value can have, until it is merged or the row is applied as a partial update.
 *
 * Every method throws a `ProtocolError` when the tuple is malformed, or its column count is not `columnCount`.
 */
export interface RowFormat {
  readonly name: TransferFormat;
  /** Appends the whole tuple; returns how many columns are unknown. */
  appendTuple(out: GrowBuffer, tuple: TupleSlice, columnCount: number): number;
  /** Appends a row of only `columns` (ascending) of the tuple: a key; returns how many of them are unknown or NULL, which no key is. */
  appendColumns(out: GrowBuffer, tuple: TupleSlice, columns: readonly number[]): number;
  /** Appends a row of `columnCount` columns of which only `columns` (ascending) are taken from the tuple; returns how many are unknown. */
  appendSparse(out: GrowBuffer, tuple: TupleSlice, columns: readonly number[], columnCount: number): number;
  /** Appends the row at `patch`, with its unknown columns taken from the row at `base`; returns how many stay unknown. */
  appendMerged(out: GrowBuffer, patch: RowSlice, base: RowSlice, columnCount: number): number;
  /** Appends a row of only `columns` (ascending) of a stored row. */
  appendPicked(out: GrowBuffer, row: RowSlice, columns: readonly number[]): void;
  /** Appends one row made of all columns of `left` and then all of `right`; both have at least one column. */
  appendJoined(out: GrowBuffer, left: RowSlice, right: RowSlice): void;
  /** Which columns of a stored row are unknown. */
  unknownColumns(row: RowSlice, columnCount: number): number[];
}

/** TupleData inside a message: `bytes[at]` is its column count. Source: manual, "54.9. Logical Replication Message Formats". */
export interface TupleSlice {
  bytes: Buffer;
  at: number;
  end: number;
}

/** A stored row: `start` inclusive, `end` exclusive. */
export interface RowSlice {
  bytes: Buffer;
  start: number;
  end: number;
}

export const KIND_NULL = 0x6e; // 'n'
export const KIND_UNCHANGED = 0x75; // 'u'
export const KIND_TEXT = 0x74; // 't'
export const KIND_BINARY = 0x62; // 'b'

/** Copying by a loop is faster than a native call for short values (measured on Node 20). */
const SHORT_VALUE_BYTES = 32;

/** Copies `size` bytes, whichever way is faster for that size. */
export function copyBytes(from: Buffer, at: number, size: number, to: Buffer, target: number): void {
  if (size > SHORT_VALUE_BYTES) {
    from.copy(to, target, at, at + size);
    return;
  }
  for (let i = 0; i < size; i++) to[target + i] = from[at + i] as number;
}

/** The tuple's column count, checked against what the relation says. */
export function checkedColumnCount(tuple: TupleSlice, columnCount: number): void {
  const { bytes, at, end } = tuple;
  if (at + 2 > end) throw new ProtocolError('tuple ends before its column count', at);
  const found = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  if (found !== columnCount) throw new ProtocolError(`tuple has ${found} columns, its relation ${columnCount}`, at);
}

/** Reads a value's length after its kind byte, checked against the end of the message. */
export function valueSize(bytes: Buffer, at: number, end: number): number {
  if (at + 4 > end) throw new ProtocolError('tuple ends inside a length', at);
  const size =
    ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
  if (size < 0 || at + 4 + size > end) throw new ProtocolError(`value of ${size} bytes does not fit its message`, at);
  return size;
}
