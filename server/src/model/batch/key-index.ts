// Finds the entry of a batch that a key belongs to, by the key's bytes: an open-addressing hash table over an arena of key rows.
import { GrowBuffer } from './grow-buffer.ts';

const FIRST_ENTRIES = 8;
const FNV_PRIME = 16777619;
/** Starts every hash differently in every process, so that nobody can prepare keys that all collide. */
const HASH_SEED = (Math.random() * 0xffffffff) >>> 0;

/**
 * Numbers distinct keys 0, 1, 2, … in the order of their first appearance.
 * Use: append the candidate key to `keys` at its end, then `resolve` it: a known key is rolled back, a new one stays.
 */
export class KeyIndex {
  readonly keys = new GrowBuffer();
  count = 0;
  // Unsigned: with a row of a gigabyte, an arena passes 2 GiB.
  #starts = new Uint32Array(FIRST_ENTRIES);
  #ends = new Uint32Array(FIRST_ENTRIES);
  #hashes = new Uint32Array(FIRST_ENTRIES);
  #slots = new Int32Array(FIRST_ENTRIES * 2);

  /** The entry of the key at `start` … `keys.length`; `count - 1` right after a new key was added, with `isNew` true. */
  resolve(start: number): number {
    const { bytes, length: end } = this.keys;
    const hash = hashBytes(bytes, start, end);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const entry = (this.#slots[slot] as number) - 1;
      if (entry < 0) break;
      if (this.#hashes[entry] === hash && this.equals(entry, start, end)) {
        this.keys.length = start;
        this.isNew = false;
        return entry;
      }
      slot = (slot + 1) & mask;
    }
    this.isNew = true;
    return this.#add(hash, slot, start, end);
  }

  /** Whether the last `resolve` met its key for the first time. */
  isNew = false;

  startOf(entry: number): number {
    return this.#starts[entry] as number;
  }

  endOf(entry: number): number {
    return this.#ends[entry] as number;
  }

  /** Whether the bytes at `start` … `end` of `keys` are the key of `entry`. */
  equals(entry: number, start: number, end: number): boolean {
    const bytes = this.keys.bytes;
    const at = this.#starts[entry] as number;
    const size = (this.#ends[entry] as number) - at;
    if (size !== end - start) return false;
    for (let i = 0; i < size; i++) if (bytes[at + i] !== bytes[start + i]) return false;
    return true;
  }

  #add(hash: number, slot: number, start: number, end: number): number {
    const entry = this.count++;
    if (entry >= this.#starts.length) this.#growEntries();
    this.#starts[entry] = start;
    this.#ends[entry] = end;
    this.#hashes[entry] = hash;
    if (this.count * 2 > this.#slots.length) this.#rehash();
    else this.#slots[slot] = entry + 1;
    return entry;
  }

  #growEntries(): void {
    const size = this.#starts.length * 2;
    this.#starts = grown(this.#starts, new Uint32Array(size));
    this.#ends = grown(this.#ends, new Uint32Array(size));
    this.#hashes = grown(this.#hashes, new Uint32Array(size));
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let entry = 0; entry < this.count; entry++) {
      let slot = (this.#hashes[entry] as number) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = entry + 1;
    }
  }
}

/** FNV-1a. Source: http://www.isthe.com/chongo/tech/comp/fnv/ */
function hashBytes(bytes: Buffer, start: number, end: number): number {
  let hash = HASH_SEED;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME);
  // FNV's low bits, which choose the slot, mix badly for keys that differ in their first bytes.
  return (hash ^ (hash >>> 15)) >>> 0;
}

function grown(from: Uint32Array, to: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  to.set(from);
  return to;
}
