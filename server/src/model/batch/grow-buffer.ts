// A byte arena that grows as rows are appended and is emptied without being given back, so that a batch allocates nothing per row.

const FIRST_SIZE_BYTES = 4 * 1024;
/** An emptied arena keeps at most this much: one huge row must not pin its memory for ever. */
const KEEP_SIZE_BYTES = 4 * 1024 * 1024;

/** Appendable bytes. `bytes` changes identity when it grows: read the field anew after `reserve`. */
export class GrowBuffer {
  bytes: Buffer = EMPTY;
  length = 0;

  /** Makes room for `sizeBytes` more bytes after `length`. */
  reserve(sizeBytes: number): void {
    const needed = this.length + sizeBytes;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2, FIRST_SIZE_BYTES));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  /** Forgets the content. */
  clear(): void {
    this.length = 0;
    if (this.bytes.length > KEEP_SIZE_BYTES) this.bytes = EMPTY;
  }
}

const EMPTY = Buffer.alloc(0);
