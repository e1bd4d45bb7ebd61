// What the engine needs from the world: a stream of changes, a lane to the destination, and a place for changes that must wait.
import type { ChangeCounts } from '../model/batch/object-batch.ts';
import type { Lsn } from '../pg/lsn.ts';
import type { RelationMessage } from '../pg/pgoutput/messages.ts';
import type { LiveObject } from './live-object.ts';
import type { CommitPoint, StreamBatch } from './stream-batch.ts';

/** The connection that changes come through. */
export interface ChangeFeed {
  /** Stops reading: the server is slowed down by TCP, and still gets status updates. */
  pause(): void;
  resume(): void;
  /**
   * Tells the server how far we are. `durable`: committed at the destination; the server may forget what is before it.
   * With `replyRequested` the server answers at once with a keepalive, which says how far it has decoded.
   */
  status(received: Lsn, durable: Lsn, replyRequested: boolean): void;
}

/** What is written together with the rows of a destination transaction. */
export interface CommitPlan {
  /** The pipeline's new checkpoint; null when only single objects advance. */
  readonly checkpoint: CommitPoint | null;
  /** Objects whose state or position changes with this commit. */
  readonly settled: readonly LiveObject[];
  readonly counts: ReadonlyMap<LiveObject, ChangeCounts>;
}

/** The destination transaction. Flushed rows become visible, and durable, by `commit` alone. */
export interface ApplyLane {
  /** Throws `ObjectHalt` when one object's changes are refused; the transaction is rolled back then. */
  flush(batch: StreamBatch): Promise<void>;
  commit(plan: CommitPlan): Promise<void>;
}

/**
 * Brings an object's destination table, in the lane's open transaction, to what the stream brings from now on; what came before is
 * flushed already. Resolves with what the table then expects. Throws `ObjectHalt` where the object can't follow, or must not.
 */
export type Reshape = (object: LiveObject, relation: RelationMessage) => Promise<Pick<LiveObject, 'expected' | 'identity'>>;

/** Changes of one object that wait until its historical load is complete, in stream order. */
export interface Spool {
  /** Appends a raw message. */
  append(bytes: Buffer, start: number, end: number): void;
  /** All transactions appended so far are whole. */
  markCommit(): void;
  /** Hands out whole messages of whole transactions, about `sizeBytes` of them, and forgets them. */
  read(sizeBytes: number, take: (bytes: Buffer, start: number, end: number) => void): void;
  /** Bytes of whole transactions that have not been read. */
  readonly readableBytes: number;
  /** Nothing is kept, not even a part of a transaction. */
  readonly isEmpty: boolean;
  close(): void;
}
