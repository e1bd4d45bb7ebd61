// The clock of the replication protocol: microseconds since 2000-01-01 UTC, which is not where JavaScript starts to count.

/** 2000-01-01 00:00 UTC in Unix milliseconds. Source: PostgreSQL manual, "54.4. Streaming Replication Protocol". */
const POSTGRES_EPOCH_UNIX_MS = Date.UTC(2000, 0, 1);
const MICROS_PER_MS = 1_000n;

/** Unix milliseconds → microseconds since 2000; fractions of a microsecond are dropped. */
export function postgresMicros(unixMs: number): bigint {
  return BigInt(Math.floor((unixMs - POSTGRES_EPOCH_UNIX_MS) * 1_000));
}

/** Microseconds since 2000 → Unix milliseconds; the remaining microseconds are dropped. */
export function unixMs(micros: bigint): number {
  return Number(micros / MICROS_PER_MS) + POSTGRES_EPOCH_UNIX_MS;
}
