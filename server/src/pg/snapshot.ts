// Decides whether a transaction was visible to a snapshot: what separates rows that a copy has read from changes that the
// stream still has to bring.
import { ProtocolError } from './protocol-error.ts';

/**
 * A snapshot as `pg_current_snapshot()` prints it. Source: PostgreSQL manual, "9.27.8. Transaction ID and Snapshot
 * Information Functions". The smaller ids are kept as distances from `xmax`: the stream carries the low 32 bits of an id
 * only, and a distance survives the wraparound of those.
 */
export interface Snapshot {
  /** The first id (64 bits, with its epoch) that had not been assigned: it and all later ones are invisible. */
  readonly xmax: bigint;
  readonly xmaxLow: number;
  /** `xmin - xmax`, ≤ 0: all ids before xmin had ended, whether by commit or by rollback. */
  readonly xminDistance: number;
  /** `id - xmax` of every top-level transaction that was still running, ascending, all < 0. */
  readonly runningDistances: Int32Array;
}

/**
 * Reads `xmin:xmax:xip,…`. Throws a `ProtocolError` on anything else, also on ids that no server can have running together.
 * A snapshot taken on a standby must never get here: there `pg_current_snapshot()` leaves the running ids out.
 */
export function parseSnapshot(text: string): Snapshot {
  const match = SNAPSHOT_TEXT.exec(text);
  if (!match) throw new ProtocolError('a snapshot does not read xmin:xmax:xip', 0);
  const [, xminText = '', xmaxText = '', runningText = ''] = match;
  const xmax = BigInt(xmaxText);
  const xminDistance = distance(BigInt(xminText), xmax);
  const running = runningText === '' ? [] : runningText.split(',').map((id) => distance(BigInt(id), xmax));
  let previous = xminDistance - 1;
  for (const id of running) {
    if (id <= previous || id >= 0) throw new ProtocolError('the running ids of a snapshot are not in order between xmin and xmax', 0);
    previous = id;
  }
  return { xmax, xmaxLow: Number(xmax & LOW_MASK), xminDistance, runningDistances: Int32Array.from(running) };
}

/** Prints the snapshot as Postgres does. */
export function formatSnapshot(snapshot: Snapshot): string {
  const id = (distanceFromXmax: number): string => String(snapshot.xmax + BigInt(distanceFromXmax));
  return `${id(snapshot.xminDistance)}:${snapshot.xmax}:${Array.from(snapshot.runningDistances, id).join(',')}`;
}

/**
 * Whether a committed transaction is visible to the snapshot. `xid` is the top-level id as the stream sends it: the low 32
 * bits; of the ids they may stand for, the one nearest to xmax is meant, as nothing further away can be in one WAL.
 */
export function isVisible(snapshot: Snapshot, xid: number): boolean {
  const id = (xid - snapshot.xmaxLow) | 0;
  if (id >= 0) return false;
  if (id < snapshot.xminDistance) return true;
  return !includes(snapshot.runningDistances, id);
}

const SNAPSHOT_TEXT = /^(\d{1,20}):(\d{1,20}):((?:\d{1,20}(?:,\d{1,20})*)?)$/;
const LOW_MASK = 0xffff_ffffn;
/** Ids of 32 bits are ordered over half of their range: Postgres never lets older ones stay. */
const MAX_DISTANCE = 0x7fff_ffffn;

function distance(id: bigint, xmax: bigint): number {
  if (id > xmax || xmax - id > MAX_DISTANCE)
    throw new ProtocolError('the ids of a snapshot are further apart than any server keeps them', 0);
  return Number(id - xmax);
}

function includes(ascending: Int32Array, wanted: number): boolean {
  let low = 0;
  let high = ascending.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const value = ascending[middle] as number;
    if (value === wanted) return true;
    if (value < wanted) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}
