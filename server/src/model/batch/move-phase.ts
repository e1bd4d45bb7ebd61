// Key changes whose row has columns that only the destination knows (unchanged TOAST): applied as an UPDATE of the row where it stands.
import { GrowBuffer } from './grow-buffer.ts';
import { KeyIndex } from './key-index.ts';
import type { RowFormat, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

export interface MoveEffect {
  /** Indices of the columns that the new rows bring, ascending; the same for every row of the phase. */
  readonly columns: readonly number[];
  /** Rows of the old key's columns followed by `columns`. */
  readonly rows: CopyRows;
}

/**
 * Moves that can be applied by one statement: no key appears twice, as old or as new, and all leave out the same columns.
 * Otherwise the order of the moves would matter (1→2 while 2→3).
 */
export class MovePhase {
  readonly kind = 'moves';
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #keyColumns: readonly number[];
  readonly #index = new KeyIndex();
  readonly #rows = new GrowBuffer();
  readonly #segments = new Segments();
  #columns: readonly number[] = [];

  constructor(format: RowFormat, columnCount: number, keyColumns: readonly number[]) {
    this.#format = format;
    this.#columnCount = columnCount;
    this.#keyColumns = keyColumns;
  }

  get sizeBytes(): number {
    return this.#rows.length + this.#index.keys.length;
  }

  get isEmpty(): boolean {
    return this.#segments.rows === 0;
  }

  /** Adds a move; false when it does not fit or is no move at all: then the phase is complete and must not be added to again. */
  add(oldTuple: TupleSlice, tuple: TupleSlice): boolean {
    const keys = this.#index.keys;
    const oldAt = keys.length;
    this.#format.appendColumns(keys, oldTuple, this.#keyColumns);
    const oldKey = this.#index.resolve(oldAt);
    if (!this.#index.isNew) return false;
    const newAt = keys.length;
    this.#appendNewKey(oldTuple, tuple);
    this.#index.resolve(newAt);
    if (!this.#index.isNew) return false;

    const full = new GrowBuffer();
    this.#format.appendTuple(full, tuple, this.#columnCount);
    const row = { bytes: full.bytes, start: 0, end: full.length };
    const unknown = new Set(this.#format.unknownColumns(row, this.#columnCount));
    // A key column that did not change is known from the old key; the UPDATE leaves it alone.
    const columns = Array.from({ length: this.#columnCount }, (_, column) => column).filter((column) => !unknown.has(column));
    if (unknown.size === 0) return false;
    if (this.isEmpty) this.#columns = columns;
    else if (columns.join() !== this.#columns.join()) return false;

    const picked = new GrowBuffer();
    this.#format.appendPicked(picked, row, columns);
    const start = this.#rows.length;
    this.#format.appendJoined(
      this.#rows,
      { bytes: keys.bytes, start: this.#index.startOf(oldKey), end: this.#index.endOf(oldKey) },
      { bytes: picked.bytes, start: 0, end: picked.length },
    );
    this.#segments.add(start, this.#rows.length);
    return true;
  }

  effect(): MoveEffect {
    return { columns: this.#columns, rows: { bytes: this.#rows.bytes, segments: this.#segments } };
  }

  #appendNewKey(oldTuple: TupleSlice, tuple: TupleSlice): void {
    const keys = this.#index.keys;
    const at = keys.length;
    if (this.#format.appendColumns(keys, tuple, this.#keyColumns) === 0) return;
    const patch = Buffer.from(keys.bytes.subarray(at, keys.length));
    const old = new GrowBuffer();
    this.#format.appendColumns(old, oldTuple, this.#keyColumns);
    keys.length = at;
    this.#format.appendMerged(
      keys,
      { bytes: patch, start: 0, end: patch.length },
      { bytes: old.bytes, start: 0, end: old.length },
      this.#keyColumns.length,
    );
  }
}
