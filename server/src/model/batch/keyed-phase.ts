// Changes of a table with a key, compacted: the last image of each key wins, and only what the destination needs is kept.
import { GrowBuffer } from './grow-buffer.ts';
import { KeyIndex } from './key-index.ts';
import type { RowFormat, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

/** What a batch does with one key. Numbers, because there is one per row: kept in a typed array. */
const IMAGE_NONE = 0;
const IMAGE_ROW = 1;
const IMAGE_PARTIAL = 2;
/** The destination may hold a row of this key that has to go before an image is written. */
const MUST_DELETE = 4;
const IMAGE_MASK = 3;

/** Rows of one set of present columns, for an UPDATE of just these. */
export interface PartialGroup {
  /** Indices of the columns that are present, ascending. */
  readonly columns: readonly number[];
  readonly rows: CopyRows;
}

/** What a phase comes down to; every key is in at most one of `rows` and `partials`. */
export interface KeyedEffect {
  readonly deletes: CopyRows;
  readonly rows: CopyRows;
  readonly partials: readonly PartialGroup[];
}

/**
 * - `replace`: keys that the destination may hold are deleted, then rows are inserted.
 * - `replace_all`: the same, but every key is deleted first, whatever the stream said.
 * - `upsert`: only keys without a row are deleted; rows are inserted or updated.
 */
export type ReplaceMode = 'replace' | 'replace_all' | 'upsert';

/** `moved`: the row changes its key and has unknown columns that only the destination knows. */
export type UpdateOutcome = 'done' | 'moved' | 'unmatched';

/** A run of changes of one keyed table in which order between keys does not matter. */
export class KeyedPhase {
  readonly kind = 'keyed';
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #keyColumns: readonly number[];
  /** In an overlap the destination may be ahead of the stream: nothing is known to be absent, nothing to be present. */
  readonly #overlap: boolean;
  readonly #index = new KeyIndex();
  readonly #rows = new GrowBuffer();
  #flags = new Uint8Array(64);
  #starts = new Int32Array(64);
  #ends = new Int32Array(64);

  constructor(format: RowFormat, columnCount: number, keyColumns: readonly number[], overlap: boolean) {
    this.#format = format;
    this.#columnCount = columnCount;
    this.#keyColumns = keyColumns;
    this.#overlap = overlap;
  }

  get sizeBytes(): number {
    return this.#rows.length + this.#index.keys.length + this.#index.count * 16;
  }

  get isEmpty(): boolean {
    return this.#index.count === 0;
  }

  insert(tuple: TupleSlice): void {
    const entry = this.#entryOf(tuple);
    const start = this.#rows.length;
    this.#format.appendTuple(this.#rows, tuple, this.#columnCount);
    this.#setImage(entry, IMAGE_ROW, start);
    if (this.#overlap) this.#flags[entry] = (this.#flags[entry] as number) | MUST_DELETE;
  }

  /** An update that does not change the key. */
  update(tuple: TupleSlice): UpdateOutcome {
    const entry = this.#entryOf(tuple);
    const isNew = this.#index.isNew;
    const start = this.#rows.length;
    const unknown = this.#format.appendTuple(this.#rows, tuple, this.#columnCount);
    return this.#putUpdate(entry, isNew, start, unknown);
  }

  /**
   * An update whose message carries the old key, or with `oldIsFull` the whole old row.
   * `moved`: nothing was recorded; the caller has to start a phase of moves.
   */
  updateWithOld(oldTuple: TupleSlice, oldIsFull: boolean, tuple: TupleSlice): UpdateOutcome {
    const start = this.#rows.length;
    const unknown = this.#appendNewRow(oldTuple, oldIsFull, tuple);
    const keyStart = this.#appendNewKey(oldTuple, tuple);
    const newKey = Buffer.from(this.#index.keys.bytes.subarray(keyStart, this.#index.keys.length));
    this.#index.keys.length = keyStart;
    const oldEntry = this.#entryOf(oldTuple);
    const oldIsNew = this.#index.isNew;
    const oldStart = this.#index.startOf(oldEntry);
    const sameKey = newKey.equals(this.#index.keys.bytes.subarray(oldStart, this.#index.endOf(oldEntry)));
    if (sameKey) return this.#putUpdate(oldEntry, oldIsNew, start, unknown);
    if (unknown > 0 && !this.#completeFrom(oldEntry, oldIsNew, start)) {
      this.#rows.length = start;
      return 'moved';
    }
    const rowStart = unknown > 0 ? this.#lastMergedStart : start;
    this.#flags[oldEntry] = oldIsNew || this.#imageOf(oldEntry) === IMAGE_PARTIAL ? MUST_DELETE : (this.#flags[oldEntry] as number) & MUST_DELETE;
    const at = this.#index.keys.length;
    this.#index.keys.reserve(newKey.length);
    newKey.copy(this.#index.keys.bytes, at);
    this.#index.keys.length += newKey.length;
    const entry = this.#resolve(at);
    this.#setImage(entry, IMAGE_ROW, rowStart);
    if (this.#overlap) this.#flags[entry] = (this.#flags[entry] as number) | MUST_DELETE;
    return 'done';
  }

  /** `tuple` holds at least the key columns. */
  delete(tuple: TupleSlice): void {
    const entry = this.#entryOf(tuple);
    const known = !this.#index.isNew && this.#imageOf(entry) !== IMAGE_PARTIAL;
    this.#flags[entry] = known ? (this.#flags[entry] as number) & MUST_DELETE : MUST_DELETE;
  }

  /** What has to be done, in the way that the destination table allows. */
  effect(mode: ReplaceMode): KeyedEffect {
    const deletes = new Segments();
    const rows = new Segments();
    const partials = new Map<string, number[]>();
    for (let entry = 0; entry < this.#index.count; entry++) {
      const flags = this.#flags[entry] as number;
      const image = flags & IMAGE_MASK;
      const mustDelete = (flags & MUST_DELETE) !== 0;
      if (image === IMAGE_PARTIAL) {
        const unknown = this.#format.unknownColumns(this.#rowOf(entry), this.#columnCount).join();
        const group = partials.get(unknown);
        if (group) group.push(entry);
        else partials.set(unknown, [entry]);
        continue;
      }
      if (image === IMAGE_NONE ? mustDelete || mode === 'replace_all' : mode === 'replace_all' || (mustDelete && mode === 'replace')) deletes.add(this.#index.startOf(entry), this.#index.endOf(entry));
      if (image === IMAGE_ROW) rows.add(this.#starts[entry] as number, this.#ends[entry] as number);
    }
    return {
      deletes: { bytes: this.#index.keys.bytes, segments: deletes },
      rows: { bytes: this.#rows.bytes, segments: rows },
      partials: [...partials].map(([unknown, entries]) => this.#partialGroup(unknown, entries)),
    };
  }

  #partialGroup(unknownList: string, entries: readonly number[]): PartialGroup {
    const unknown = new Set(unknownList.split(',').map(Number));
    const columns = Array.from({ length: this.#columnCount }, (_, column) => column).filter((column) => !unknown.has(column));
    const out = new GrowBuffer();
    const segments = new Segments();
    for (const entry of entries) {
      const start = out.length;
      this.#format.appendPicked(out, this.#rowOf(entry), columns);
      segments.add(start, out.length);
    }
    return { columns, rows: { bytes: out.bytes, segments } };
  }

  /** Records a new image of a key that stays; `unknown` columns are merged from an earlier image where there is one. */
  #putUpdate(entry: number, isNew: boolean, start: number, unknown: number): UpdateOutcome {
    if (isNew) {
      this.#setImage(entry, unknown === 0 ? IMAGE_ROW : IMAGE_PARTIAL, start);
      if (unknown === 0) this.#flags[entry] = IMAGE_ROW | MUST_DELETE;
      return 'done';
    }
    const image = this.#imageOf(entry);
    if (unknown === 0) {
      // A partial image stood for a row that exists; the full one replaces it.
      const mustDelete = image === IMAGE_PARTIAL ? MUST_DELETE : (this.#flags[entry] as number) & MUST_DELETE;
      this.#setImage(entry, IMAGE_ROW, start);
      this.#flags[entry] = IMAGE_ROW | mustDelete;
      return 'done';
    }
    if (image === IMAGE_NONE) {
      this.#rows.length = start;
      // The row was deleted before. Replaying an overlap this is expected: its last image follows or it stays deleted.
      return this.#overlap ? 'done' : 'unmatched';
    }
    const merged = this.#rows.length;
    const patch = { bytes: this.#rows.bytes, start, end: merged };
    const stillUnknown = this.#format.appendMerged(this.#rows, patch, this.#rowOf(entry), this.#columnCount);
    const mustDelete = image === IMAGE_PARTIAL ? MUST_DELETE : (this.#flags[entry] as number) & MUST_DELETE;
    this.#setImage(entry, stillUnknown === 0 ? IMAGE_ROW : IMAGE_PARTIAL, merged);
    this.#flags[entry] = stillUnknown === 0 ? IMAGE_ROW | mustDelete : IMAGE_PARTIAL;
    return 'done';
  }

  /** Appends the new row of an update that brings its old row along; with the whole old row, nothing stays unknown. */
  #appendNewRow(oldTuple: TupleSlice, oldIsFull: boolean, tuple: TupleSlice): number {
    const start = this.#rows.length;
    const unknown = this.#format.appendTuple(this.#rows, tuple, this.#columnCount);
    if (unknown === 0 || !oldIsFull) return unknown;
    const scratch = new GrowBuffer();
    this.#format.appendTuple(scratch, oldTuple, this.#columnCount);
    const patch = Buffer.from(this.#rows.bytes.subarray(start, this.#rows.length));
    this.#rows.length = start;
    return this.#format.appendMerged(
      this.#rows,
      { bytes: patch, start: 0, end: patch.length },
      { bytes: scratch.bytes, start: 0, end: scratch.length },
      this.#columnCount,
    );
  }

  /** Appends the new key; a key column that did not change and is stored out of line is taken from the old key. */
  #appendNewKey(oldTuple: TupleSlice, tuple: TupleSlice): number {
    const keys = this.#index.keys;
    const at = keys.length;
    if (this.#format.appendColumns(keys, tuple, this.#keyColumns) === 0) return at;
    const patch = Buffer.from(keys.bytes.subarray(at, keys.length));
    const scratch = new GrowBuffer();
    this.#format.appendColumns(scratch, oldTuple, this.#keyColumns);
    keys.length = at;
    this.#format.appendMerged(
      keys,
      { bytes: patch, start: 0, end: patch.length },
      { bytes: scratch.bytes, start: 0, end: scratch.length },
      this.#keyColumns.length,
    );
    return at;
  }

  #lastMergedStart = 0;

  /** Completes the row at `start` from the batch's own image of its old key; false when the batch does not have one. */
  #completeFrom(oldEntry: number, oldIsNew: boolean, start: number): boolean {
    if (oldIsNew || this.#imageOf(oldEntry) !== IMAGE_ROW) {
      return false;
    }
    const merged = this.#rows.length;
    this.#format.appendMerged(this.#rows, { bytes: this.#rows.bytes, start, end: merged }, this.#rowOf(oldEntry), this.#columnCount);
    this.#lastMergedStart = merged;
    return true;
  }

  #entryOf(tuple: TupleSlice): number {
    const at = this.#index.keys.length;
    this.#format.appendColumns(this.#index.keys, tuple, this.#keyColumns);
    return this.#resolve(at);
  }

  #resolve(keyStart: number): number {
    const entry = this.#index.resolve(keyStart);
    if (entry >= this.#flags.length) this.#growEntries();
    if (this.#index.isNew) this.#flags[entry] = IMAGE_NONE;
    return entry;
  }

  #setImage(entry: number, image: number, start: number): void {
    this.#flags[entry] = ((this.#flags[entry] as number) & MUST_DELETE) | image;
    this.#starts[entry] = start;
    this.#ends[entry] = this.#rows.length;
  }

  #imageOf(entry: number): number {
    return (this.#flags[entry] as number) & IMAGE_MASK;
  }

  #rowOf(entry: number): { bytes: Buffer; start: number; end: number } {
    return { bytes: this.#rows.bytes, start: this.#starts[entry] as number, end: this.#ends[entry] as number };
  }

  #growEntries(): void {
    const size = this.#flags.length * 2;
    const flags = new Uint8Array(size);
    flags.set(this.#flags);
    const starts = new Int32Array(size);
    starts.set(this.#starts);
    const ends = new Int32Array(size);
    ends.set(this.#ends);
    this.#flags = flags;
    this.#starts = starts;
    this.#ends = ends;
  }
}
