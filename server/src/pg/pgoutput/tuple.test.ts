// Walking a tuple must stop at the message's end even where the buffer goes on with somebody else's bytes.
import { describe, expect, it } from 'vitest';
import {
  columnKind,
  nextColumn,
  skipColumn,
  skipTuple,
  TUPLE_HEADER_BYTES,
  TupleKind,
  tupleColumnCount,
  valueLengthBytes,
} from './tuple.ts';

/** Four columns (NULL, unchanged, the text `ab`, one binary byte), and then bytes that don't belong to the tuple. */
const BYTES = Buffer.concat([Buffer.from('00046e757400000002616262000000017f', 'hex'), Buffer.alloc(20, 'n')]);
const END = 17;

describe('a tuple', () => {
  it('is walked column by column', () => {
    expect(tupleColumnCount(BYTES, 0, END)).toBe(4);
    const kinds: number[] = [];
    let at = TUPLE_HEADER_BYTES;
    while (at < END) {
      expect(nextColumn(BYTES, at)).toBe(skipColumn(BYTES, at, END));
      kinds.push(columnKind(BYTES, at));
      at = nextColumn(BYTES, at);
    }
    expect(at).toBe(END);
    expect(kinds).toEqual([TupleKind.null, TupleKind.unchanged, TupleKind.text, TupleKind.binary]);
    expect(valueLengthBytes(BYTES, 4)).toBe(2);
  });

  it('is skipped whole', () => {
    expect(skipTuple(BYTES, 0, END)).toBe(END);
    expect(skipTuple(BYTES, 0, BYTES.length)).toBe(END);
    expect(skipTuple(Buffer.from('0000', 'hex'), 0, 2)).toBe(2);
  });

  it.each([
    [0, 'a tuple is cut off'],
    [1, 'a tuple is cut off'],
    [2, 'a tuple is cut off'],
    [3, 'a tuple is cut off'],
    [4, 'a tuple is cut off'],
    [5, 'a value length is cut off'],
    [8, 'a value length is cut off'],
    [9, 'a value is cut off'],
    [10, 'a value is cut off'],
    [11, 'a tuple is cut off'],
    [15, 'a value length is cut off'],
    [16, 'a value is cut off'],
  ])('is refused when it ends after %i bytes', (end, what) => {
    expect(() => skipTuple(BYTES, 0, end)).toThrow(expect.objectContaining({ name: 'ProtocolError', what }));
  });

  it('is refused with a length that leads backwards', () => {
    for (const length of ['ffffffff', 'fffffffb', '80000000']) {
      const bytes = Buffer.from(`000174${length}`, 'hex');
      expect(() => skipTuple(bytes, 0, bytes.length)).toThrow('a value length is negative');
    }
  });
});
