// What `run --json` and `demo --json` print while they work, one JSON document a line, and what the live view draws.
import type {
  DemoReport,
  ErrorReport,
  ExitCode,
  Finding,
  ObjectCounts,
  ObjectStateName,
  PipelineStateName,
  Reason,
  RunReport,
} from './report.ts';

/** An object's progress. `estimated_*` are guesses of the catalogue and null when unknown. */
export interface ObjectProgress extends ObjectCounts {
  readonly object: string;
  readonly state: ObjectStateName;
  readonly estimated_rows: number | null;
  readonly estimated_bytes: number | null;
  readonly reason: Reason | null;
  readonly note: string | null;
}

interface Stamped {
  /** ISO 8601, UTC. */
  readonly time: string;
}

/** A pipeline entered a state. */
export interface StateEvent extends Stamped {
  readonly type: 'state';
  readonly pipeline: string;
  readonly state: PipelineStateName;
  readonly reason: Reason | null;
}

/** Sent about once a second: the pipeline's position, and those objects whose progress changed since the event before. */
export interface ProgressEvent extends Stamped {
  readonly type: 'progress';
  readonly pipeline: string;
  readonly source_lsn: string | null;
  readonly checkpoint_lsn: string | null;
  readonly lag_bytes: number | null;
  readonly lag_seconds: number | null;
  readonly retained_wal_bytes: number | null;
  readonly objects: readonly ObjectProgress[];
}

/** Something that a person should know while the pipeline goes on. */
export interface FindingEvent extends Stamped {
  readonly type: 'finding';
  readonly pipeline: string;
  readonly finding: Finding;
}

/** An error of the pipeline or of one object (`error.object`); the pipeline may go on or try again. */
export interface ErrorEvent extends Stamped {
  readonly type: 'error';
  /** null when the error ended the command itself. */
  readonly pipeline: string | null;
  readonly error: ErrorReport;
}

/** A sentence for people, such as where a server of the demo listens. */
export interface NoticeEvent extends Stamped {
  readonly type: 'notice';
  readonly message: string;
}

/** The last line. */
export interface DoneEvent extends Stamped {
  readonly type: 'done';
  readonly exit: ExitCode;
  readonly report: RunReport | DemoReport;
}

/** What operations send while they work; `done` and the command's own `error` are added by the command line. */
export type RunEvent = StateEvent | ProgressEvent | FindingEvent | ErrorEvent | NoticeEvent;

export type RunLine = RunEvent | DoneEvent;
