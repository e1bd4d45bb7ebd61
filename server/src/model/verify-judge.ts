// Decides from what was read of a row on both sides, and in which order, whether it is really wrong or was only being changed.
import type { Mismatches } from './verify.ts';

/** Equal rows of one side. */
export interface EqualRows {
  /** Hash of all compared columns. */
  readonly digest: string;
  readonly count: number;
  /**
   * Which physical rows they are: the same text in two readings means that these very rows existed all the time in between.
   * Empty where nobody needs to know.
   */
  readonly versions: string;
}

/** All rows of one side that share a key; or, without a key, that are equal. Empty: there is none. */
export type Reading = readonly EqualRows[];

export type Verdict = { readonly kind: 'equal' } | { readonly kind: 'unsettled' } | ({ readonly kind: 'differs' } & Mismatches);

/** What was read, in this order: source, destination, source again, destination again. */
export interface Readings {
  /** Every transaction that this reading could see had been applied before the destination's first reading. */
  readonly firstSource: Reading;
  readonly firstDestination: Reading;
  /** Sees every transaction that the destination's first reading saw; all that it sees had been applied before the second. */
  readonly secondSource: Reading;
  readonly secondDestination: Reading;
}

/** Whether both readings hold the same rows. */
export function sameRows(a: Reading, b: Reading): boolean {
  return a.length === b.length && a.every((rows) => countOf(b, rows.digest) === rows.count);
}

/**
 * The verdict on rows of a pipeline that runs.
 *
 * The destination's first reading shows the source as it was at some moment between the source's two readings. A source row that
 * existed during all of that time must be in it: otherwise it is missing. In the same way the source's second reading lies between
 * the destination's two: a destination row that existed all the time must be in it, otherwise it is extra. Comparing values instead
 * of physical rows would not do: a row that goes and comes back looks the same.
 */
export function judgeRunning(readings: Readings, keyed: boolean): Verdict {
  const { firstSource, firstDestination, secondSource, secondDestination } = readings;
  const agrees =
    sameRows(firstSource, firstDestination) || sameRows(secondSource, firstDestination) || sameRows(secondSource, secondDestination);
  if (agrees) return { kind: 'equal' };
  const missing = lasting(firstSource, secondSource).reduce((sum, rows) => sum + lackOf(firstDestination, rows), 0);
  const extra = lasting(firstDestination, secondDestination).reduce((sum, rows) => sum + lackOf(secondSource, rows), 0);
  if (missing === 0 && extra === 0) return { kind: 'unsettled' };
  if (!keyed) return { kind: 'differs', missing, extra, different: 0 };
  return { kind: 'differs', ...pair(missing, extra, { source: secondSource, destination: firstDestination }) };
}

/** The verdict on rows that did not change between the destination's checkpoint and the reading of the source. */
export function judgeStopped(source: Reading, destination: Reading, keyed: boolean): Verdict {
  if (sameRows(source, destination)) return { kind: 'equal' };
  const missing = source.reduce((sum, rows) => sum + lackOf(destination, rows), 0);
  const extra = destination.reduce((sum, rows) => sum + lackOf(source, rows), 0);
  if (!keyed) return { kind: 'differs', missing, extra, different: 0 };
  return { kind: 'differs', ...pair(missing, extra, { source, destination }) };
}

/** How many rows a difference that can't be proved is about. */
export function doubtfulRows(source: Reading, destination: Reading, keyed: boolean): number {
  if (keyed) return Math.max(1, totalOf(source), totalOf(destination));
  const missing = source.reduce((sum, rows) => sum + lackOf(destination, rows), 0);
  const extra = destination.reduce((sum, rows) => sum + lackOf(source, rows), 0);
  return Math.max(1, missing + extra);
}

/** A row that one side lacks and one that it has too many, under one key, are one row with other values. */
function pair(missing: number, extra: number, rows: { readonly source: Reading; readonly destination: Reading }): Mismatches {
  const matched = rows.source.reduce((sum, equal) => sum + Math.min(equal.count, countOf(rows.destination, equal.digest)), 0);
  const replaced = Math.min(missing, totalOf(rows.destination) - matched);
  const replacing = Math.min(extra, totalOf(rows.source) - matched);
  return { missing: missing - replaced, extra: extra - replacing, different: Math.max(replaced, replacing) };
}

/** Rows that existed from the first to the second reading. */
function lasting(first: Reading, second: Reading): readonly EqualRows[] {
  return first.filter((rows) => second.some((other) => other.digest === rows.digest && other.versions === rows.versions));
}

function lackOf(reading: Reading, rows: EqualRows): number {
  return Math.max(0, rows.count - countOf(reading, rows.digest));
}

function countOf(reading: Reading, digest: string): number {
  return reading.find((rows) => rows.digest === digest)?.count ?? 0;
}

function totalOf(reading: Reading): number {
  return reading.reduce((sum, rows) => sum + rows.count, 0);
}
