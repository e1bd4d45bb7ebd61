// Changes of a table without a key under REPLICA IDENTITY FULL: rows are a multiset, and a delete takes exactly one equal row.
import { GrowBuffer } from './grow-buffer.ts';
import { KeyIndex } from './key-index.ts';
import type { RowFormat, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

/** A row that stands `n` times in `deletes` has to go `n` times; likewise for `rows`. */
export interface MultisetEffect {
  readonly deletes: CopyRows;
  readonly rows: CopyRows;
}

/** Changes counted per distinct row: an insert and a delete of equal rows cancel out, in whichever order they came. */
export class MultisetPhase {
  readonly kind = 'multiset';
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #index = new KeyIndex();
  #counts = new Int32Array(64);

  constructor(format: RowFormat, columnCount: number) {
    this.#format = format;
    this.#columnCount = columnCount;
  }

  get sizeBytes(): number {
    return this.#index.keys.length + this.#index.count * 16;
  }

  get isEmpty(): boolean {
    return this.#index.count === 0;
  }

  insert(tuple: TupleSlice): void {
    const at = this.#index.keys.length;
    this.#format.appendTuple(this.#index.keys, tuple, this.#columnCount);
    this.#count(at, 1);
  }

  delete(oldTuple: TupleSlice): void {
    const at = this.#index.keys.length;
    this.#format.appendTuple(this.#index.keys, oldTuple, this.#columnCount);
    this.#count(at, -1);
  }

  update(oldTuple: TupleSlice, tuple: TupleSlice): void {
    this.delete(oldTuple);
    const keys = this.#index.keys;
    const at = keys.length;
    if (this.#format.appendTuple(keys, tuple, this.#columnCount) > 0) {
      const patch = Buffer.from(keys.bytes.subarray(at, keys.length));
      const old = new GrowBuffer();
      this.#format.appendTuple(old, oldTuple, this.#columnCount);
      keys.length = at;
      this.#format.appendMerged(
        keys,
        { bytes: patch, start: 0, end: patch.length },
        { bytes: old.bytes, start: 0, end: old.length },
        this.#columnCount,
      );
    }
    this.#count(at, 1);
  }

  effect(): MultisetEffect {
    const deletes = new Segments();
    const rows = new Segments();
    for (let entry = 0; entry < this.#index.count; entry++) {
      const count = this.#counts[entry] as number;
      const segments = count < 0 ? deletes : rows;
      for (let i = Math.abs(count); i > 0; i--) segments.add(this.#index.startOf(entry), this.#index.endOf(entry));
    }
    const bytes = this.#index.keys.bytes;
    return { deletes: { bytes, segments: deletes }, rows: { bytes, segments: rows } };
  }

  #count(at: number, change: 1 | -1): void {
    const entry = this.#index.resolve(at);
    if (entry >= this.#counts.length) {
      const grown = new Int32Array(this.#counts.length * 2);
      grown.set(this.#counts);
      this.#counts = grown;
    }
    this.#counts[entry] = (this.#index.isNew ? 0 : (this.#counts[entry] as number)) + change;
  }
}
