// Numbers the keys of one batch, for those who remember something of each.
import { KeyIndex } from './key-index.ts';
import { appendNewKey, type OldRow } from './old-row.ts';
import type { RowFormat, RowSlice, TupleSlice } from './row-format.ts';

/** The tuple lacks a column of the key. */
export const UNKNOWN_KEY = -1;

export class BatchKeys {
  readonly #format: RowFormat;
  readonly #columns: readonly number[];
  readonly #index = new KeyIndex();

  constructor(format: RowFormat, columns: readonly number[]) {
    this.#format = format;
    this.#columns = columns;
  }

  get sizeBytes(): number {
    return this.#index.keys.length + this.#index.count * ENTRY_BYTES;
  }

  /** The number of the tuple's key, or `UNKNOWN_KEY`. */
  entryOf(tuple: TupleSlice): number {
    return this.#resolve((keys) => this.#format.appendColumns(keys, tuple, this.#columns));
  }

  /** The number of the key that an update leaves the row with, or `UNKNOWN_KEY`. */
  newEntry(old: OldRow, tuple: TupleSlice): number {
    return this.#resolve((keys) => appendNewKey(this.#format, keys, old.tuple, tuple, this.#columns));
  }

  /** The key itself, as a row of COPY: a copy, which outlives the batch's keys. */
  slice(entry: number): RowSlice {
    const bytes = Buffer.from(this.#index.keys.bytes.subarray(this.#index.startOf(entry), this.#index.endOf(entry)));
    return { bytes, start: 0, end: bytes.length };
  }

  /** `append` puts a key at the end of the arena and says how many of its columns are unknown. */
  #resolve(append: (keys: KeyIndex['keys']) => number): number {
    const { keys } = this.#index;
    const at = keys.length;
    if (append(keys) === 0) return this.#index.resolve(at);
    keys.length = at;
    return UNKNOWN_KEY;
  }
}

/** What a key costs beside its bytes, with what is remembered of it. */
const ENTRY_BYTES = 96;
