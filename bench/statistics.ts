// The few statistics that the bench prints, as pure functions, so that they can be tested without running it.

/** The middle value; the mean of the two middle ones for an even count. Throws on an empty list. */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const upper = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? at(sorted, upper) : (at(sorted, upper - 1) + at(sorted, upper)) / 2;
}

/**
 * The smallest value that at least `fraction` (0 < fraction ≤ 1) of all values do not exceed (nearest rank, no
 * interpolation: a printed p99 is a lag that really happened). Throws on an empty list.
 */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = ascending(values);
  return at(sorted, Math.max(0, Math.ceil(sorted.length * fraction) - 1));
}

/** The greatest value. Throws on an empty list. */
export function maximum(values: readonly number[]): number {
  const sorted = ascending(values);
  return at(sorted, sorted.length - 1);
}

/** The least value. Throws on an empty list. */
export function minimum(values: readonly number[]): number {
  return at(ascending(values), 0);
}

function ascending(values: readonly number[]): readonly number[] {
  if (values.length === 0) throw new Error('no values to summarise');
  return [...values].sort((a, b) => a - b);
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new Error(`no value at ${index}`);
  return value;
}
