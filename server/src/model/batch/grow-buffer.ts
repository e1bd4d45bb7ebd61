// A byte arena that grows as rows are appended, so that a batch allocates nothing per row.

/** Small, because every object of a batch has two of these, and there may be ten thousand objects. */
const FIRST_SIZE_BYTES = 256;

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
}

const EMPTY = Buffer.alloc(0);
