// Rows that were written must come back whole however the COPY is cut, and nothing else may be taken for rows.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { int16At, int32At } from '../bytes.ts';
import { ProtocolError } from '../protocol-error.ts';
import { COPY_HEADER_BYTES, writeCopyHeader, writeCopyNull, writeCopyRowHeader, writeCopyTrailer, writeCopyValue } from './binary.ts';
import { CopyBinaryReader } from './binary-reader.ts';

type CopyRow = readonly (Buffer | null)[];

describe('binary COPY', () => {
  it('has the bytes of the manual', () => {
    expect(writeCopy([[Buffer.from('ab'), null]]).toString('hex')).toBe(
      '5047434f50590aff0d0a00' + '00000000' + '00000000' + '0002' + '00000002' + '6162' + 'ffffffff' + 'ffff',
    );
  });

  it('gives back every row, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { maxLength: 10 }), fc.array(fc.nat(120)), (rows, cuts) => {
        const reader = new CopyBinaryReader(MAX_ROW_BYTES);
        expect(readCopy(reader, pieces(writeCopy(rows), cuts))).toEqual(rows);
        expect(reader.isComplete).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('gives back every row when each byte comes alone', () => {
    const rows = [[Buffer.alloc(70, 1), null], [], [Buffer.alloc(0)]];
    const singles = Array.from(writeCopy(rows), (byte) => Buffer.from([byte]));
    expect(readCopy(new CopyBinaryReader(MAX_ROW_BYTES), singles)).toEqual(rows);
  });

  it('is not complete before its trailer came', () => {
    fc.assert(
      fc.property(fc.array(anyRow, { minLength: 1, maxLength: 4 }), fc.nat(), (rows, cut) => {
        const bytes = writeCopy(rows);
        const reader = new CopyBinaryReader(MAX_ROW_BYTES);
        readCopy(reader, [bytes.subarray(0, cut % bytes.length)]);
        expect(reader.isComplete).toBe(false);
      }),
    );
  });

  it('skips a header extension and flags that need not be understood', () => {
    const bytes = Buffer.concat([HEADER.subarray(0, 11), Buffer.from('0000ffff00000003aabbcc', 'hex'), Buffer.from('0000ffff', 'hex')]);
    expect(readCopy(new CopyBinaryReader(MAX_ROW_BYTES), pieces(bytes, [20, 1]))).toEqual([[]]);
  });

  it.each([
    ['another signature', Buffer.from('PGCOPY\n\xff\r\n\x01'.padEnd(19, '\0'), 'latin1')],
    ['text', Buffer.from('1\ta\n')],
    ['critical flags', Buffer.concat([HEADER.subarray(0, 11), Buffer.from('0001000000000000', 'hex')])],
    ['a negative extension', Buffer.concat([HEADER.subarray(0, 11), Buffer.from('00000000ffffffff', 'hex')])],
    ['an extension of a gigabyte', Buffer.concat([HEADER.subarray(0, 11), Buffer.from('0000000040000000', 'hex')])],
    ['a negative number of columns', Buffer.concat([HEADER, Buffer.from('fffe', 'hex')])],
    ['a negative value length', Buffer.concat([HEADER, Buffer.from('0001fffffffe', 'hex')])],
    ['a row over the limit', Buffer.concat([HEADER, Buffer.from('00017fffffff', 'hex')])],
    ['bytes behind the trailer', Buffer.concat([HEADER, Buffer.from('ffff00', 'hex')])],
  ])('is refused with %s, whole or split', (_name, bytes) => {
    expect(() => readCopy(new CopyBinaryReader(MAX_ROW_BYTES), [bytes])).toThrow(ProtocolError);
    const singles = Array.from(bytes, (byte) => Buffer.from([byte]));
    expect(() => readCopy(new CopyBinaryReader(MAX_ROW_BYTES), singles)).toThrow(ProtocolError);
  });
});

const MAX_ROW_BYTES = 64 * 1024;
const HEADER = writeCopy([]).subarray(0, COPY_HEADER_BYTES);

const anyRow: fc.Arbitrary<CopyRow> = fc.array(fc.option(fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))), {
  maxLength: 8,
});

function writeCopy(rows: readonly CopyRow[]): Buffer {
  const target = Buffer.alloc(1024 + rows.length * 1024);
  let at = writeCopyHeader(target, 0);
  for (const row of rows) {
    at = writeCopyRowHeader(target, at, row.length);
    for (const value of row) at = value === null ? writeCopyNull(target, at) : writeCopyValue(target, at, value, 0, value.length);
  }
  return target.subarray(0, writeCopyTrailer(target, at));
}

function readCopy(reader: CopyBinaryReader, chunks: readonly Buffer[]): CopyRow[] {
  const rows: CopyRow[] = [];
  for (const chunk of chunks) reader.push(chunk, 0, chunk.length, (bytes, start, end) => rows.push(readRow(bytes, start, end)));
  return rows;
}

function readRow(bytes: Buffer, start: number, end: number): CopyRow {
  const row: (Buffer | null)[] = [];
  let at = start + 2;
  for (let i = int16At(bytes, start); i > 0; i--) {
    const length = int32At(bytes, at);
    at += 4;
    row.push(length === -1 ? null : Buffer.from(bytes.subarray(at, at + length)));
    at += Math.max(length, 0);
  }
  expect(at).toBe(end);
  return row;
}

function pieces(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const size of cuts) {
    chunks.push(stream.subarray(at, at + size));
    at += size;
  }
  chunks.push(stream.subarray(at));
  return chunks;
}
