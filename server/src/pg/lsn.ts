// Log sequence numbers: 64-bit positions in the write-ahead log, kept as bigint so that none is ever rounded.

declare const lsnBrand: unique symbol;

/** A byte position in the WAL (pg_lsn). Source: PostgreSQL manual, "8.20. pg_lsn Type". */
export type Lsn = bigint & { readonly [lsnBrand]: true };

/** The position before everything; never a valid commit position. */
export const LSN_ZERO = 0n as Lsn;

const LSN_TEXT = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i;
const LOW_MASK = 0xffffffffn;

/** Reads Postgres' text form `16/B374D848`. Throws a `TypeError` on anything else. */
export function parseLsn(text: string): Lsn {
  const match = LSN_TEXT.exec(text);
  if (!match) throw new TypeError(`not an LSN: ${JSON.stringify(text)}`);
  return ((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`)) as Lsn;
}

/** Writes Postgres' text form, as `pg_lsn` prints it. */
export function formatLsn(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16).toUpperCase()}/${(lsn & LOW_MASK).toString(16).toUpperCase()}`;
}

/** Reads the 8-byte wire form at `offset`. */
export function readLsn(bytes: Buffer, offset: number): Lsn {
  return bytes.readBigUInt64BE(offset) as Lsn;
}

/** The later of two positions. */
export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}

/** The earlier of two positions. */
export function minLsn(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}
