// How long to wait before the next attempt: exponential with jitter, so that many who failed together do not come back together.

const FIRST_MS = 200;
const LIMIT_MS = 30_000;

/** The pause after `failures` failures in a row (1, 2, …): a random part of a bound that doubles up to 30 s. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const bound = Math.min(LIMIT_MS, FIRST_MS * 2 ** Math.min(failures - 1, 16));
  return Math.round(bound / 2 + (random() * bound) / 2);
}
