import { describe, expect, test } from 'vitest';
import { KeyIndex } from './key-index.ts';
import { keysAreDense } from './key-spread.ts';
import type { TransferFormat } from './row-format.ts';

const FORMATS = ['binary', 'text'] as const;

describe.each(FORMATS)('keys in %s form', (format) => {
  const dense = (values: Iterable<bigint | number>) => keysAreDense(indexOf(format, values), format);
  const series = (count: number, step: number, from = 0) => Array.from({ length: count }, (_, i) => from + i * step);

  test.each([
    ['every fourth number', series(2_000, 4), true],
    ['the same, downwards and below zero', series(2_000, -4, 500), true],
    ['numbers beyond 2^32', series(2_000, 3, 2 ** 40), true],
    ['every hundredth number', series(2_000, 100), false],
    ['neighbours with one far away', [...series(2_000, 1), 2 ** 50], false],
    ['too few to tell', series(999, 1), false],
  ])('that are %s: %s', (_, values, expected) => {
    expect(dense(values)).toBe(expected);
  });

  test('of another shape are never dense', () => {
    const index = indexOf(format, series(2_000, 1));
    append(index, format === 'binary' ? [Buffer.from('0123456789abcdef')] : [Buffer.from('a')]);
    expect(keysAreDense(index, format)).toBe(false);
    const pairs = new KeyIndex();
    for (let i = 0; i < 2_000; i++) append(pairs, format === 'binary' ? [int4(1), int4(i)] : [Buffer.from(`1\t${i}`)]);
    expect(keysAreDense(pairs, format)).toBe(false);
  });

  function append(index: KeyIndex, values: readonly Buffer[]): void {
    const start = index.keys.length;
    const row = format === 'binary' ? binaryRow(values) : Buffer.concat([...values, Buffer.from('\n')]);
    index.keys.reserve(row.length);
    row.copy(index.keys.bytes, start);
    index.keys.length = start + row.length;
    index.resolve(start);
  }

  function indexOf(of: TransferFormat, values: Iterable<bigint | number>): KeyIndex {
    const index = new KeyIndex();
    for (const value of values) append(index, [of === 'binary' ? int8(value) : Buffer.from(String(value))]);
    return index;
  }
});

function binaryRow(values: readonly Buffer[]): Buffer {
  const parts: Buffer[] = [Buffer.from([values.length >> 8, values.length])];
  for (const value of values) {
    const length = Buffer.alloc(4);
    length.writeInt32BE(value.length);
    parts.push(length, value);
  }
  return Buffer.concat(parts);
}

function int4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int8(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}
