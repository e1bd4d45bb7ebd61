// Changes of a table whose log carries no row identity: only inserts reach us, and they are appended.
import { GrowBuffer } from './grow-buffer.ts';
import type { RowFormat, TupleSlice } from './row-format.ts';
import { type CopyRows, Segments } from './segments.ts';

/** Inserted rows in the order of the stream. */
export class AppendPhase {
  readonly kind = 'append';
  readonly #format: RowFormat;
  readonly #columnCount: number;
  readonly #rows = new GrowBuffer();
  readonly #segments = new Segments();

  constructor(format: RowFormat, columnCount: number) {
    this.#format = format;
    this.#columnCount = columnCount;
  }

  get sizeBytes(): number {
    return this.#rows.length;
  }

  get isEmpty(): boolean {
    return this.#segments.rows === 0;
  }

  insert(tuple: TupleSlice): void {
    const start = this.#rows.length;
    this.#format.appendTuple(this.#rows, tuple, this.#columnCount);
    this.#segments.add(start, this.#rows.length);
  }

  effect(): CopyRows {
    return { bytes: this.#rows.bytes, segments: this.#segments };
  }
}
