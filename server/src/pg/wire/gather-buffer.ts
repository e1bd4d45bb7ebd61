// Joins pieces of one message in a buffer that grows as bytes really arrive, so that a peer's declared length alone
// never makes us allocate, and a message of a gigabyte is not copied once per piece.

/** A growing buffer. It is reused from message to message: take what it holds before the next `append` or `clear`. */
export class GatherBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #lengthBytes = 0;

  /** The buffer; only its first `lengthBytes` bytes mean anything. It is another one after the next `append`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /**
   * Appends `source[start, end)`. `expectedBytes` is what the message is said to come to: growth by doubling (which keeps
   * the copying linear) does not overshoot it.
   */
  append(source: Uint8Array, start: number, end: number, expectedBytes: number): void {
    const needed = this.#lengthBytes + (end - start);
    if (needed > this.#bytes.length) this.#grow(needed, expectedBytes);
    this.#bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.#lengthBytes);
    this.#lengthBytes = needed;
  }

  /** Forgets the first `sizeBytes` bytes and moves the rest to the front. */
  dropFirst(sizeBytes: number): void {
    this.#bytes.copyWithin(0, sizeBytes, this.#lengthBytes);
    this.#lengthBytes -= sizeBytes;
    if (this.#lengthBytes === 0) this.clear();
  }

  /** Empties the buffer, and gives the memory back when a large message made it grow. */
  clear(): void {
    this.#lengthBytes = 0;
    if (this.#bytes.length > KEEP_BYTES) this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  #grow(needed: number, expectedBytes: number): void {
    const doubled = Math.min(this.#bytes.length * 2, Math.max(expectedBytes, FIRST_BYTES));
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, doubled));
    this.#bytes.copy(grown, 0, 0, this.#lengthBytes);
    this.#bytes = grown;
  }
}

const FIRST_BYTES = 16 * 1024;
const KEEP_BYTES = 1024 * 1024;
