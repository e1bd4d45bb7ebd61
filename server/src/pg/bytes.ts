// Reads integers and names out of protocol buffers by offset. Buffer's own readers throw an untyped RangeError at the
// buffer's end, which is not the message's end: here every bound is the message's, and checked once per field.
import { isUtf8 } from 'node:buffer';
import { ProtocolError } from './protocol-error.ts';

/** Throws unless `sizeBytes` bytes are left before `end`; `what` names the field that would be cut off. */
export function requireBytes(at: number, sizeBytes: number, end: number, what: string): void {
  if (at + sizeBytes > end) throw new ProtocolError(`${what} is cut off`, at);
}

/** Throws unless `at` is exactly `end`: bytes left over mean that the message was read differently than it was written. */
export function requireEnd(at: number, end: number, what: string): void {
  if (at !== end) throw new ProtocolError(`${what} has ${end - at} bytes too many`, at);
}

/** The byte at `at`. Unchecked, as are all `…At` readers here: call `requireBytes` first. */
export function uint8At(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

export function int16At(bytes: Uint8Array, at: number): number {
  return (((uint8At(bytes, at) << 8) | uint8At(bytes, at + 1)) << 16) >> 16;
}

export function int32At(bytes: Uint8Array, at: number): number {
  return (uint8At(bytes, at) << 24) | (uint8At(bytes, at + 1) << 16) | (uint8At(bytes, at + 2) << 8) | uint8At(bytes, at + 3);
}

export function uint32At(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at) >>> 0;
}

/** Writes a big-endian 16-bit integer and returns the offset behind it. The caller guarantees the room. */
export function writeInt16(target: Uint8Array, at: number, value: number): number {
  target[at] = value >> 8;
  target[at + 1] = value;
  return at + 2;
}

/** Writes a big-endian 32-bit integer and returns the offset behind it. The caller guarantees the room. */
export function writeInt32(target: Uint8Array, at: number, value: number): number {
  target[at] = value >> 24;
  target[at + 1] = value >> 16;
  target[at + 2] = value >> 8;
  target[at + 3] = value;
  return at + 4;
}

/** The offset of the NUL that ends the string at `at`. Throws when there is none before `end`. */
export function stringEnd(bytes: Uint8Array, at: number, end: number, what: string): number {
  for (let i = at; i < end; i++) if (bytes[i] === 0) return i;
  throw new ProtocolError(`${what} has no end`, at);
}

/**
 * Decodes `bytes[start, end)` as UTF-8 that must be valid: a name with a replacement character in it would silently be
 * another name. (A leading byte order mark is kept: it is part of the name.)
 */
export function strictUtf8(bytes: Buffer, start: number, end: number, what: string): string {
  if (!isUtf8(bytes.subarray(start, end))) throw new ProtocolError(`${what} is not UTF-8`, start);
  return bytes.toString('utf8', start, end);
}

/** Copies `source[start, end)` to `target` at `at` and returns the offset behind it. The caller guarantees the room. */
export function copyBytes(target: Uint8Array, at: number, source: Uint8Array, start: number, end: number): number {
  const size = end - start;
  if (size > LOOP_COPY_BYTES) {
    target.set(source.subarray(start, end), at);
  } else {
    for (let i = 0; i < size; i++) target[at + i] = uint8At(source, start + i);
  }
  return at + size;
}

/** Up to this size a loop is faster than the view that `set` needs (measured on Node 20: a view costs 65 ns, a byte 2 ns). */
const LOOP_COPY_BYTES = 32;
