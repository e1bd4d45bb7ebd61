// Rows of a table that keeps more than the present rows, which lack columns that only the destination knows: sorted by what they lack.
import { GrowBuffer } from './grow-buffer.ts';
import type { RowFormat, RowSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

/** Where a row lies in its batch's arena. */
export interface PartialRow {
  readonly start: number;
  readonly end: number;
}

interface Group {
  readonly columns: readonly number[];
  readonly rows: { readonly row: PartialRow; readonly base: RowSlice }[];
}

/** Collects rows with `ownFields` fields of ours behind their columns. */
export class PartialRows {
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #ownFields: number;
  readonly #groups = new Map<string, Group>();
  sizeBytes = 0;

  constructor(format: RowFormat, columnCount: number, ownFields: number) {
    this.#format = format;
    this.#columnCount = columnCount;
    this.#ownFields = ownFields;
  }

  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /** `base`: the key of the row at the destination that has the missing columns. */
  add(bytes: Buffer, row: PartialRow, base: RowSlice): void {
    const unknown = new Set(this.#format.unknownColumns({ bytes, ...row }, this.#columnCount));
    const columns = Array.from({ length: this.#columnCount }, (_, column) => column).filter((column) => !unknown.has(column));
    const group = this.#groups.get(columns.join());
    if (group === undefined) this.#groups.set(columns.join(), { columns, rows: [{ row, base }] });
    else group.rows.push({ row, base });
    this.sizeBytes += ROW_BYTES + (base.end - base.start);
  }

  /** The rows that lie in `bytes`, ready for COPY: the columns that are there, our own fields, then the key of the base. */
  groups(bytes: Buffer): readonly { readonly columns: readonly number[]; readonly rows: CopyRows }[] {
    const own = Array.from({ length: this.#ownFields }, (_, field) => this.#columnCount + field);
    return [...this.#groups.values()].map(({ columns, rows }) => {
      const out = new GrowBuffer();
      const segments = new Segments();
      const picked = new GrowBuffer();
      for (const { row, base } of rows) {
        picked.length = 0;
        this.#format.appendPicked(picked, { bytes, ...row }, [...columns, ...own]);
        const start = out.length;
        this.#format.appendJoined(out, { bytes: picked.bytes, start: 0, end: picked.length }, base);
        segments.add(start, out.length);
      }
      return { columns, rows: { bytes: out.bytes, segments } };
    });
  }
}

/** What a row costs beside its bytes. */
const ROW_BYTES = 96;
