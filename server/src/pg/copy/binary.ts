// Writes the binary COPY format: a row is a column count and length-prefixed values, the same shape as pgoutput sends rows.
// Source: PostgreSQL manual, "COPY", File Formats, Binary Format.
import { copyBytes, writeInt16, writeInt32 } from '../bytes.ts';

/** Bytes that every binary COPY begins with; flags and extension follow. */
export const COPY_SIGNATURE: Uint8Array = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');

/** Signature, flags and the length of an extension that is not there. */
export const COPY_HEADER_BYTES = 19;
/** The column count -1, which no row has. */
export const COPY_TRAILER_BYTES = 2;
/** The column count before the values of a row. */
export const COPY_ROW_HEADER_BYTES = 2;
/** The length word before a value, which is all that a NULL has. */
export const COPY_VALUE_HEADER_BYTES = 4;

/** The length word of a NULL. */
export const COPY_NULL_LENGTH = -1;
/** The column count that marks the end. */
export const COPY_END_COUNT = -1;

/** Writes the header and returns the offset behind it. As all writers here: the caller guarantees the room. */
export function writeCopyHeader(target: Uint8Array, at: number): number {
  target.set(COPY_SIGNATURE, at);
  const flagsAt = at + COPY_SIGNATURE.length;
  return writeInt32(target, writeInt32(target, flagsAt, 0), 0);
}

/** Writes what ends the data and returns the offset behind it. */
export function writeCopyTrailer(target: Uint8Array, at: number): number {
  return writeInt16(target, at, COPY_END_COUNT);
}

/** Begins a row of `columnCount` columns; so many values or NULLs have to follow. */
export function writeCopyRowHeader(target: Uint8Array, at: number, columnCount: number): number {
  return writeInt16(target, at, columnCount);
}

/** Writes a NULL. */
export function writeCopyNull(target: Uint8Array, at: number): number {
  return writeInt32(target, at, COPY_NULL_LENGTH);
}

/** Writes the value `source[start, end)`, which is in the type's binary form (for a `text` column: its text). */
export function writeCopyValue(target: Uint8Array, at: number, source: Uint8Array, start: number, end: number): number {
  return copyBytes(target, writeInt32(target, at, end - start), source, start, end);
}
