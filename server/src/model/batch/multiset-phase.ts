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
  /** Rows that stay although the source deleted them; they are there once `deletes` and `rows` are done. */
  readonly marks: readonly MultisetDelete[];
}

/** Changes counted per distinct row: an insert and a delete of equal rows cancel out, in whichever order they came. */
export class MultisetPhase {
  readonly kind = 'multiset';
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #index = new KeyIndex();
  readonly #keepsDeleted: boolean;
  #counts = new Int32Array(FIRST_ENTRIES);
  /** Deletes that mark, by entry. They don't cancel out with inserts: what was deleted is to be seen. */
  readonly #marks = new Map<number, number>();

  constructor(format: RowFormat, columnCount: number, keepsDeleted: boolean) {
    this.#format = format;
    this.#columnCount = columnCount;
    this.#keepsDeleted = keepsDeleted;
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
    if (!this.#keepsDeleted) {
      this.#count(at, -1);
      return;
    }
    const entry = this.#count(at, 0);
    this.#marks.set(entry, (this.#marks.get(entry) ?? 0) + 1);
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
    const oldAt = keys.length;
    this.#format.appendTuple(keys, oldTuple, this.#columnCount);
    this.#count(oldAt, -1);
    return true;
  }

  effect(): MultisetEffect {
    const deletes = new CopiesOf();
    const marks = new CopiesOf();
    const rows = new Segments();
    for (let entry = 0; entry < this.#index.count; entry++) {
      const count = this.#counts[entry] as number;
      const [start, end] = [this.#index.startOf(entry), this.#index.endOf(entry)];
      for (let i = count; i > 0; i--) rows.add(start, end);
      deletes.add(-count, start, end);
      marks.add(this.#marks.get(entry) ?? 0, start, end);
    }
    const bytes = this.#index.keys.bytes;
    return { deletes: deletes.of(bytes), rows: { bytes, segments: rows }, marks: marks.of(bytes) };
  }

  #count(at: number, change: 1 | 0 | -1): number {
    const entry = this.#index.resolve(at);
    if (entry >= this.#counts.length) {
      const grown = new Int32Array(this.#counts.length * 2);
      grown.set(this.#counts);
      this.#counts = grown;
    }
    this.#counts[entry] = (this.#index.isNew ? 0 : (this.#counts[entry] as number)) + change;
    return entry;
  }
}

/** Rows by how many copies of each are meant. */
class CopiesOf {
  readonly #rows = new Map<number, Segments>();

  add(copies: number, start: number, end: number): void {
    if (copies <= 0) return;
    const segments = this.#rows.get(copies) ?? new Segments();
    this.#rows.set(copies, segments);
    segments.add(start, end);
  }

  of(bytes: CopyRows['bytes']): readonly MultisetDelete[] {
    return [...this.#rows].map(([copies, segments]) => ({ copies, rows: { bytes, segments } }));
  }
}

const FIRST_ENTRIES = 8;
/** What a distinct row costs beside its bytes. */
const ENTRY_BYTES = 32;
