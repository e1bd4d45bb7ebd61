// Turns the catalogue's steps from partition to parent into trees: the root of each partition and the leaves of each root.
import type { PartitionEdge } from '../model/table.ts';

/** The partition trees of a database. */
export interface PartitionForest {
  /** The topmost table above a partition; null when it has no parent. */
  rootOf(oid: number): number | null;
  /** The steps from a partition up to its root, nearest first. */
  lineageOf(oid: number): readonly PartitionEdge[];
  /** Everything below a table at any depth, partitioned tables included, in the order of the edges. */
  descendantsOf(oid: number): readonly number[];
}

/** Builds the forest; a partition has one parent only. */
export function partitionForest(edges: readonly PartitionEdge[]): PartitionForest {
  const up = new Map(edges.map((edge) => [edge.childOid, edge]));
  const down = new Map<number, number[]>();
  for (const edge of edges) {
    const siblings = down.get(edge.parentOid);
    if (siblings === undefined) down.set(edge.parentOid, [edge.childOid]);
    else siblings.push(edge.childOid);
  }
  const lineageOf = (oid: number): readonly PartitionEdge[] => {
    const lineage: PartitionEdge[] = [];
    for (let edge = up.get(oid); edge !== undefined; edge = up.get(edge.parentOid)) lineage.push(edge);
    return lineage;
  };
  const descendantsOf = (oid: number): readonly number[] => (down.get(oid) ?? []).flatMap((child) => [child, ...descendantsOf(child)]);
  return { lineageOf, descendantsOf, rootOf: (oid) => lineageOf(oid).at(-1)?.parentOid ?? null };
}
