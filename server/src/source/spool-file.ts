// Keeps changes aside in a file that has no name: whatever becomes of the process, nothing is left on the disk.
import { closeSync, mkdtempSync, openSync, readSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '../model/error.ts';

const WRITE_BLOCK_BYTES = 256 * 1024;
const LENGTH_BYTES = 4;

/**
 * Messages in order, read once. Implements the engine's `Spool`. The file's writes are synchronous: they go to the page cache, and the
 * order of messages needs no queue. Throws `spool_full` beyond `limitBytes`.
 */
export class SpoolFile {
  readonly #label: string;
  readonly #limitBytes: number;
  #file: number | null = null;
  #pending: Buffer = Buffer.allocUnsafeSlow(WRITE_BLOCK_BYTES);
  #pendingBytes = 0;
  /** Positions in the whole stream of bytes: written to the file, appended, whole transactions, read. */
  #written = 0;
  #appended = 0;
  #whole = 0;
  #read = 0;

  constructor(label: string, limitBytes: number) {
    this.#label = label;
    this.#limitBytes = limitBytes;
  }

  get readableBytes(): number {
    return this.#whole - this.#read;
  }

  get isEmpty(): boolean {
    return this.#appended === this.#read;
  }

  append(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    if (this.#appended + size > this.#limitBytes) {
      throw new MillraceError('spool_full', {
        cause: `more than ${this.#limitBytes} bytes of changes wait for ${this.#label}`,
        object: this.#label,
      });
    }
    if (this.#pendingBytes + LENGTH_BYTES + size > this.#pending.length) this.#write();
    if (LENGTH_BYTES + size > this.#pending.length) {
      const header = Buffer.allocUnsafe(LENGTH_BYTES);
      header.writeUInt32BE(size);
      this.#writeOut(header, 0, LENGTH_BYTES);
      this.#writeOut(bytes, start, size);
    } else {
      this.#pending.writeUInt32BE(size, this.#pendingBytes);
      bytes.copy(this.#pending, this.#pendingBytes + LENGTH_BYTES, start, end);
      this.#pendingBytes += LENGTH_BYTES + size;
    }
    this.#appended += LENGTH_BYTES + size;
  }

  markCommit(): void {
    this.#whole = this.#appended;
  }

  read(sizeBytes: number, take: (bytes: Buffer, start: number, end: number) => void): void {
    this.#write();
    const limit = Math.min(this.#whole, this.#read + sizeBytes);
    while (this.#read < limit) {
      const block = this.#load(this.#read, Math.min(Math.max(sizeBytes, LENGTH_BYTES), this.#whole - this.#read));
      let at = 0;
      while (block.length - at >= LENGTH_BYTES) {
        const size = block.readUInt32BE(at);
        if (block.length - at < LENGTH_BYTES + size) break;
        take(block, at + LENGTH_BYTES, at + LENGTH_BYTES + size);
        at += LENGTH_BYTES + size;
      }
      if (at === 0) at = this.#readLarge(take);
      this.#read += at;
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    this.#pending = Buffer.alloc(0);
  }

  /** A message larger than a block is read alone. */
  #readLarge(take: (bytes: Buffer, start: number, end: number) => void): number {
    const size = this.#load(this.#read, LENGTH_BYTES).readUInt32BE(0);
    const message = this.#load(this.#read + LENGTH_BYTES, size);
    take(message, 0, size);
    return LENGTH_BYTES + size;
  }

  #load(position: number, sizeBytes: number): Buffer {
    const block = Buffer.allocUnsafe(sizeBytes);
    let loaded = 0;
    while (loaded < sizeBytes && this.#file !== null) {
      const count = readSync(this.#file, block, loaded, sizeBytes - loaded, position + loaded);
      if (count === 0) break;
      loaded += count;
    }
    return block.subarray(0, loaded);
  }

  #write(): void {
    if (this.#pendingBytes === 0) return;
    this.#writeOut(this.#pending, 0, this.#pendingBytes);
    this.#pendingBytes = 0;
  }

  #writeOut(bytes: Buffer, start: number, size: number): void {
    this.#file ??= openNameless();
    let done = 0;
    while (done < size) done += writeSync(this.#file, bytes, start + done, size - done, this.#written + done);
    this.#written += size;
  }
}

/** Opened for us alone and unlinked at once: the space is freed when the process ends, even by kill -9. */
function openNameless(): number {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-spool-'));
  const path = join(directory, 'changes');
  const file = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  rmSync(directory, { recursive: true });
  return file;
}
