// Finds the rows in a binary COPY as it arrives: the protocol doesn't promise that a CopyData message holds whole rows.
// Source: PostgreSQL manual, "COPY", File Formats, Binary Format; "54.2.6. COPY Operations".
import { int16At, int32At, uint8At } from '../bytes.ts';
import { ProtocolError } from '../protocol-error.ts';
import { GatherBuffer } from '../wire/gather-buffer.ts';
import {
  COPY_END_COUNT,
  COPY_HEADER_BYTES,
  COPY_NULL_LENGTH,
  COPY_ROW_HEADER_BYTES,
  COPY_SIGNATURE,
  COPY_VALUE_HEADER_BYTES,
} from './binary.ts';

/**
 * Receives one row, column count included, as `bytes[start, end)`, checked so that its values can be walked without further
 * checks. The bytes are valid during the call only.
 */
export type OnCopyRow = (bytes: Buffer, start: number, end: number) => void;

/** Splits the payloads of a binary COPY into rows, wherever they are cut. */
export class CopyBinaryReader {
  readonly #maxRowBytes: number;
  readonly #split = new GatherBuffer();
  #stage: 'header' | 'rows' | 'ended' = 'header';
  /** How far the row at the front has been walked: a huge row in many pieces is walked once, not once per piece. */
  #walkedBytes = 0;
  #columnsLeft = 0;

  constructor(maxRowBytes: number) {
    this.#maxRowBytes = maxRowBytes;
  }

  /** Whether the trailer has come: a COPY that ends without it was cut off. */
  get isComplete(): boolean {
    return this.#stage === 'ended';
  }

  /**
   * Takes the next payload `bytes[start, end)` and calls `onRow` for every row that is complete by now.
   * Throws a `ProtocolError` on anything that is not a binary COPY; the reader is of no use after that.
   */
  push(bytes: Buffer, start: number, end: number, onRow: OnCopyRow): void {
    const split = this.#split;
    if (split.lengthBytes === 0) {
      const at = this.#consume(bytes, start, end, onRow);
      if (at < end) split.append(bytes, at, end, this.#walkedBytes);
      return;
    }
    split.append(bytes, start, end, this.#walkedBytes);
    const consumed = this.#consume(split.bytes, 0, split.lengthBytes, onRow);
    if (consumed > 0) split.dropFirst(consumed);
  }

  /** Hands out what is whole and returns where the unfinished rest begins. */
  #consume(bytes: Buffer, start: number, end: number, onRow: OnCopyRow): number {
    let at = start;
    if (this.#stage === 'header') {
      const headerEnd = this.#headerEnd(bytes, at, end);
      if (headerEnd > end) return at;
      at = headerEnd;
      this.#stage = 'rows';
    }
    while (this.#stage === 'rows' && this.#walkRow(bytes, at, end)) {
      const rowEnd = at + this.#walkedBytes;
      this.#walkedBytes = 0;
      onRow(bytes, at, rowEnd);
      at = rowEnd;
    }
    if (this.#stage === 'ended') {
      at += this.#walkedBytes;
      this.#walkedBytes = 0;
      if (at < end) throw new ProtocolError('bytes follow the end of the COPY', at);
    }
    return at;
  }

  /** Where the header ends: beyond `end` when it is not all there yet. */
  #headerEnd(bytes: Buffer, at: number, end: number): number {
    const signatureBytes = Math.min(COPY_SIGNATURE.length, end - at);
    for (let i = 0; i < signatureBytes; i++) {
      if (uint8At(bytes, at + i) !== COPY_SIGNATURE[i]) throw new ProtocolError('this is no binary COPY', at + i);
    }
    if (end - at < COPY_HEADER_BYTES) return at + COPY_HEADER_BYTES;
    const flagsAt = at + COPY_SIGNATURE.length;
    if ((int32At(bytes, flagsAt) & CRITICAL_FLAGS) !== 0)
      throw new ProtocolError('the COPY has critical flags that we do not know', flagsAt);
    const extensionBytes = int32At(bytes, flagsAt + 4);
    if (extensionBytes < 0 || extensionBytes > MAX_EXTENSION_BYTES) {
      throw new ProtocolError('the header of the COPY has an impossible extension', flagsAt + 4);
    }
    return at + COPY_HEADER_BYTES + extensionBytes;
  }

  /** Walks on in the row that begins at `at`; true when all of it is there, and then `#walkedBytes` is its size. */
  #walkRow(bytes: Buffer, at: number, end: number): boolean {
    if (this.#walkedBytes === 0) {
      if (end - at < COPY_ROW_HEADER_BYTES) return false;
      const count = int16At(bytes, at);
      this.#walkedBytes = COPY_ROW_HEADER_BYTES;
      this.#columnsLeft = count;
      if (count === COPY_END_COUNT) {
        this.#stage = 'ended';
        return false;
      }
      if (count < 0) throw new ProtocolError('a row has a negative number of columns', at);
    }
    let next = at + this.#walkedBytes;
    let left = this.#columnsLeft;
    while (left > 0 && next + COPY_VALUE_HEADER_BYTES <= end) {
      const length = int32At(bytes, next);
      if (length < COPY_NULL_LENGTH) throw new ProtocolError('a value length is negative', next);
      next += COPY_VALUE_HEADER_BYTES + (length === COPY_NULL_LENGTH ? 0 : length);
      left--;
    }
    this.#walkedBytes = next - at;
    this.#columnsLeft = left;
    if (this.#walkedBytes > this.#maxRowBytes) throw new ProtocolError('a row is over the limit', at);
    return left === 0 && next <= end;
  }
}

/** The upper half of the flags must be understood, the lower half may be ignored. */
const CRITICAL_FLAGS = 0xffff_0000;
/** No server has ever sent an extension. */
const MAX_EXTENSION_BYTES = 64 * 1024;
