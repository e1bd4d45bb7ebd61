// One object while its pipeline runs: where it stands, what its rows look like on the stream, and whether a change is its to apply.
import type { Keeping } from '../model/batch/change-origin.ts';
import type { RowShape } from '../model/batch/object-batch.ts';
import type { DeletePolicy } from '../model/layout.ts';
import type { TableFilter } from '../model/object-filter.ts';
import type { ObjectState } from '../model/object-state.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { type Lsn, LSN_ZERO } from '../pg/lsn.ts';
import { isVisible, type Snapshot } from '../pg/snapshot.ts';

/** A column as the destination table was made for it; the stream must bring exactly these. */
export interface ExpectedColumn {
  readonly name: string;
  readonly typeOid: number;
  /** Length, precision and scale as `atttypmod` has them; null where the state does not know them. */
  readonly typmod: number | null;
}

/**
 * Where the historical load ends and the stream begins. Transactions that commit before `end` are applied if and only if the snapshot
 * that the rows were read in did not see them; later ones always.
 */
export interface Handoff {
  readonly snapshot: Snapshot;
  /** The WAL position when the (newest) snapshot was taken. */
  readonly end: Lsn;
  /** A resumed copy read its rest under a later snapshot: until `end`, the destination may be ahead of the stream. */
  readonly overlap: boolean;
}

/** Mutable while a session runs; what must survive the process is written with the checkpoint. */
export interface LiveObject {
  readonly key: string;
  readonly source: QualifiedName;
  readonly sourceOid: number;
  state: ObjectState;
  /** Transactions whose commit record lies before this position are in the destination. */
  applied: Lsn;
  handoff: Handoff | null;
  expected: readonly ExpectedColumn[];
  /** Names of the columns that find a row again; null: a multiset under REPLICA IDENTITY FULL; empty: inserts only. */
  identity: readonly string[] | null;
  deletes: DeletePolicy;
  /** What of the object's changes may be seen; null or absent: everything. */
  filter?: TableFilter | null | undefined;
  /** What the destination table keeps beyond the present rows; absent: nothing. */
  keeps?: Keeping | undefined;
  /** Position at which the stream, or the snapshot of a load, last said what `expected` is; absent: before the session. */
  describedAt?: Lsn;
  /** Rows' shape as the stream last described it; null until the object's first change. */
  shape: RowShape | null;
}

/** A streamed transaction, as its Begin message names it. */
export interface StreamTransaction {
  /** Position of the commit record. */
  readonly finalLsn: Lsn;
  readonly xid: number;
}

/**
 * The one answer to "is this change to be applied to that object?", now or later. Object states that only wait for their turn own
 * changes too: theirs are kept aside.
 */
export function owns(object: LiveObject, transaction: StreamTransaction): boolean {
  if (transaction.finalLsn < object.applied) return false;
  const handoff = object.handoff;
  if (handoff === null || transaction.finalLsn >= handoff.end) return true;
  return !isVisible(handoff.snapshot, transaction.xid);
}

/** Whether changes of this transaction meet rows that may be newer than they are. */
export function overlaps(object: LiveObject, finalLsn: Lsn): boolean {
  return object.handoff?.overlap === true && finalLsn < object.handoff.end;
}

/**
 * The oldest position that an object still needs the stream from, or null when it needs nothing. A paused or failed object holds its
 * place, so that it can go on where it stood.
 */
export function neededFrom(object: LiveObject): Lsn | null {
  switch (object.state) {
    case 'streaming':
    case 'copying':
    case 'catching_up':
    case 'paused':
    case 'failed':
      return object.applied === LSN_ZERO ? null : object.applied;
    case 'pending':
    case 'refreshed':
    case 'skipped':
    case 'ineligible':
      return null;
  }
}
