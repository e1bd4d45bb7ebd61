// Rows in COPY's text format: values escaped and parted by tabs, `\N` for NULL, a lone NUL byte as our mark for unknown.
import { ProtocolError } from '../../pg/protocol-error.ts';
import { escapeInto } from '../../pg/copy/text.ts';
import type { GrowBuffer } from './grow-buffer.ts';
import { checkedColumnCount, KIND_NULL, KIND_TEXT, KIND_UNCHANGED, type RowFormat, type RowSlice, valueSize } from './row-format.ts';

const TAB = 0x09;
const NEWLINE = 0x0a;
const BACKSLASH = 0x5c;
const UPPER_N = 0x4e;
/** Postgres text never holds NUL, so a field that is one NUL byte can't be a value. */
const UNKNOWN = 0x00;

export const textRows: RowFormat = {
  name: 'text',

  appendTuple(out, tuple, columnCount) {
    checkedColumnCount(tuple, columnCount);
    const { bytes, end } = tuple;
    // Escaping at most doubles a value; NULL and the separators fit into the dropped kind and length bytes or 3 more.
    out.reserve((end - tuple.at) * 2 + columnCount * 3 + 1);
    let at = tuple.at + 2;
    let unknown = 0;
    for (let column = 0; column < columnCount; column++) {
      if (column > 0) out.bytes[out.length++] = TAB;
      const kind = kindAt(bytes, at, end);
      if (kind === KIND_UNCHANGED) unknown++;
      at = appendField(out, bytes, at, end);
    }
    out.bytes[out.length++] = NEWLINE;
    return unknown;
  },

  appendColumns(out, tuple, columns) {
    const { bytes, end } = tuple;
    out.reserve((end - tuple.at) * 2 + columns.length * 3 + 1);
    let at = tuple.at + 2;
    let next = 0;
    let unknown = 0;
    for (let column = 0; next < columns.length; column++) {
      const kind = kindAt(bytes, at, end);
      if (columns[next] !== column) {
        at = skipField(bytes, at, end);
        continue;
      }
      if (next > 0) out.bytes[out.length++] = TAB;
      if (kind !== KIND_TEXT) unknown++;
      at = appendField(out, bytes, at, end);
      next++;
    }
    out.bytes[out.length++] = NEWLINE;
    return unknown;
  },

  appendSparse(out, tuple, columns, columnCount) {
    checkedColumnCount(tuple, columnCount);
    const { bytes, end } = tuple;
    out.reserve((end - tuple.at) * 2 + columnCount * 3 + 1);
    let at = tuple.at + 2;
    let next = 0;
    let unknown = 0;
    for (let column = 0; column < columnCount; column++) {
      if (column > 0) out.bytes[out.length++] = TAB;
      const kind = kindAt(bytes, at, end);
      const wanted = columns[next] === column;
      if (wanted) next++;
      if (wanted && kind !== KIND_UNCHANGED) at = appendField(out, bytes, at, end);
      else {
        unknown++;
        out.bytes[out.length++] = UNKNOWN;
        at = skipField(bytes, at, end);
      }
    }
    out.bytes[out.length++] = NEWLINE;
    return unknown;
  },

  appendMerged(out, patch, base, columnCount) {
    out.reserve(patch.end - patch.start + (base.end - base.start));
    let at = patch.start;
    let baseAt = base.start;
    let unknown = 0;
    for (let column = 0; column < columnCount; column++) {
      if (column > 0) out.bytes[out.length++] = TAB;
      const fieldEnd = endOfField(patch.bytes, at);
      const baseEnd = endOfField(base.bytes, baseAt);
      if (!isUnknown(patch.bytes, at, fieldEnd)) appendRange(out, patch.bytes, at, fieldEnd);
      else {
        if (isUnknown(base.bytes, baseAt, baseEnd)) unknown++;
        appendRange(out, base.bytes, baseAt, baseEnd);
      }
      at = fieldEnd + 1;
      baseAt = baseEnd + 1;
    }
    out.bytes[out.length++] = NEWLINE;
    return unknown;
  },

  appendPicked(out, row, columns) {
    out.reserve(row.end - row.start + 1);
    let at = row.start;
    let next = 0;
    for (let column = 0; next < columns.length; column++) {
      const fieldEnd = endOfField(row.bytes, at);
      if (columns[next] === column) {
        if (next > 0) out.bytes[out.length++] = TAB;
        appendRange(out, row.bytes, at, fieldEnd);
        next++;
      }
      at = fieldEnd + 1;
    }
    out.bytes[out.length++] = NEWLINE;
  },

  appendJoined(out, left, right) {
    out.reserve(left.end - left.start + (right.end - right.start));
    appendRange(out, left.bytes, left.start, left.end - 1);
    out.bytes[out.length++] = TAB;
    appendRange(out, right.bytes, right.start, right.end);
  },

  unknownColumns(row: RowSlice, columnCount: number): number[] {
    const unknown: number[] = [];
    let at = row.start;
    for (let column = 0; column < columnCount; column++) {
      const fieldEnd = endOfField(row.bytes, at);
      if (isUnknown(row.bytes, at, fieldEnd)) unknown.push(column);
      at = fieldEnd + 1;
    }
    return unknown;
  },
};

function kindAt(bytes: Buffer, at: number, end: number): number {
  if (at >= end) throw new ProtocolError('tuple ends before its last column', at);
  return bytes[at] as number;
}

/** Appends the field whose kind byte is at `at`; returns the offset after it. */
function appendField(out: GrowBuffer, bytes: Buffer, at: number, end: number): number {
  switch (bytes[at]) {
    case KIND_TEXT: {
      const size = valueSize(bytes, at + 1, end);
      out.length = escapeInto(out.bytes, out.length, bytes, at + 5, at + 5 + size);
      return at + 5 + size;
    }
    case KIND_NULL:
      out.bytes[out.length++] = BACKSLASH;
      out.bytes[out.length++] = UPPER_N;
      return at + 1;
    case KIND_UNCHANGED:
      out.bytes[out.length++] = UNKNOWN;
      return at + 1;
    default:
      throw new ProtocolError(`column kind ${bytes[at]} in a text stream`, at);
  }
}

function skipField(bytes: Buffer, at: number, end: number): number {
  return bytes[at] === KIND_TEXT ? at + 5 + valueSize(bytes, at + 1, end) : at + 1;
}

/** Tabs and newlines inside values are escaped, so the next bare one ends the field. */
function endOfField(bytes: Buffer, at: number): number {
  let end = at;
  while (bytes[end] !== TAB && bytes[end] !== NEWLINE) end++;
  return end;
}

function isUnknown(bytes: Buffer, start: number, end: number): boolean {
  return end - start === 1 && bytes[start] === UNKNOWN;
}

function appendRange(out: GrowBuffer, bytes: Buffer, start: number, end: number): void {
  bytes.copy(out.bytes, out.length, start, end);
  out.length += end - start;
}
