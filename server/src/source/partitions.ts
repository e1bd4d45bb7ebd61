// Compares the partitions of one table at two reads of the catalogue: what came, went or was emptied without the log saying so.
import type { PartitionEdge, SourceLeaf } from '../model/table.ts';

/**
 * - `created`: created as a partition of this table; every row of it came through the root's changes.
 * - `attached`: it existed before it became a partition (or was detached and attached again): rows of it may be missing.
 * - `detached_or_dropped`: its rows left the table, and no change says so.
 * - `rewritten`: its file was replaced. A TRUNCATE of one partition is not published when changes are published as the root's,
 *   and VACUUM FULL, CLUSTER and rewriting ALTERs look the same.
 */
export type PartitionEvent =
  | { readonly kind: 'created'; readonly leaf: SourceLeaf }
  | { readonly kind: 'attached'; readonly leaf: SourceLeaf }
  | { readonly kind: 'detached_or_dropped'; readonly leaf: SourceLeaf }
  | { readonly kind: 'rewritten'; readonly leaf: SourceLeaf };

/** What happened to the partitions between two reads; the order is that of `after`, then what is gone. */
export function diffPartitions(before: readonly SourceLeaf[], after: readonly SourceLeaf[]): readonly PartitionEvent[] {
  const known = new Map(before.map((leaf) => [leaf.oid, leaf]));
  const knownEdges = new Set(before.flatMap(lineageOf).map(edgeKey));
  const present = new Set(after.map((leaf) => leaf.oid));
  const arrivals = after.flatMap((leaf) => {
    const old = known.get(leaf.oid);
    return old === undefined ? newcomer(leaf, knownEdges) : survivor(old, leaf);
  });
  const gone = before.filter((leaf) => !present.has(leaf.oid));
  return [...arrivals, ...gone.map((leaf): PartitionEvent => ({ kind: 'detached_or_dropped', leaf }))];
}

/** Whether the destination's rows may differ from the source's because of these events, so that the object must be loaded again. */
export function needsReload(events: readonly PartitionEvent[]): boolean {
  return events.some((event) => event.kind !== 'created');
}

/**
 * Whether an ALTER may have rewritten rows without a word in the log, as `ALTER COLUMN n TYPE int USING n * 10` does: it gives a table a
 * new file and its columns new descriptions at once. TRUNCATE, VACUUM FULL and CLUSTER change the file only, SET STATISTICS and the like
 * the description only.
 */
export function wasRewritten(before: readonly SourceLeaf[], after: readonly SourceLeaf[]): boolean {
  const known = new Map(before.map((leaf) => [leaf.oid, leaf]));
  return after.some((leaf) => {
    const old = known.get(leaf.oid);
    if (old?.columnsVersion === undefined || leaf.columnsVersion === undefined) return false;
    return old.relfilenode !== leaf.relfilenode && old.columnsVersion !== leaf.columnsVersion;
  });
}

/** Whether both say the same of files and of how columns are described, so that there is nothing new to remember. */
export function sameFiles(a: readonly SourceLeaf[], b: readonly SourceLeaf[]): boolean {
  const describe = ({ oid, relfilenode, columnsVersion }: SourceLeaf): string => `${oid}:${relfilenode}:${columnsVersion ?? ''}`;
  return a.map(describe).join() === b.map(describe).join();
}

/**
 * A new leaf came whole through the root only if each step from it up to a part of the tree that was there before was made by
 * CREATE TABLE … PARTITION OF, and its file is still the first one: a new table's `relfilenode` is its OID.
 * Not seen: a TRUNCATE within the transaction that created the leaf keeps the file.
 */
function newcomer(leaf: SourceLeaf, knownEdges: ReadonlySet<string>): PartitionEvent[] {
  const lineage = lineageOf(leaf);
  const inPlace = lineage.length > 0 && lineage.every((edge) => edge.createdInPlace || knownEdges.has(edgeKey(edge)));
  if (!inPlace) return [{ kind: 'attached', leaf }];
  return [{ kind: leaf.relfilenode === leaf.oid ? 'created' : 'rewritten', leaf }];
}

function survivor(old: SourceLeaf, leaf: SourceLeaf): PartitionEvent[] {
  const oldPath = lineageOf(old).map(edgeKey).join(' ');
  const path = lineageOf(leaf).map(edgeKey).join(' ');
  if (oldPath !== path) return [{ kind: 'attached', leaf }];
  return old.relfilenode === leaf.relfilenode ? [] : [{ kind: 'rewritten', leaf }];
}

function lineageOf(leaf: SourceLeaf): readonly PartitionEdge[] {
  return leaf.lineage ?? [];
}

function edgeKey(edge: PartitionEdge): string {
  return `${edge.childOid}>${edge.parentOid}@${edge.version}`;
}
