// Key changes whose row has columns that only the destination knows (unchanged TOAST): the row moves where it stands.
import { GrowBuffer } from './grow-buffer.ts';
import { KeyIndex } from './key-index.ts';
import { appendNewKey, type OldRow } from './old-row.ts';
import type { RowFormat, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

export interface MoveEffect {
  /** Indices of the columns that the new rows bring, ascending; the same for every row of the phase. */
  readonly columns: readonly number[];
  /** Rows of the old key's columns followed by `columns`: every row of the phase. They may be moved all at once, not one after the other. */
  readonly rows: CopyRows;
  /** The same rows cut into runs, in order; inside a run no key is both left and taken, so its rows may be moved in any order. */
  readonly runs: readonly CopyRows[];
}

/** Which part a key played in the phase so far: nothing yet, left in the run of this number (from 0), or taken by a row. */
const TAKEN = -1;

/** Moves of rows that each move once, all of them leaving out the same columns. */
export class MovePhase {
  readonly kind = 'moves';
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #keyColumns: readonly number[];
  readonly #index = new KeyIndex();
  readonly #roles: number[] = [];
  readonly #rows = new GrowBuffer();
  readonly #all = new Segments();
  readonly #runs: Segments[] = [new Segments()];
  #columns: readonly number[] = [];

  constructor(format: RowFormat, columnCount: number, keyColumns: readonly number[]) {
    this.#format = format;
    this.#columnCount = columnCount;
    this.#keyColumns = keyColumns;
  }

  get sizeBytes(): number {
    return this.#rows.length + this.#index.keys.length + this.#index.count * ENTRY_BYTES;
  }

  get isEmpty(): boolean {
    return this.#all.rows === 0;
  }

  /** Adds a move; false when it does not fit or is no move at all: then the phase is complete and must not be added to again. */
  add(old: OldRow, tuple: TupleSlice): boolean {
    if (old.isFull) return false;
    const full = new GrowBuffer();
    const unknownCount = this.#format.appendTuple(full, tuple, this.#columnCount);
    if (unknownCount === 0) return false;
    const row = { bytes: full.bytes, start: 0, end: full.length };
    const unknown = new Set(this.#format.unknownColumns(row, this.#columnCount));
    // A key column that did not change is known from the old key; the row keeps it.
    const columns = Array.from({ length: this.#columnCount }, (_, column) => column).filter((column) => !unknown.has(column));
    if (!this.isEmpty && columns.join() !== this.#columns.join()) return false;

    const keys = this.#index.keys;
    const oldAt = keys.length;
    if (this.#format.appendColumns(keys, old.tuple, this.#keyColumns) > 0) return false;
    const oldKey = this.#index.resolve(oldAt);
    // Met before, the key belongs to a row that has moved already, or has just been left.
    if (!this.#index.isNew) return false;
    this.#roles[oldKey] = this.#runs.length - 1;
    const newAt = keys.length;
    if (appendNewKey(this.#format, keys, old.tuple, tuple, this.#keyColumns) > 0) return false;
    const newKey = this.#index.resolve(newAt);
    if (!this.#index.isNew && (newKey === oldKey || this.#roles[newKey] === TAKEN)) return false;
    // Somebody else left the key: in the run under way, the order of the two moves would matter.
    if (!this.#index.isNew && this.#roles[newKey] === this.#runs.length - 1) {
      this.#runs.push(new Segments());
      this.#roles[oldKey] = this.#runs.length - 1;
    }
    this.#roles[newKey] = TAKEN;

    this.#columns = columns;
    const picked = new GrowBuffer();
    this.#format.appendPicked(picked, row, columns);
    const start = this.#rows.length;
    this.#format.appendJoined(
      this.#rows,
      { bytes: keys.bytes, start: this.#index.startOf(oldKey), end: this.#index.endOf(oldKey) },
      { bytes: picked.bytes, start: 0, end: picked.length },
    );
    this.#all.add(start, this.#rows.length);
    this.#runs.at(-1)?.add(start, this.#rows.length);
    return true;
  }

  effect(): MoveEffect {
    const bytes = this.#rows.bytes;
    return { columns: this.#columns, rows: { bytes, segments: this.#all }, runs: this.#runs.map((segments) => ({ bytes, segments })) };
  }
}

/** What a key costs beside its bytes. */
const ENTRY_BYTES = 32;
