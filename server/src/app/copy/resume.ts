// Decides what an interrupted historical load is still worth: nothing, its finished pieces, or everything.
import type { DestinationTable } from '../../model/destination-table.ts';
import type { SourceLeaf } from '../../model/table.ts';
import type { Lsn } from '../../pg/lsn.ts';
import { parseSnapshot, type Snapshot } from '../../pg/snapshot.ts';
import { type Chunk, type CopyLeaf, missingRanges } from '../../source/chunks.ts';

/** A piece that is committed at the destination. */
export interface FinishedPiece extends Chunk {
  readonly rows: number;
  readonly bytes: number;
}

/** A leaf as it was when a load began. */
export type LeafVersion = Pick<SourceLeaf, 'oid' | 'relfilenode'>;

/** A load that was interrupted, as it was written down when it began, with what is finished of it. */
export interface UnfinishedCopy {
  /** The load's first snapshot, and the WAL position after it. */
  readonly snapshotText: string;
  readonly endLsn: Lsn;
  readonly leaves: readonly LeafVersion[];
  readonly finished: readonly FinishedPiece[];
}

/**
 * - `fresh`: whatever is there is thrown away.
 * - `resume`: finished pieces stay; of them, rows written by transaction `writtenSince` or later are read again.
 */
export type CopyDecision =
  | { readonly kind: 'fresh'; readonly reason: FreshReason }
  | { readonly kind: 'resume'; readonly writtenSince: number; readonly unfinished: UnfinishedCopy };

export type FreshReason = 'first_attempt' | 'nothing_finished' | 'no_single_key' | 'relations_changed' | 'too_long_ago';

/**
 * Whether every row was copied, so that only the end of the load is missing. Then its own snapshot is the hand-off, with no overlap.
 * Leaves that were read through their root are not covered by pieces of their own: nothing would have noticed their rewrite.
 */
export function isComplete(unfinished: UnfinishedCopy): boolean {
  return unfinished.leaves.every((leaf) => missingRanges(leaf.oid, unfinished.finished).length === 0);
}

/**
 * Whether a load can go on under a new snapshot, now that `leaves` are what there is to read.
 *
 * Finished pieces were read under the old snapshot S1, the rest will be under a new one, S2. Both may hold the same key (a row moved
 * between page ranges), so rows must be found by a key, and by only one: with a second unique index an old and a new row could be
 * in each other's way. A row may also have moved from an unfinished range into a finished one between S1 and S2; it was written by a
 * transaction that S1 did not see, and reading the finished ranges again for those brings it.
 */
export function decideCopy(unfinished: UnfinishedCopy | null, now: CopyFacts): CopyDecision {
  if (unfinished === null) return { kind: 'fresh', reason: 'first_attempt' };
  if (unfinished.finished.length === 0) return { kind: 'fresh', reason: 'nothing_finished' };
  if (!now.hasSingleKey) return { kind: 'fresh', reason: 'no_single_key' };
  if (!sameLeaves(unfinished.leaves, now.leaves)) return { kind: 'fresh', reason: 'relations_changed' };
  const oldestInvisible = oldestInvisibleTo(parseSnapshot(unfinished.snapshotText));
  if (now.snapshot.xmax - oldestInvisible > MAX_TRANSACTIONS_SINCE) return { kind: 'fresh', reason: 'too_long_ago' };
  return { kind: 'resume', writtenSince: Number(oldestInvisible & LOW_MASK), unfinished };
}

/** What a decision depends on beside the past. */
export interface CopyFacts {
  /** See `hasSingleKey`. */
  readonly hasSingleKey: boolean;
  readonly leaves: readonly CopyLeaf[];
  /** The new snapshot. */
  readonly snapshot: Snapshot;
}

/** Whether rows of the table are unique by one set of columns and no other. */
export function hasSingleKey(table: DestinationTable): boolean {
  return table.identity.kind === 'key' && (table.primaryKey.length === 0 || table.uniqueKey.length === 0);
}

/** Half of what 32-bit ids can tell apart, and a margin for those that are assigned while the load runs. */
const MAX_TRANSACTIONS_SINCE = 1_500_000_000n;
const LOW_MASK = 0xffff_ffffn;

/** A relation that can only be read whole has no pages of its own to be read again. */
function sameLeaves(before: readonly LeafVersion[], now: readonly CopyLeaf[]): boolean {
  const filenodes = new Map(before.map((leaf) => [leaf.oid, leaf.relfilenode]));
  return now.length === filenodes.size && now.every((leaf) => leaf.byPages && filenodes.get(leaf.oid) === leaf.relfilenode);
}

function oldestInvisibleTo(snapshot: Snapshot): bigint {
  return snapshot.xmax + BigInt(snapshot.xminDistance);
}
