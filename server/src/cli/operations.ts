// What the command line can ask for: it prints, somebody else does the work. Every operation may throw; `CliContext.describeError` explains.
import type { ObjectName } from '@millrace/contract/object-name';
import type {
  DemoReport,
  DiscoveredObject,
  DropReport,
  ObjectChange,
  ObjectStatus,
  PipelineStatus,
  PlanReport,
  RunReport,
  SubjectFinding,
  VerifyReport,
} from '@millrace/contract/report';
import type { RunEvent } from '@millrace/contract/run-event';

/** The configuration file as it was given with `-f`. */
export interface FileOption {
  readonly file: string;
}

export interface PipelineOption extends FileOption {
  readonly pipeline: string;
}

export interface RunOptions extends FileOption {
  /** Empty: all pipelines of the file. */
  readonly pipelines: readonly string[];
  /** Ends once the source's position at the start is reached. */
  readonly once: boolean;
}

/** What to check; all three null: everything in the file. */
export interface CheckOptions extends FileOption {
  readonly source: string | null;
  readonly destination: string | null;
  readonly pipeline: string | null;
}

export type ObjectAction = 'include' | 'skip' | 'pause' | 'resume' | 'restart';

/** The named objects, or all of the pipeline. */
export type ObjectSelection = readonly ObjectName[] | 'all';

/** Called for everything that happens, in order; must not throw. */
export type EventListener = (event: RunEvent) => void;

/** Aborting `signal` asks for a clean stop: `run` and `demo` then resolve with what they have, the others reject. */
export interface Operations {
  demo(options: { readonly once: boolean }, onEvent: EventListener, signal: AbortSignal): Promise<DemoReport>;
  run(options: RunOptions, onEvent: EventListener, signal: AbortSignal): Promise<RunReport>;
  check(options: CheckOptions, signal: AbortSignal): Promise<readonly SubjectFinding[]>;
  discover(options: FileOption & { readonly source: string }, signal: AbortSignal): Promise<readonly DiscoveredObject[]>;
  listObjects(options: PipelineOption, signal: AbortSignal): Promise<readonly ObjectStatus[]>;
  changeObjects(
    action: ObjectAction,
    options: PipelineOption,
    objects: ObjectSelection,
    signal: AbortSignal,
  ): Promise<readonly ObjectChange[]>;
  verify(options: PipelineOption, objects: ObjectSelection, signal: AbortSignal): Promise<readonly VerifyReport[]>;
  status(options: FileOption & { readonly pipeline: string | null }, signal: AbortSignal): Promise<readonly PipelineStatus[]>;
  plan(options: PipelineOption, signal: AbortSignal): Promise<readonly PlanReport[]>;
  drop(options: PipelineOption, signal: AbortSignal): Promise<DropReport>;
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** How operations talk besides their results: log lines as JSON, one a call, without the newline. */
export interface OperationsSettings {
  readonly logLevel: LogLevel;
  readonly writeLog: (line: string) => void;
}
