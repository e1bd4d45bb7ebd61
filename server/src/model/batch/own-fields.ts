// Appends fields of our own to rows in COPY form: the kind, position and time of a change have no place in the stream's tuple.
import { copyText } from '../../pg/timestamp.ts';
import { formatLsn, type Lsn } from '../../pg/lsn.ts';
import type { GrowBuffer } from './grow-buffer.ts';
import type { TransferFormat } from './row-format.ts';

/** A value of ours. `word` is ASCII without anything that COPY would escape. */
export type OwnField =
  | { readonly type: 'word'; readonly value: string }
  | { readonly type: 'lsn'; readonly value: Lsn }
  | { readonly type: 'time'; readonly value: bigint | null }
  | { readonly type: 'count'; readonly value: number }
  | { readonly type: 'flag'; readonly value: boolean };

/** Fields as they stand in a row of COPY, to be appended by `extendRow`. */
export function encodeFields(format: TransferFormat, fields: readonly OwnField[]): Buffer {
  return format === 'binary'
    ? Buffer.concat(fields.map(binaryField))
    : Buffer.from(fields.map((field) => `\t${textField(field)}`).join(''), 'latin1');
}

/** Puts `count` encoded fields behind the last row of `out`, which begins at `start` and has `columnCount` columns. */
export function extendRow(
  format: TransferFormat,
  out: GrowBuffer,
  row: { readonly start: number; readonly columnCount: number },
  fields: { readonly bytes: Buffer; readonly count: number },
): void {
  out.reserve(fields.bytes.length + 1);
  if (format === 'binary') {
    out.bytes.writeUInt16BE(row.columnCount + fields.count, row.start);
    out.length += fields.bytes.copy(out.bytes, out.length);
    return;
  }
  // The row's newline goes, and so does the first tab where there is nothing in front of it.
  out.length--;
  out.length += fields.bytes.copy(out.bytes, out.length, row.columnCount === 0 ? 1 : 0);
  out.bytes[out.length++] = NEWLINE;
}

/** Appends a row of `columnCount` NULLs. */
export function appendNulls(format: TransferFormat, out: GrowBuffer, columnCount: number): void {
  const bytes =
    format === 'binary'
      ? Buffer.concat([int16(columnCount), Buffer.alloc(columnCount * 4, 0xff)])
      : Buffer.from(`${Array.from({ length: columnCount }, () => '\\N').join('\t')}\n`, 'latin1');
  out.reserve(bytes.length);
  out.length += bytes.copy(out.bytes, out.length);
}

const NEWLINE = 0x0a;
const NULL_LENGTH = -1;

function textField(field: OwnField): string {
  switch (field.type) {
    case 'word':
      return field.value;
    case 'lsn':
      return formatLsn(field.value);
    case 'time':
      return field.value === null ? '\\N' : copyText(field.value);
    case 'count':
      return String(field.value);
    case 'flag':
      return field.value ? 't' : 'f';
  }
}

/** Source: the types' send functions; `timestamptz` counts microseconds since 2000, `pg_lsn` is the position itself. */
function binaryField(field: OwnField): Buffer {
  switch (field.type) {
    case 'word':
      return sized(Buffer.from(field.value, 'latin1'));
    case 'lsn':
      return sized(int64(field.value));
    case 'time':
      return field.value === null ? int32(NULL_LENGTH) : sized(int64(field.value));
    case 'count':
      return sized(int64(BigInt(field.value)));
    case 'flag':
      return sized(Buffer.from([field.value ? 1 : 0]));
  }
}

function sized(bytes: Buffer): Buffer {
  return Buffer.concat([int32(bytes.length), bytes]);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt.asIntN(64, value));
  return bytes;
}
