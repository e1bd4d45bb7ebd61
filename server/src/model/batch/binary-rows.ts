// Rows in COPY's binary format: a 16-bit column count, then each value with its 32-bit length (-1 NULL, -2 our mark for unknown).
import { ProtocolError } from '../../pg/protocol-error.ts';

import {
  checkedColumnCount,
  copyBytes,
  KIND_BINARY,
  KIND_NULL,
  KIND_UNCHANGED,
  type RowFormat,
  type RowSlice,
  valueSize,
} from './row-format.ts';

const NULL_LENGTH = -1;
/** No value has this length; COPY never sees it, because partial rows are picked apart before they are sent. */
const UNKNOWN_LENGTH = -2;

export const binaryRows: RowFormat = {
  name: 'binary',

  appendTuple(out, tuple, columnCount) {
    checkedColumnCount(tuple, columnCount);
    const { bytes, end } = tuple;
    // Each value loses its kind byte; NULL and unknown grow from 1 to 4 bytes.
    out.reserve(2 + (end - tuple.at) + columnCount * 3);
    const target = out.bytes;
    let at = tuple.at + 2;
    let to = putCount(target, out.length, columnCount);
    let unknown = 0;
    for (let column = 0; column < columnCount; column++) {
      if (at >= end) throw new ProtocolError('tuple ends before its last column', at);
      const kind = bytes[at] as number;
      if (kind === KIND_BINARY) {
        const size = valueSize(bytes, at + 1, end);
        copyBytes(bytes, at + 1, 4 + size, target, to);
        at += 5 + size;
        to += 4 + size;
      } else {
        unknown += absentKind(kind, at);
        to = putLength(target, to, kind === KIND_NULL ? NULL_LENGTH : UNKNOWN_LENGTH);
        at += 1;
      }
    }
    out.length = to;
    return unknown;
  },

  appendColumns(out, tuple, columns) {
    const { bytes, end } = tuple;
    out.reserve(2 + (end - tuple.at) + columns.length * 4);
    const target = out.bytes;
    let at = tuple.at + 2;
    let to = putCount(target, out.length, columns.length);
    let next = 0;
    let unknown = 0;
    for (let column = 0; next < columns.length; column++) {
      if (at >= end) throw new ProtocolError('tuple ends before its key', at);
      const kind = bytes[at] as number;
      const wanted = columns[next] === column;
      if (wanted) next++;
      if (kind === KIND_BINARY) {
        const size = valueSize(bytes, at + 1, end);
        if (wanted) {
          copyBytes(bytes, at + 1, 4 + size, target, to);
          to += 4 + size;
        }
        at += 5 + size;
      } else {
        absentKind(kind, at); // throws for a value in text form
        if (wanted) {
          unknown++;
          to = putLength(target, to, kind === KIND_NULL ? NULL_LENGTH : UNKNOWN_LENGTH);
        }
        at += 1;
      }
    }
    out.length = to;
    return unknown;
  },

  appendSparse(out, tuple, columns, columnCount) {
    checkedColumnCount(tuple, columnCount);
    const { bytes, end } = tuple;
    out.reserve(2 + (end - tuple.at) + columnCount * 4);
    const target = out.bytes;
    let at = tuple.at + 2;
    let to = putCount(target, out.length, columnCount);
    let next = 0;
    let unknown = 0;
    for (let column = 0; column < columnCount; column++) {
      if (at >= end) throw new ProtocolError('tuple ends before its last column', at);
      const kind = bytes[at] as number;
      const size = kind === KIND_BINARY ? valueSize(bytes, at + 1, end) : 0;
      const absent = kind === KIND_BINARY ? 0 : absentKind(kind, at);
      const wanted = columns[next] === column;
      if (wanted) next++;
      if (!wanted || absent === 1) {
        unknown++;
        to = putLength(target, to, UNKNOWN_LENGTH);
      } else if (kind === KIND_NULL) to = putLength(target, to, NULL_LENGTH);
      else {
        copyBytes(bytes, at + 1, 4 + size, target, to);
        to += 4 + size;
      }
      at += kind === KIND_BINARY ? 5 + size : 1;
    }
    out.length = to;
    return unknown;
  },

  appendMerged(out, patch, base, columnCount) {
    out.reserve(patch.end - patch.start + (base.end - base.start));
    const target = out.bytes;
    let to = putCount(target, out.length, columnCount);
    let at = patch.start + 2;
    let baseAt = base.start + 2;
    let unknown = 0;
    for (let column = 0; column < columnCount; column++) {
      const size = patch.bytes.readInt32BE(at);
      const baseSize = base.bytes.readInt32BE(baseAt);
      const field = fieldSize(size);
      const baseField = fieldSize(baseSize);
      if (size === UNKNOWN_LENGTH) {
        if (baseSize === UNKNOWN_LENGTH) unknown++;
        copyBytes(base.bytes, baseAt, baseField, target, to);
        to += baseField;
      } else {
        copyBytes(patch.bytes, at, field, target, to);
        to += field;
      }
      at += field;
      baseAt += baseField;
    }
    out.length = to;
    return unknown;
  },

  appendPicked(out, row, columns) {
    out.reserve(2 + (row.end - row.start));
    let to = putCount(out.bytes, out.length, columns.length);
    let at = row.start + 2;
    let next = 0;
    for (let column = 0; next < columns.length; column++) {
      const field = fieldSize(row.bytes.readInt32BE(at));
      if (columns[next] === column) {
        copyBytes(row.bytes, at, field, out.bytes, to);
        to += field;
        next++;
      }
      at += field;
    }
    out.length = to;
  },

  appendJoined(out, left, right) {
    out.reserve(left.end - left.start + (right.end - right.start));
    const count = left.bytes.readUInt16BE(left.start) + right.bytes.readUInt16BE(right.start);
    const at = putCount(out.bytes, out.length, count);
    const leftSize = left.end - left.start - 2;
    const rightSize = right.end - right.start - 2;
    copyBytes(left.bytes, left.start + 2, leftSize, out.bytes, at);
    copyBytes(right.bytes, right.start + 2, rightSize, out.bytes, at + leftSize);
    out.length = at + leftSize + rightSize;
  },

  unknownColumns(row: RowSlice, columnCount: number): number[] {
    const unknown: number[] = [];
    let at = row.start + 2;
    for (let column = 0; column < columnCount; column++) {
      const size = row.bytes.readInt32BE(at);
      if (size === UNKNOWN_LENGTH) unknown.push(column);
      at += fieldSize(size);
    }
    return unknown;
  },
};

function putCount(target: Buffer, at: number, count: number): number {
  target[at] = count >>> 8;
  target[at + 1] = count & 0xff;
  return at + 2;
}

function putLength(target: Buffer, at: number, length: number): number {
  target[at] = length >> 24;
  target[at + 1] = length >> 16;
  target[at + 2] = length >> 8;
  target[at + 3] = length;
  return at + 4;
}

function fieldSize(length: number): number {
  return length < 0 ? 4 : 4 + length;
}

/** 1 for an unknown value, 0 for NULL. A value in text form can't be here: such columns make the whole stream text. */
function absentKind(kind: number, at: number): number {
  if (kind === KIND_NULL) return 0;
  if (kind === KIND_UNCHANGED) return 1;
  throw new ProtocolError(`column kind ${kind} in a binary stream`, at);
}
