// What a running pipeline tells those who watch it; the command line turns it into events, tests look at it directly.
import type { ObjectCounters } from '../../destination/state-records.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import type { ChangeCounts } from '../../model/batch/object-batch.ts';
import type { MillraceError } from '../../model/error.ts';
import type { Finding } from '../../model/finding.ts';
import type { ObjectState } from '../../model/object-state.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import type { Lsn } from '../../pg/lsn.ts';

/** The progress of one object's historical load since the process began it. */
export interface CopyProgress {
  readonly rows: number;
  readonly bytes: number;
  readonly estimatedRows: number | null;
  readonly estimatedBytes: number | null;
}

/** Where the stream stands. */
export interface StreamProgress {
  readonly sourceLsn: Lsn | null;
  readonly checkpointLsn: Lsn;
  readonly confirmedLsn: Lsn;
  /** When the oldest transaction that is not applied yet was committed, about; null when everything received is applied. */
  readonly pendingSinceUnixMs: number | null;
}

/** Must not throw; called often, so it must be quick. */
export interface PipelineObserver {
  pipelineState(state: 'starting' | 'loading' | 'streaming' | 'retrying' | 'stopped', reason: MillraceError | null): void;
  objectState(object: QualifiedName, state: ObjectState, reason: MillraceError | null): void;
  /** The counts that the state has of an object: later ones of changes come on top. Told when a session begins, and when a load does. */
  countsBegin(object: QualifiedName, counters: ObjectCounters): void;
  copyProgress(object: QualifiedName, progress: CopyProgress): void;
  changesApplied(object: LiveObject): void;
  changesCounted(object: QualifiedName, counts: ChangeCounts): void;
  streamProgress(progress: StreamProgress): void;
  finding(finding: Finding): void;
}

/** Watches nothing. */
export const blindObserver: PipelineObserver = {
  pipelineState: () => {},
  objectState: () => {},
  countsBegin: () => {},
  copyProgress: () => {},
  changesApplied: () => {},
  changesCounted: () => {},
  streamProgress: () => {},
  finding: () => {},
};
