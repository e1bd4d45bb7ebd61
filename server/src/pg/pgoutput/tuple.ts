// Walks the values of a row as pgoutput sends it, by offset: no object and no slice per value.
// Source: PostgreSQL manual, "54.9. Logical Replication Message Formats", TupleData.
import { int16At, int32At, requireBytes, uint8At } from '../bytes.ts';
import { ProtocolError } from '../protocol-error.ts';

/** How a column's value is sent: its kind byte. */
export const TupleKind = {
  null: 0x6e, // n
  /** An unchanged TOASTed value, which is not sent at all: unknown, not NULL. */
  unchanged: 0x75, // u
  text: 0x74, // t
  binary: 0x62, // b
} as const;

/** Bytes of the column count before the first column. */
export const TUPLE_HEADER_BYTES = 2;

/** Bytes of kind and length before the value of a text or binary column. */
export const VALUE_HEADER_BYTES = 5;

/** The number of columns of the tuple at `at`; the first column is at `at + TUPLE_HEADER_BYTES`. */
export function tupleColumnCount(bytes: Buffer, at: number, end: number): number {
  requireBytes(at, TUPLE_HEADER_BYTES, end, 'a tuple');
  const count = int16At(bytes, at);
  if (count < 0) throw new ProtocolError('a tuple has a negative number of columns', at);
  return count;
}

/** Checks the whole tuple at `at` and returns the offset behind it. */
export function skipTuple(bytes: Buffer, at: number, end: number): number {
  const count = tupleColumnCount(bytes, at, end);
  let next = at + TUPLE_HEADER_BYTES;
  for (let column = 0; column < count; column++) next = skipColumn(bytes, next, end);
  return next;
}

/** Checks the column at `at` (its kind byte) and returns the offset of the next one. */
export function skipColumn(bytes: Buffer, at: number, end: number): number {
  if (at >= end) throw new ProtocolError('a tuple is cut off', at);
  const kind = uint8At(bytes, at);
  if (kind === TupleKind.text || kind === TupleKind.binary) {
    if (at + VALUE_HEADER_BYTES > end) throw new ProtocolError('a value length is cut off', at);
    const length = int32At(bytes, at + 1);
    if (length < 0) throw new ProtocolError('a value length is negative', at + 1);
    const next = at + VALUE_HEADER_BYTES + length;
    if (next > end) throw new ProtocolError('a value is cut off', at);
    return next;
  }
  if (kind === TupleKind.null || kind === TupleKind.unchanged) return at + 1;
  throw new ProtocolError('a column has an unknown kind', at);
}

/** The kind byte of the column at `at`. For tuples that were checked, as are those that the decoder hands out. */
export function columnKind(bytes: Buffer, at: number): number {
  return uint8At(bytes, at);
}

/** Length in bytes of the text or binary value at `at`, which begins at `at + VALUE_HEADER_BYTES`. For checked tuples. */
export function valueLengthBytes(bytes: Buffer, at: number): number {
  return int32At(bytes, at + 1);
}

/** The offset of the column behind the one at `at`. For checked tuples. */
export function nextColumn(bytes: Buffer, at: number): number {
  const kind = uint8At(bytes, at);
  return kind === TupleKind.text || kind === TupleKind.binary ? at + VALUE_HEADER_BYTES + int32At(bytes, at + 1) : at + 1;
}
