// A run of changes of a table that keeps versions: for every key, the row or its absence after each transaction that touched it.
import type { Lsn } from '../../pg/lsn.ts';
import { BatchKeys, UNKNOWN_KEY } from './batch-keys.ts';
import type { ChangeOrigin } from './change-origin.ts';
import { GrowBuffer } from './grow-buffer.ts';
import type { ChangeOutcome } from './object-batch.ts';
import { appendNewRow, type OldRow } from './old-row.ts';
import { encodeFields, extendRow } from './own-fields.ts';
import { PartialRows } from './partial-rows.ts';
import type { RowFormat, RowSlice, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

/**
 * Versions to be staged. Behind the columns of each row stand five fields of our own: position and time of its begin, the time of its end
 * (NULL: it is current), whether it is the first of its key here, so that it ends what is current at the destination, and whether there
 * is a row at all.
 */
export interface VersionEffect {
  /** All columns. */
  readonly rows: CopyRows;
  /** The columns that are there, our fields, and the key of the current version at the destination that has the others. */
  readonly incomplete: readonly { readonly columns: readonly number[]; readonly rows: CopyRows }[];
  /** Keys without a row after the first transaction that touched them: the key's columns alone. */
  readonly ended: CopyRows;
}

const OWN_FIELDS = 5;

/** What one transaction left of one key. Of several changes in it only the last counts. */
interface State {
  readonly entry: number;
  readonly lsn: Lsn;
  /** The commit's time, but not before the end of the key's last version here, whatever the clock said. */
  readonly atMicros: bigint;
  /** When the key's last version here ended; null: none did, as far as is known here. */
  readonly endedMicros: bigint | null;
  readonly isFirst: boolean;
  image: Image | null;
  /** What the next transaction that touched the key left. */
  next: State | null;
}

/** A row in the arena. `base`: the key at the destination whose current version has its unknown columns; null: none is unknown. */
interface Image {
  readonly start: number;
  readonly end: number;
  readonly base: RowSlice | null;
}

export class VersionPhase {
  readonly kind = 'versions';
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #keyColumns: readonly number[];
  readonly #keys: BatchKeys;
  readonly #rows = new GrowBuffer();
  readonly #states: State[] = [];
  /** By the number of the key. */
  readonly #last: State[] = [];

  constructor(format: RowFormat, columnCount: number, keyColumns: readonly number[]) {
    this.#format = format;
    this.#columnCount = columnCount;
    this.#keyColumns = keyColumns;
    this.#keys = new BatchKeys(format, keyColumns);
  }

  get sizeBytes(): number {
    return this.#rows.length + this.#keys.sizeBytes + this.#states.length * STATE_BYTES;
  }

  get isEmpty(): boolean {
    return this.#states.length === 0;
  }

  insert(origin: ChangeOrigin, tuple: TupleSlice): ChangeOutcome {
    const entry = this.#keys.entryOf(tuple);
    const start = this.#rows.length;
    if (entry === UNKNOWN_KEY || this.#format.appendTuple(this.#rows, tuple, this.#columnCount) > 0) return 'unmatched';
    this.#put(origin, entry, { start, end: this.#rows.length, base: null });
    return 'done';
  }

  /** `old` null: the key did not change. A changed key ends the old key's version and begins one of the new key. */
  update(origin: ChangeOrigin, old: OldRow | null, tuple: TupleSlice): ChangeOutcome {
    const oldEntry = this.#keys.entryOf(old?.tuple ?? tuple);
    if (oldEntry === UNKNOWN_KEY) return 'unmatched';
    const entry = old === null ? oldEntry : this.#keys.newEntry(old, tuple);
    if (entry === UNKNOWN_KEY) return 'unmatched';
    const known = this.#last[oldEntry];
    if (known?.image === null) return 'unmatched';
    let start = this.#rows.length;
    let unknown =
      old === null
        ? this.#format.appendTuple(this.#rows, tuple, this.#columnCount)
        : appendNewRow(this.#format, this.#rows, old, tuple, this.#keyColumns, this.#columnCount);
    if (unknown > 0 && known !== undefined) {
      const patch = { bytes: this.#rows.bytes, start, end: this.#rows.length };
      const former = { bytes: this.#rows.bytes, start: known.image.start, end: known.image.end };
      start = this.#rows.length;
      unknown = this.#format.appendMerged(this.#rows, patch, former, this.#columnCount);
    }
    const base = unknown === 0 ? null : (known?.image.base ?? this.#keys.slice(oldEntry));
    if (entry !== oldEntry) this.#put(origin, oldEntry, null);
    this.#put(origin, entry, { start, end: this.#rows.length, base });
    return 'done';
  }

  /** `tuple` holds at least the key columns. */
  delete(origin: ChangeOrigin, tuple: TupleSlice): ChangeOutcome {
    const entry = this.#keys.entryOf(tuple);
    if (entry === UNKNOWN_KEY) return 'unmatched';
    this.#put(origin, entry, null);
    return 'done';
  }

  effect(): VersionEffect {
    const out = new GrowBuffer();
    const rows = new Segments();
    const keys = new GrowBuffer();
    const ended = new Segments();
    const partials = new PartialRows(this.#format, this.#columnCount, OWN_FIELDS);
    for (const state of this.#states) {
      const fields = { bytes: this.#fieldsOf(state), count: OWN_FIELDS };
      const { image } = state;
      if (image === null) {
        if (!state.isFirst) continue;
        const start = append(keys, this.#keys.slice(state.entry));
        extendRow(this.#format.name, keys, { start, columnCount: this.#keyColumns.length }, fields);
        ended.add(start, keys.length);
        continue;
      }
      const start = append(out, { bytes: this.#rows.bytes, ...image });
      extendRow(this.#format.name, out, { start, columnCount: this.#columnCount }, fields);
      if (image.base === null) rows.add(start, out.length);
      else partials.add(out.bytes, { start, end: out.length }, image.base);
    }
    return {
      rows: { bytes: out.bytes, segments: rows },
      incomplete: partials.groups(out.bytes),
      ended: { bytes: keys.bytes, segments: ended },
    };
  }

  #put({ lsn, commitTimeMicros }: ChangeOrigin, entry: number, image: Image | null): void {
    const last = this.#last[entry];
    if (last !== undefined && last.lsn === lsn) {
      last.image = image;
      return;
    }
    const floor = last === undefined ? null : last.image === null ? last.endedMicros : last.atMicros;
    const atMicros = floor === null || floor < commitTimeMicros ? commitTimeMicros : floor;
    // What came and went in one transaction is no version, and its time says nothing of later ones.
    const endedMicros = last !== undefined && last.image !== null ? atMicros : floor;
    const state: State = { entry, lsn, atMicros, endedMicros, isFirst: last === undefined, image, next: null };
    if (last !== undefined) last.next = state;
    this.#last[entry] = state;
    this.#states.push(state);
  }

  #fieldsOf({ lsn, atMicros, isFirst, image, next }: State): Buffer {
    return encodeFields(this.#format.name, [
      { type: 'lsn', value: lsn },
      { type: 'time', value: atMicros },
      { type: 'time', value: next?.atMicros ?? null },
      { type: 'flag', value: isFirst },
      { type: 'flag', value: image !== null },
    ]);
  }
}

/** Copies a row to the end of `out`; returns where it begins. */
function append(out: GrowBuffer, { bytes, start, end }: RowSlice): number {
  out.reserve(end - start);
  const at = out.length;
  out.length += bytes.copy(out.bytes, at, start, end);
  return at;
}

/** What a state costs beside its row. */
const STATE_BYTES = 160;
