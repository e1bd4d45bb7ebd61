// Finds out which column is which when the stream describes a table anew: it names columns, and only the catalogue knows their numbers.
import type { DestinationColumn } from '../destination-table.ts';

/** A column as a Relation message describes it. */
export interface StreamColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
}

/** A column of the stream with its number, and what is known of it from before and from now. */
export interface AlignedColumn {
  readonly attnum: number;
  readonly stream: StreamColumn;
  /** As the destination table has it; null: it is new. */
  readonly known: DestinationColumn | null;
  /** As the source's catalogue has it now; null: it is gone again. */
  readonly current: DestinationColumn | null;
}

/** The columns of three moments; only those that are streamed, each list in the order of `attnum`. */
export interface Moments {
  /** What the destination table was made for. */
  readonly known: readonly DestinationColumn[];
  /** What the stream brings from now on: at some moment between the other two. */
  readonly stream: readonly StreamColumn[];
  /** What the catalogue says now, which may be much later. */
  readonly current: readonly DestinationColumn[];
}

/**
 * Gives each column of the stream its number; null where there is no way to do that, or more than one.
 *
 * pgoutput sends columns in the order of their numbers, a number stays when a column is renamed, new columns come last and numbers are
 * never used again. So what is known and still there was there all the time; of the new columns that are there now, the stream has the
 * first few; and what has been dropped by now may or may not have been there.
 */
export function alignColumns({ known, stream, current }: Moments): readonly AlignedColumn[] | null {
  const currently = new Map(current.map((column) => [column.attnum, column]));
  const before = new Set(known.map((column) => column.attnum));
  const candidates = known.map((column) => ({ known: column, current: currently.get(column.attnum) ?? null }));
  const arrivals = current.filter((column) => !before.has(column.attnum));
  let found: readonly AlignedColumn[] | null = null;
  for (let count = 0; count <= arrivals.length && count <= stream.length; count++) {
    const tail = stream.slice(stream.length - count);
    if (!tail.every((column, index) => isAs(column, arrivals[index]))) continue;
    const { ways, aligned } = alignKnown(stream.slice(0, stream.length - count), candidates);
    if (ways === 0) continue;
    if (ways > 1 || found !== null) return null;
    const added = tail.map((column, index): AlignedColumn => {
      const arrival = arrivals[index] as DestinationColumn;
      return { attnum: arrival.attnum, stream: column, known: null, current: arrival };
    });
    found = [...aligned, ...added];
  }
  return found;
}

interface Candidate {
  readonly known: DestinationColumn;
  readonly current: DestinationColumn | null;
}

/** In how many ways `columns` may be `candidates` (2 stands for more), and the one if there is only one. */
function alignKnown(
  columns: readonly StreamColumn[],
  candidates: readonly Candidate[],
): { readonly ways: number; readonly aligned: readonly AlignedColumn[] } {
  const width = candidates.length + 1;
  // ways[i * width + j]: of columns from i on to candidates from j on.
  const ways = new Uint8Array((columns.length + 1) * width);
  const at = (i: number, j: number): number => ways[i * width + j] ?? 0;
  ways[columns.length * width + candidates.length] = 1;
  for (let j = candidates.length - 1; j >= 0; j--) {
    const candidate = candidates[j] as Candidate;
    for (let i = columns.length; i >= 0; i--) {
      // What is still there now can't have been away.
      const skipped = candidate.current === null ? at(i, j + 1) : 0;
      const column = columns[i];
      const taken = column !== undefined && mayBe(column, candidate) ? at(i + 1, j + 1) : 0;
      ways[i * width + j] = Math.min(2, skipped + taken);
    }
  }
  const aligned: AlignedColumn[] = [];
  if (at(0, 0) !== 1) return { ways: at(0, 0), aligned };
  for (let i = 0, j = 0; i < columns.length; j++) {
    const [candidate, column] = [candidates[j] as Candidate, columns[i] as StreamColumn];
    if (!mayBe(column, candidate) || at(i + 1, j + 1) === 0) continue;
    aligned.push({ attnum: candidate.known.attnum, stream: column, ...candidate });
    i++;
  }
  return { ways: 1, aligned };
}

/** Its name and its type are those of before or those of now. (What it was in between, nobody remembers.) */
function mayBe(column: StreamColumn, { known, current }: Candidate): boolean {
  return (
    (column.name === known.sourceName || column.name === current?.sourceName) &&
    (isOfType(column, known) || (current !== null && isOfType(column, current)))
  );
}

function isAs(column: StreamColumn, other: DestinationColumn | undefined): boolean {
  return other !== undefined && column.name === other.sourceName && isOfType(column, other);
}

/** Whether both have one type, and one length and precision. */
export function isOfType(column: StreamColumn, other: DestinationColumn): boolean {
  return column.typeOid === other.sourceTypeOid && (other.sourceTypmod === undefined || column.typmod === other.sourceTypmod);
}
