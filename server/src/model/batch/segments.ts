// Which stretches of an arena make up a COPY: neighbouring rows are joined, so that an undisturbed run is sent as one piece.

/** Byte ranges, ascending pairs `[start, end)`, with how many rows they hold. */
export class Segments {
  readonly bounds: number[] = [];
  rows = 0;
  sizeBytes = 0;

  /** Adds one row's range. */
  add(start: number, end: number): void {
    const last = this.bounds.length - 1;
    if (last > 0 && this.bounds[last] === start) this.bounds[last] = end;
    else this.bounds.push(start, end);
    this.rows++;
    this.sizeBytes += end - start;
  }
}

/** Rows to be copied: the ranges and the bytes that they point into. */
export interface CopyRows {
  readonly bytes: Buffer;
  readonly segments: Segments;
}
