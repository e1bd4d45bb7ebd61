// Decides what the apply loop does next: one pure function, priorities written once.

/** The facts that the decision rests on. */
export interface LoopFacts {
  readonly stopping: boolean;
  readonly hasReadyBatch: boolean;
  /** A table must follow its source before the stream goes on. */
  readonly reshapeIsDue: boolean;
  /** Rows are flushed but not committed. */
  readonly destinationTransactionOpen: boolean;
  /** The stream stands between two source transactions, and every change before is flushed. */
  readonly atCleanBoundary: boolean;
  /** A catching-up object has whole transactions waiting. */
  readonly catchUpBytes: number;
  /** WAL bytes between the checkpoint and the position up to which nothing is pending. */
  readonly idleBytes: number;
  readonly msSinceCheckpoint: number;
  /** Objects whose new state waits to be written. */
  readonly unsettledObjects: number;
  /** Somebody waits for the checkpoint to reach the received position. */
  readonly checkpointWanted: boolean;
}

export type LoopStep = 'flush' | 'reshape' | 'commit' | 'checkpoint' | 'catch_up' | 'stop' | 'wait';

/** An idle checkpoint is written after this much WAL of others, so that our slot never pins more. */
const IDLE_CHECKPOINT_BYTES = 8 * 1024 * 1024;
/** … or after this time. */
const IDLE_CHECKPOINT_MS = 5_000;

/**
 * What to do now. An open destination transaction is finished before anything else may use the lane; stopping waits for that only when
 * the boundary has been reached, because a large transaction may take long and is applied again from its start anyway.
 */
export function nextStep(facts: LoopFacts): LoopStep {
  if (facts.destinationTransactionOpen && facts.atCleanBoundary) return 'commit';
  if (facts.stopping && (!facts.hasReadyBatch || facts.destinationTransactionOpen)) return 'stop';
  if (facts.hasReadyBatch) return 'flush';
  if (facts.reshapeIsDue) return 'reshape';
  if (facts.destinationTransactionOpen) return 'wait';
  if (facts.unsettledObjects > 0) return 'checkpoint';
  if (facts.catchUpBytes > 0) return 'catch_up';
  if (facts.atCleanBoundary && facts.idleBytes > 0) {
    const due = facts.checkpointWanted || facts.idleBytes >= IDLE_CHECKPOINT_BYTES || facts.msSinceCheckpoint >= IDLE_CHECKPOINT_MS;
    if (due) return 'checkpoint';
  }
  return 'wait';
}
