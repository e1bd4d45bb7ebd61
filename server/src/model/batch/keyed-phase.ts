// Changes of a table with a key, compacted: the last image of each key wins, and only what the destination needs is kept.
import { GrowBuffer } from './grow-buffer.ts';
import { KeyIndex } from './key-index.ts';
import { keysAreDense } from './key-spread.ts';
import { appendNewKey, appendNewRow, type OldRow } from './old-row.ts';
import type { RowFormat, RowSlice, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

/** What a batch knows of one key. Numbers, because there is one per row: kept in a typed array. */
const UNTOUCHED = 0;
const ABSENT = 1;
const ROW = 2;
/** Some columns are unknown: the destination has the row, and is to change the others. */
const PARTIAL = 3;
const IMAGE_MASK = 3;
/** The destination may hold a row of this key that has to go before an image is written. */
const MUST_DELETE = 4;
/** Where rows outlive their delete: the row, with whatever image it has, is deleted at the source. */
const MARKED = 8;

/** Rows of one set of present columns, for an UPDATE of just these. */
export interface PartialGroup {
  /** Indices of the columns that are present, ascending. */
  readonly columns: readonly number[];
  readonly rows: CopyRows;
}

/** What a phase comes down to; every key is in at most one of `changes`, `rows` and `partials`. */
export interface KeyedEffect {
  readonly deletes: CopyRows;
  /** Whole rows that take the place of rows which are there; mode `update` only. */
  readonly changes: CopyRows;
  readonly rows: CopyRows;
  readonly partials: readonly PartialGroup[];
  /** Keys of rows that stay although the source deleted them. They come last: some of the rows above are among them. */
  readonly marks: CopyRows;
}

/**
 * - `update`: rows that are there are changed, others inserted; only keys without a row are deleted. In an overlap the same as `replace`.
 * - `replace`: keys that the destination may hold are deleted, then rows are inserted.
 * - `replace_all`: the same, but every key is deleted first, whatever the stream said.
 * - `upsert`: only keys without a row are deleted; rows are inserted or updated.
 */
export type ReplaceMode = 'update' | 'replace' | 'replace_all' | 'upsert';

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
  /** Whether a deleted row stays at the destination: then a delete marks it, and takes no image away. */
  readonly #keepsDeleted: boolean;
  readonly #index = new KeyIndex();
  readonly #rows = new GrowBuffer();
  #flags = new Uint8Array(FIRST_ENTRIES);
  #starts = new Uint32Array(FIRST_ENTRIES);
  #ends = new Uint32Array(FIRST_ENTRIES);

  constructor(
    format: RowFormat,
    columnCount: number,
    keyColumns: readonly number[],
    { overlap, keepsDeleted }: { readonly overlap: boolean; readonly keepsDeleted: boolean },
  ) {
    this.#format = format;
    this.#columnCount = columnCount;
    this.#keyColumns = keyColumns;
    this.#overlap = overlap;
    this.#keepsDeleted = keepsDeleted;
  }

  get sizeBytes(): number {
    return this.#rows.length + this.#index.keys.length + this.#index.count * ENTRY_BYTES;
  }

  /** Bytes of a row on average, about. */
  get rowBytes(): number {
    return this.#index.count === 0 ? 0 : this.#rows.length / this.#index.count;
  }

  /** Whether the keys are many and close together; a guess, for the choice between equal ways. */
  get keysAreDense(): boolean {
    return keysAreDense(this.#index, this.#format.name);
  }

  get isEmpty(): boolean {
    return this.#index.count === 0;
  }

  insert(tuple: TupleSlice): UpdateOutcome {
    const entry = this.#entryOf(tuple);
    if (entry === UNKNOWN_KEY) return 'unmatched';
    const start = this.#rows.length;
    if (this.#format.appendTuple(this.#rows, tuple, this.#columnCount) > 0) return 'unmatched';
    this.#setRow(entry, start, (this.#flags[entry] as number) & MUST_DELETE);
    return 'done';
  }

  /** An update that does not change the key. */
  update(tuple: TupleSlice): UpdateOutcome {
    const entry = this.#entryOf(tuple);
    if (entry === UNKNOWN_KEY) return 'unmatched';
    const start = this.#rows.length;
    const unknown = this.#format.appendTuple(this.#rows, tuple, this.#columnCount);
    return this.#putUpdate(entry, start, unknown);
  }

  /** An update whose message carries the old key or row. `moved`: nothing was recorded; the caller has to start a phase of moves. */
  updateWithOld(old: OldRow, tuple: TupleSlice): UpdateOutcome {
    const oldEntry = this.#entryOf(old.tuple);
    if (oldEntry === UNKNOWN_KEY) return 'unmatched';
    const start = this.#rows.length;
    const unknown = appendNewRow(this.#format, this.#rows, old, tuple, this.#keyColumns, this.#columnCount);
    const keys = this.#index.keys;
    const keyStart = keys.length;
    if (appendNewKey(this.#format, keys, old.tuple, tuple, this.#keyColumns) > 0) return 'unmatched';
    if (this.#index.equals(oldEntry, keyStart, keys.length)) {
      keys.length = keyStart;
      return this.#putUpdate(oldEntry, start, unknown);
    }
    const rowStart = unknown === 0 ? start : this.#completeFrom(oldEntry, start);
    if (rowStart === null) {
      keys.length = keyStart;
      this.#rows.length = start;
      return this.#imageOf(oldEntry) === ABSENT ? 'unmatched' : 'moved';
    }
    this.#remove(oldEntry);
    const entry = this.#resolve(keyStart);
    this.#setRow(entry, rowStart, (this.#flags[entry] as number) & MUST_DELETE);
    return 'done';
  }

  /** `tuple` holds at least the key columns. */
  delete(tuple: TupleSlice): UpdateOutcome {
    const entry = this.#entryOf(tuple);
    if (entry === UNKNOWN_KEY) return 'unmatched';
    this.#remove(entry);
    return 'done';
  }

  /** What has to be done, in the way that the destination table allows. */
  effect(mode: ReplaceMode): KeyedEffect {
    const deletes = new Segments();
    const marks = new Segments();
    const changes = new Segments();
    const rows = new Segments();
    const partials = new Map<string, number[]>();
    for (let entry = 0; entry < this.#index.count; entry++) {
      const image = this.#imageOf(entry);
      if (((this.#flags[entry] as number) & MARKED) !== 0) marks.add(this.#index.startOf(entry), this.#index.endOf(entry));
      if (image === UNTOUCHED) continue;
      if (image === PARTIAL) {
        const unknown = this.#format.unknownColumns(this.#rowOf(entry), this.#columnCount).join();
        const group = partials.get(unknown);
        if (group) group.push(entry);
        else partials.set(unknown, [entry]);
        continue;
      }
      if (this.#isDeleted(entry, mode)) deletes.add(this.#index.startOf(entry), this.#index.endOf(entry));
      if (image === ROW)
        (mode === 'update' && !this.#overlap && this.#isThere(entry) ? changes : rows).add(
          this.#starts[entry] as number,
          this.#ends[entry] as number,
        );
    }
    return {
      deletes: { bytes: this.#index.keys.bytes, segments: deletes },
      changes: { bytes: this.#rows.bytes, segments: changes },
      rows: { bytes: this.#rows.bytes, segments: rows },
      partials: [...partials].map(([unknown, entries]) => this.#partialGroup(unknown, entries)),
      marks: { bytes: this.#index.keys.bytes, segments: marks },
    };
  }

  /** Whether the destination's row of this key has to go, for one that has no partial image. */
  #isDeleted(entry: number, mode: ReplaceMode): boolean {
    if (mode === 'replace_all') return true;
    return this.#isThere(entry) && (mode === 'replace' || (mode === 'update' && this.#overlap) || this.#imageOf(entry) === ABSENT);
  }

  /** As far as the stream tells. */
  #isThere(entry: number): boolean {
    return ((this.#flags[entry] as number) & MUST_DELETE) !== 0;
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
  #putUpdate(entry: number, start: number, unknown: number): UpdateOutcome {
    const image = this.#imageOf(entry);
    // What is updated exists: at the destination too, unless it came into being in this batch.
    const mustDelete = image === ROW || image === ABSENT ? (this.#flags[entry] as number) & MUST_DELETE : MUST_DELETE;
    if (unknown === 0) {
      this.#setRow(entry, start, mustDelete);
      return 'done';
    }
    if (image === ABSENT) {
      this.#rows.length = start;
      return 'unmatched';
    }
    if (image === UNTOUCHED) {
      this.#setImage(entry, PARTIAL, start);
      return 'done';
    }
    const merged = this.#rows.length;
    const patch = { bytes: this.#rows.bytes, start, end: merged };
    const stillUnknown = this.#format.appendMerged(this.#rows, patch, this.#rowOf(entry), this.#columnCount);
    if (stillUnknown === 0) this.#setRow(entry, merged, mustDelete);
    else this.#setImage(entry, PARTIAL, merged);
    return 'done';
  }

  /** Completes the row at `start` from the batch's own image of its old key; null when that does not know all of it. */
  #completeFrom(oldEntry: number, start: number): number | null {
    const image = this.#imageOf(oldEntry);
    if (image !== ROW && image !== PARTIAL) return null;
    const merged = this.#rows.length;
    const patch = { bytes: this.#rows.bytes, start, end: merged };
    const stillUnknown = this.#format.appendMerged(this.#rows, patch, this.#rowOf(oldEntry), this.#columnCount);
    return stillUnknown === 0 ? merged : null;
  }

  /** The row of this key goes; only one that came into being in this batch needs no delete at the destination. */
  #remove(entry: number): void {
    const flags = this.#flags[entry] as number;
    const image = flags & IMAGE_MASK;
    if (this.#keepsDeleted) {
      // What the stream deletes is at the destination, unless it came into being in this batch.
      this.#flags[entry] = flags | MARKED | (image === ROW ? 0 : MUST_DELETE);
      return;
    }
    this.#flags[entry] = ABSENT | (image === ROW || image === ABSENT ? flags & MUST_DELETE : MUST_DELETE);
  }

  #entryOf(tuple: TupleSlice): number {
    const keys = this.#index.keys;
    const at = keys.length;
    if (this.#format.appendColumns(keys, tuple, this.#keyColumns) === 0) return this.#resolve(at);
    keys.length = at;
    return UNKNOWN_KEY;
  }

  #resolve(keyStart: number): number {
    const entry = this.#index.resolve(keyStart);
    if (entry >= this.#flags.length) this.#growEntries();
    return entry;
  }

  #setRow(entry: number, start: number, mustDelete: number): void {
    this.#setImage(entry, ROW | (this.#overlap ? MUST_DELETE : mustDelete), start);
  }

  #setImage(entry: number, flags: number, start: number): void {
    this.#flags[entry] = flags;
    this.#starts[entry] = start;
    this.#ends[entry] = this.#rows.length;
  }

  #imageOf(entry: number): number {
    return (this.#flags[entry] as number) & IMAGE_MASK;
  }

  #rowOf(entry: number): RowSlice {
    return { bytes: this.#rows.bytes, start: this.#starts[entry] as number, end: this.#ends[entry] as number };
  }

  #growEntries(): void {
    const size = this.#flags.length * 2;
    const flags = new Uint8Array(size);
    flags.set(this.#flags);
    const starts = new Uint32Array(size);
    starts.set(this.#starts);
    const ends = new Uint32Array(size);
    ends.set(this.#ends);
    this.#flags = flags;
    this.#starts = starts;
    this.#ends = ends;
  }
}

const FIRST_ENTRIES = 8;
/** What an entry costs beside its key and its row: flags, offsets, and its part of the index. */
const ENTRY_BYTES = 32;
/** A key column was not sent: the row can't be found. */
const UNKNOWN_KEY = -1;
