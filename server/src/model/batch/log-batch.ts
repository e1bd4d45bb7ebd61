// The changes of one object whose table keeps every change as a row: nothing is compacted, and each row says what happened and when.
import { must } from '../../lib/assert.ts';
import { type Lsn, LSN_ZERO } from '../../pg/lsn.ts';
import { BatchKeys, UNKNOWN_KEY } from './batch-keys.ts';
import type { ChangeOrigin, ChangeWords } from './change-origin.ts';
import { GrowBuffer } from './grow-buffer.ts';
import type { ChangeCounts, ChangeOutcome, RowShape } from './object-batch.ts';
import { appendNewRow, type OldRow } from './old-row.ts';
import { appendNulls, encodeFields, extendRow } from './own-fields.ts';
import { type PartialRow, PartialRows } from './partial-rows.ts';
import type { RowSlice, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

/** Fields of our own behind the columns of each row: kind, position, commit time, place in the transaction. */
const LOG_FIELDS = 4;

/** Rows that lack the same columns: what is there, our own fields, then the key of the row at the destination that has the rest. */
export interface IncompleteRows {
  /** Indices of the columns that are present, ascending. */
  readonly columns: readonly number[];
  readonly rows: CopyRows;
}

/** A place in the order of all rows of a log. */
export interface LogPlace {
  readonly lsn: Lsn;
  readonly sequence: number;
}

export interface LogEffect {
  /** All columns, then our own fields. */
  readonly rows: CopyRows;
  readonly incomplete: readonly IncompleteRows[];
  /**
   * The first row's place: what incomplete rows lack is in the last row of their key before it. Later ones may be of another row that took
   * over the key within this batch.
   */
  readonly first: LogPlace;
}

const ABSENT = 'absent';
/** The last row that was logged of a key: `base` names the row that has its unknown columns. */
type Image = typeof ABSENT | (PartialRow & { readonly base: RowSlice | null });

interface KeyedUpdate {
  /** Null: the key did not change. */
  readonly old: OldRow | null;
  readonly tuple: TupleSlice;
  readonly keyColumns: readonly number[];
}

/** Collects the changes of one object. Set `origin` before each. */
export class LogBatch {
  readonly keeps = 'changes';
  readonly shape: RowShape;
  readonly overlap = false;
  /** See `ObjectBatch.position`. */
  position: Lsn = LSN_ZERO;
  readonly truncateFirst = false;
  readonly counts: ChangeCounts = { inserted: 0, updated: 0, deleted: 0, truncated: 0 };
  origin: ChangeOrigin | null = null;
  #first: LogPlace | null = null;
  readonly #stamps = new Map<string, Buffer>();
  #stampsOf: ChangeOrigin | null = null;
  readonly #words: ChangeWords;
  readonly #rows = new GrowBuffer();
  readonly #whole = new Segments();
  readonly #partials: PartialRows;
  #keys: BatchKeys | null;
  #images: (Image | undefined)[] = [];

  constructor(shape: RowShape, words: ChangeWords) {
    this.shape = shape;
    this.#words = words;
    this.#keys = this.#newKeys();
    this.#partials = new PartialRows(shape.format, shape.columns.length, LOG_FIELDS);
  }

  get sizeBytes(): number {
    return this.#rows.length + this.#partials.sizeBytes + (this.#keys?.sizeBytes ?? 0);
  }

  get isEmpty(): boolean {
    return this.#whole.rows === 0 && this.#partials.isEmpty;
  }

  insert(tuple: TupleSlice): ChangeOutcome {
    this.counts.inserted++;
    const entry = this.#entryOf(tuple);
    const start = this.#rows.length;
    if (entry === UNKNOWN_KEY || this.#append(tuple) > 0) return 'unmatched';
    this.#setImage(entry, this.#addWhole(start, this.#words.insert));
    return 'done';
  }

  /** `oldKind` 0: the key did not change; 'K': the old key; 'O': the whole old row. */
  update(oldKind: number, oldTuple: TupleSlice, tuple: TupleSlice): ChangeOutcome {
    this.counts.updated++;
    const { identity } = this.shape;
    const old = oldKind === 0 ? null : { tuple: oldTuple, isFull: oldKind === OLD_ROW };
    switch (identity.kind) {
      case 'none':
        return 'unmatched';
      case 'full': {
        const start = this.#rows.length;
        if (old?.isFull !== true || this.#appendNew(old, tuple, []) > 0) return 'unmatched';
        this.#addWhole(start, this.#words.update);
        return 'done';
      }
      case 'key':
        return this.#updateByKey(must(this.#keys, 'the keys'), { old, tuple, keyColumns: identity.columns });
    }
  }

  delete(oldKind: number, oldTuple: TupleSlice): ChangeOutcome {
    this.counts.deleted++;
    const { identity } = this.shape;
    const isCarried = oldKind === OLD_ROW || (oldKind === OLD_KEY && identity.kind === 'key');
    return isCarried && identity.kind !== 'none' ? this.#remove(oldTuple) : 'unmatched';
  }

  truncate(): void {
    this.counts.truncated++;
    const start = this.#rows.length;
    appendNulls(this.shape.format.name, this.#rows, this.shape.columns.length);
    this.#addWhole(start, this.#words.truncate);
    this.#keys = this.#newKeys();
    this.#images = [];
  }

  effect(): LogEffect {
    const rows = { bytes: this.#rows.bytes, segments: this.#whole };
    return { rows, incomplete: this.#partials.groups(this.#rows.bytes), first: this.#first ?? { lsn: LSN_ZERO, sequence: 0 } };
  }

  /** A change of the key is a delete of the old key and an insert of the new one: a log by key would otherwise keep the old row alive. */
  #updateByKey(keys: BatchKeys, { old, tuple, keyColumns }: KeyedUpdate): ChangeOutcome {
    const oldEntry = keys.entryOf(old?.tuple ?? tuple);
    if (oldEntry === UNKNOWN_KEY) return 'unmatched';
    const entry = old === null ? oldEntry : keys.newEntry(old, tuple);
    if (entry === UNKNOWN_KEY) return 'unmatched';
    const image = this.#images[oldEntry];
    if (image === ABSENT) return 'unmatched';
    const baseKey = image?.base ?? keys.slice(oldEntry);
    if (entry !== oldEntry && old !== null && this.#remove(old.tuple) !== 'done') return 'unmatched';
    let start = this.#rows.length;
    let unknown = old === null ? this.#append(tuple) : this.#appendNew(old, tuple, keyColumns);
    if (unknown > 0 && image !== undefined) {
      const patch = this.#rows.bytes.subarray(start, this.#rows.length);
      const former = { bytes: this.#rows.bytes, start: image.start, end: image.end };
      start = this.#rows.length;
      const row = { bytes: patch, start: 0, end: patch.length };
      unknown = this.shape.format.appendMerged(this.#rows, row, former, this.shape.columns.length);
    }
    const word = entry === oldEntry ? this.#words.update : this.#words.insert;
    if (unknown === 0) this.#setImage(entry, this.#addWhole(start, word));
    else {
      this.#stamp(start, word);
      const row = { start, end: this.#rows.length };
      this.#partials.add(this.#rows.bytes, row, baseKey);
      this.#images[entry] = { ...row, base: baseKey };
    }
    return 'done';
  }

  #remove(oldTuple: TupleSlice): ChangeOutcome {
    const entry = this.#entryOf(oldTuple);
    const start = this.#rows.length;
    if (entry === UNKNOWN_KEY || this.#append(oldTuple) > 0) return 'unmatched';
    this.#addWhole(start, this.#words.delete);
    if (entry !== NO_KEY) this.#images[entry] = ABSENT;
    return 'done';
  }

  #append(tuple: TupleSlice): number {
    return this.shape.format.appendTuple(this.#rows, tuple, this.shape.columns.length);
  }

  #appendNew(old: OldRow, tuple: TupleSlice, keyColumns: readonly number[]): number {
    return appendNewRow(this.shape.format, this.#rows, old, tuple, keyColumns, this.shape.columns.length);
  }

  #addWhole(start: number, word: string): PartialRow {
    this.#stamp(start, word);
    this.#whole.add(start, this.#rows.length);
    return { start, end: this.#rows.length };
  }

  /** Puts our own fields behind the last row: kind, position and time are the same bytes for all of a kind in a transaction. */
  #stamp(start: number, word: string): void {
    const { format, columns } = this.shape;
    const origin = must(this.origin, 'the transaction of the change');
    if (origin !== this.#stampsOf) this.#stamps.clear();
    this.#stampsOf = origin;
    let common = this.#stamps.get(word);
    if (common === undefined) {
      common = encodeFields(format.name, [
        { type: 'word', value: word },
        { type: 'lsn', value: origin.lsn },
        { type: 'time', value: origin.commitTimeMicros },
      ]);
      this.#stamps.set(word, common);
    }
    origin.sequence++;
    this.#first ??= { lsn: origin.lsn, sequence: origin.sequence };
    const count = LOG_FIELDS - 1;
    extendRow(format.name, this.#rows, { start, columnCount: columns.length }, { bytes: common, count });
    const place = encodeFields(format.name, [{ type: 'count', value: origin.sequence }]);
    extendRow(format.name, this.#rows, { start, columnCount: columns.length + count }, { bytes: place, count: 1 });
  }

  #setImage(entry: number, row: PartialRow): void {
    if (entry !== NO_KEY) this.#images[entry] = { ...row, base: null };
  }

  /** `NO_KEY` for tables whose rows have none, `UNKNOWN_KEY` when the tuple lacks it. */
  #entryOf(tuple: TupleSlice): number {
    return this.#keys === null ? NO_KEY : this.#keys.entryOf(tuple);
  }

  #newKeys(): BatchKeys | null {
    const { identity, format } = this.shape;
    return identity.kind === 'key' ? new BatchKeys(format, identity.columns) : null;
  }
}

const OLD_KEY = 0x4b; // 'K'
const OLD_ROW = 0x4f; // 'O'
const NO_KEY = -2;
