// The changes that one flush brings to the destination: per object, with the source commit that they end at.
import { type AnyBatch, batchFor } from '../model/batch/any-batch.ts';
import type { Lsn } from '../pg/lsn.ts';
import type { LiveObject } from './live-object.ts';

/** The end of a whole source transaction. */
export interface CommitPoint {
  /** Position after the commit record: what is confirmed and resumed from. */
  readonly endLsn: Lsn;
  /** Microseconds since 2000-01-01 UTC. */
  readonly commitTimeMicros: bigint;
}

/** Collects changes until it is closed; then it is only read. */
export class StreamBatch {
  readonly objects = new Map<LiveObject, AnyBatch>();
  /** The last whole transaction in here; null before the first commit. */
  lastCommit: CommitPoint | null = null;
  /** Commit time of the first transaction with changes in here, in microseconds since 2000; null before its commit. */
  firstCommitTimeMicros: bigint | null = null;
  /** Whether changes after `lastCommit` are in here too: then flushing it must not be followed by a commit. */
  endsInside = false;
  transactions = 0;
  /** When the first change came, on the monotonic clock in milliseconds; 0 while empty. */
  startedAtMs = 0;
  #sizeBytes = 0;

  /** Bytes held, about. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isEmpty(): boolean {
    return this.objects.size === 0;
  }

  /** The object's part, made on its first change. */
  of(object: LiveObject, overlap: boolean): AnyBatch {
    const known = this.objects.get(object);
    if (known !== undefined) return known;
    if (object.shape === null) throw new Error('expected the relation message before the first change');
    const batch = batchFor(object.shape, overlap);
    this.objects.set(object, batch);
    this.grew(batch.sizeBytes);
    return batch;
  }

  grew(bytes: number): void {
    this.#sizeBytes += bytes;
  }
}
