// Changes of a table without a key under REPLICA IDENTITY FULL: rows are a multiset, and a delete takes exactly one equal row.
import { KeyIndex } from './key-index.ts';
import { appendNewRow } from './old-row.ts';
import type { RowFormat, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

/** Distinct rows, of each of which the destination loses `copies`. */
export interface MultisetDelete {
  readonly copies: number;
  readonly rows: CopyRows;
}

/** No row stands in more than one of `deletes`; one that stands `n` times in `rows` is inserted `n` times. */
export interface MultisetEffect {
  readonly deletes: readonly MultisetDelete[];
  readonly rows: CopyRows;
}

/** Changes counted per distinct row: an insert and a delete of equal rows cancel out, in whichever order they came. */
export class MultisetPhase {
  readonly kind = 'multiset';
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #index = new KeyIndex();
  #counts = new Int32Array(FIRST_ENTRIES);

  constructor(format: RowFormat, columnCount: number) {
    this.#format = format;
    this.#columnCount = columnCount;
  }

  get sizeBytes(): number {
    return this.#index.keys.length + this.#index.count * ENTRY_BYTES;
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

  /** False when a column is unknown even with the whole old row at hand; nothing is recorded then. */
  update(oldTuple: TupleSlice, tuple: TupleSlice): boolean {
    const keys = this.#index.keys;
    const at = keys.length;
    const old = { tuple: oldTuple, isFull: true };
    if (appendNewRow(this.#format, keys, old, tuple, [], this.#columnCount) > 0) {
      keys.length = at;
      return false;
    }
    this.#count(at, 1);
    this.delete(oldTuple);
    return true;
  }

  effect(): MultisetEffect {
    const deletes = new Map<number, Segments>();
    const rows = new Segments();
    for (let entry = 0; entry < this.#index.count; entry++) {
      const count = this.#counts[entry] as number;
      const [start, end] = [this.#index.startOf(entry), this.#index.endOf(entry)];
      for (let i = count; i > 0; i--) rows.add(start, end);
      if (count >= 0) continue;
      const segments = deletes.get(-count) ?? new Segments();
      deletes.set(-count, segments);
      segments.add(start, end);
    }
    const bytes = this.#index.keys.bytes;
    return {
      deletes: [...deletes].map(([copies, segments]) => ({ copies, rows: { bytes, segments } })),
      rows: { bytes, segments: rows },
    };
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

const FIRST_ENTRIES = 8;
/** What a distinct row costs beside its bytes. */
const ENTRY_BYTES = 32;
