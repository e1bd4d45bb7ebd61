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

/** Microseconds since 2000 → the text that a `timestamptz` is read from, to the microsecond. */
export function copyText(micros: bigint): string {
  const seconds = micros / MICROS_PER_SECOND - (micros % MICROS_PER_SECOND < 0n ? 1n : 0n);
  const fraction = String(micros - seconds * MICROS_PER_SECOND).padStart(6, '0');
  const [date = '', time = ''] = new Date(Number(seconds) * 1_000 + POSTGRES_EPOCH_UNIX_MS).toISOString().split(/[T.]/);
  return `${date} ${time}.${fraction}+00`;
}

const MICROS_PER_SECOND = 1_000_000n;
