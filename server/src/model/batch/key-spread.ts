// Tells keys that lie close together from scattered ones, because the fastest way to change many rows depends on it.
import type { KeyIndex } from './key-index.ts';
import type { TransferFormat } from './row-format.ts';

/** Fewer keys than this say nothing, and cost little either way. */
const LEAST_KEYS = 1_000;
/** Up to this distance between neighbours, most pages of the table hold several of the keys. */
const DENSE_GAP = 16;

/**
 * Whether the keys are many and near to each other: one integer column, with few others in between. Only a guess (gaps in the source's
 * numbers make it wrong), so nothing but speed may depend on it.
 */
export function keysAreDense(index: KeyIndex, format: TransferFormat): boolean {
  if (index.count < LEAST_KEYS) return false;
  const valueOf = format === 'binary' ? binaryInteger : textInteger;
  const { bytes } = index.keys;
  let least = Number.POSITIVE_INFINITY;
  let greatest = Number.NEGATIVE_INFINITY;
  for (let entry = 0; entry < index.count; entry++) {
    const value = valueOf(bytes, index.startOf(entry), index.endOf(entry));
    if (Number.isNaN(value)) return false;
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  return (greatest - least) / index.count <= DENSE_GAP;
}

/** The only column of a row in COPY's binary form, where it has the size of an int4 or int8; otherwise NaN. */
function binaryInteger(bytes: Buffer, start: number, end: number): number {
  switch (end - start) {
    case COUNT_BYTES + LENGTH_BYTES + 4:
      return bytes.readInt32BE(end - 4);
    case COUNT_BYTES + LENGTH_BYTES + 8:
      return bytes.readInt32BE(end - 8) * 2 ** 32 + bytes.readUInt32BE(end - 4);
    default:
      return Number.NaN;
  }
}

const COUNT_BYTES = 2;
const LENGTH_BYTES = 4;

/** The same for a row in COPY's text form, which ends with a newline. */
function textInteger(bytes: Buffer, start: number, end: number): number {
  const sign = bytes[start] === MINUS ? -1 : 1;
  const first = sign === -1 ? start + 1 : start;
  const last = end - 1;
  if (last <= first || last - first > MAX_DIGITS) return Number.NaN;
  let value = 0;
  for (let at = first; at < last; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return sign * value;
}

const MINUS = 0x2d;
const ZERO = 0x30;
/** Of an int8. */
const MAX_DIGITS = 19;
