// Writes values in the text format of COPY. Source: PostgreSQL manual, "COPY", File Formats, Text Format.
import { copyBytes, uint8At } from '../bytes.ts';

/** Stands between two columns. */
const COPY_TEXT_DELIMITER = 0x09; // tab
/** Ends a row. */
const COPY_TEXT_NEWLINE = 0x0a;
/** Bytes of a NULL, `\N`. */
const COPY_TEXT_NULL_BYTES = 2;

/** The most bytes that `sizeBytes` bytes of value take when every one of them must be escaped. */
export function maxEscapedBytes(sizeBytes: number): number {
  return sizeBytes * 2;
}

/** Whether a byte of a value has to be escaped: backslash, newline, carriage return and the delimiter. */
export function needsEscape(byte: number): boolean {
  return ESCAPE_LETTER[byte] !== 0;
}

/**
 * Copies the value `source[start, end)` to `target` at `at` while escaping it, and returns the offset behind it. The caller
 * guarantees room for `maxEscapedBytes(end - start)`. Any byte passes unharmed in UTF-8 and in the server encodings, in
 * which no byte of a longer character is one of the escaped ones; a NUL can't be in a value and isn't looked for.
 */
export function escapeInto(target: Uint8Array, at: number, source: Uint8Array, start: number, end: number): number {
  let to = at;
  let runStart = start;
  for (let i = start; i < end; i++) {
    const letter = ESCAPE_LETTER[uint8At(source, i)] as number;
    if (letter === 0) continue;
    to = copyBytes(target, to, source, runStart, i);
    target[to] = BACKSLASH;
    target[to + 1] = letter;
    to += 2;
    runStart = i + 1;
  }
  return copyBytes(target, to, source, runStart, end);
}

/** Writes a NULL and returns the offset behind it. */
export function writeTextNull(target: Uint8Array, at: number): number {
  target[at] = BACKSLASH;
  target[at + 1] = 0x4e; // N
  return at + COPY_TEXT_NULL_BYTES;
}

const BACKSLASH = 0x5c;

/** For each byte, the letter that follows the backslash; 0 for a byte that stands for itself. */
const ESCAPE_LETTER = escapeLetters();

function escapeLetters(): Uint8Array {
  const letters = new Uint8Array(256);
  letters[BACKSLASH] = BACKSLASH;
  letters[COPY_TEXT_NEWLINE] = 0x6e; // n
  letters[0x0d] = 0x72; // r
  letters[COPY_TEXT_DELIMITER] = 0x74; // t
  return letters;
}
