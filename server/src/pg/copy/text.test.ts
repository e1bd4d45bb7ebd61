// Escaping must be undone exactly by the rules that COPY FROM reads with, for every sequence of bytes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeInto, maxEscapedBytes, needsEscape, writeTextNull } from './text.ts';

describe('escapeInto', () => {
  it('is undone by the unescaping of COPY FROM, for any bytes and any bounds', () => {
    fc.assert(
      fc.property(anyValue, fc.nat(40), fc.nat(10), (value, margin, at) => {
        const source = Buffer.concat([Buffer.alloc(margin, 0x5c), value, Buffer.alloc(margin, 0x5c)]);
        const target = Buffer.alloc(at + maxEscapedBytes(value.length) + 1, 0xee);
        const end = escapeInto(target, at, source, margin, margin + value.length);
        expect(unescape(target.subarray(at, end)).equals(value)).toBe(true);
        expect(target[end]).toBe(0xee);
      }),
      { numRuns: 1_000 },
    );
  });

  it('leaves no byte that would end a value or a row', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const target = Buffer.alloc(maxEscapedBytes(value.length));
        const written = target.subarray(0, escapeInto(target, 0, value, 0, value.length));
        for (const byte of written) expect([0x09, 0x0a, 0x0d]).not.toContain(byte);
      }),
    );
  });

  it('keeps a value that reads like NULL or like the end of data apart from them', () => {
    for (const text of ['\\N', '\\.']) {
      const target = Buffer.alloc(8);
      const end = escapeInto(target, 0, Buffer.from(text), 0, text.length);
      expect(target.toString('latin1', 0, end)).toBe(`\\${text}`);
    }
    const target = Buffer.alloc(2);
    expect(target.toString('latin1', 0, writeTextNull(target, 0))).toBe('\\N');
  });

  it('takes exactly the room that the caller has to guarantee when everything is escaped', () => {
    const source = Buffer.alloc(100, '\n');
    const target = Buffer.alloc(maxEscapedBytes(100));
    expect(escapeInto(target, 0, source, 0, 100)).toBe(200);
  });

  it('escapes four bytes and no others', () => {
    expect(Array.from({ length: 256 }, (_, byte) => byte).filter(needsEscape)).toEqual([0x09, 0x0a, 0x0d, 0x5c]);
  });
});

/** Bytes among which the special ones are frequent, long enough for both ways of copying. */
const anyValue = fc
  .array(fc.oneof(fc.constantFrom(0x5c, 0x0a, 0x0d, 0x09), fc.nat(255), fc.constant(0x61)), { maxLength: 200 })
  .map((bytes) => Buffer.from(bytes));

/** The manual's rules for reading: backslash and a letter stand for a control character, any other character for itself. */
function unescape(text: Buffer): Buffer {
  const letters: Readonly<Record<string, number>> = { b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const byte = text.readUInt8(i);
    if (byte !== 0x5c) {
      bytes.push(byte);
      continue;
    }
    i++;
    const next = text.readUInt8(i);
    bytes.push(letters[String.fromCharCode(next)] ?? next);
  }
  return Buffer.from(bytes);
}
