// What commands print with `--json`: the shapes that scripts and later the browser read. Names are snake_case; positions are text (`16/B374D848`).

/** One row of `millrace check`. */
export interface Finding {
  readonly status: 'pass' | 'warn' | 'fail';
  readonly code: string;
  readonly name: string;
  readonly title: string;
  readonly cause: string;
  readonly fix: string;
  readonly docs: string;
  readonly sqlstate: string | null;
  /** `schema.table`, or null when it is about the server or the pipeline. */
  readonly object: string | null;
}

/** Where in the configuration file something is wrong. Lines and columns count from 1. */
export interface FileProblem {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint: string | null;
}

/** A failure of a command, a pipeline or an object, with the way out. */
export interface ErrorReport {
  readonly code: string;
  readonly name: string;
  readonly title: string;
  /** What happened here. */
  readonly cause: string;
  /** What the code means in general. */
  readonly meaning: string;
  readonly fix: string;
  readonly docs: string;
  readonly sqlstate: string | null;
  readonly object: string | null;
  /** The process's exit code when a command ends with this. */
  readonly exit: ExitCode;
  /** Every problem of the configuration file; empty for other errors. */
  readonly problems: readonly FileProblem[];
}

/** 0 done · 1 unexpected · 2 usage or config · 3 connection or prerequisite · 4 some objects failed · 5 continuity lost. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5;

/** Why a pipeline or an object is in its state. */
export interface Reason {
  readonly code: string;
  readonly cause: string;
  readonly fix: string;
}

/** A finding with what it is about, e.g. `source shop`, `destination warehouse`, `pipeline shop_to_warehouse`. */
export interface SubjectFinding extends Finding {
  readonly subject: string;
}

/** A relation of a source, whether it can be an object or not. */
export interface DiscoveredObject {
  readonly schema: string;
  readonly name: string;
  readonly kind:
    | 'table'
    | 'partitioned_table'
    | 'partition'
    | 'foreign_table'
    | 'view'
    | 'materialized_view'
    | 'temporary_table'
    | 'unlogged_table';
  readonly size_bytes: number;
  /** The planner's estimate; null when the table was never analysed. */
  readonly estimated_rows: number | null;
  readonly primary_key: readonly string[];
  readonly replica_identity: 'default' | 'index' | 'full' | 'nothing';
  readonly eligible: boolean;
  /** Why it can't be an object; null when it can. */
  readonly reason: string | null;
  readonly fix: string | null;
  readonly notes: readonly string[];
}

export type ObjectStateName =
  | 'pending'
  | 'copying'
  | 'catching_up'
  | 'streaming'
  | 'refreshed'
  | 'skipped'
  | 'paused'
  | 'failed'
  | 'ineligible';

/** How far one object has come. Counts are since its historical load began. */
export interface ObjectCounts {
  readonly rows_copied: number;
  readonly bytes_copied: number;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly truncated: number;
}

/** One object of a pipeline. */
export interface ObjectStatus extends ObjectCounts {
  /** `schema.table` at the source, a part quoted where it needs it. */
  readonly object: string;
  readonly state: ObjectStateName;
  readonly reason: Reason | null;
  readonly destination: { readonly schema: string; readonly table: string } | null;
  readonly estimated_rows: number | null;
  readonly snapshot_lsn: string | null;
  readonly applied_lsn: string | null;
  /** A lasting remark such as "inserts only". */
  readonly note: string | null;
}

/**
 * - `starting`: connecting, checking, creating. - `loading`: at least one object's historical load runs. - `streaming`: nothing else to do.
 * - `idle`: no process runs it. - `retrying`: waits to try again by itself. - `stopped`: waits for a person; the reason says why.
 */
export type PipelineStateName = 'starting' | 'loading' | 'streaming' | 'idle' | 'retrying' | 'stopped';

/** One pipeline with its objects. */
export interface PipelineStatus {
  readonly pipeline: string;
  readonly state: PipelineStateName;
  readonly reason: Reason | null;
  readonly source_lsn: string | null;
  readonly checkpoint_lsn: string | null;
  readonly lag_bytes: number | null;
  readonly lag_seconds: number | null;
  /** WAL that the source keeps for the slot. */
  readonly retained_wal_bytes: number | null;
  readonly slot: string | null;
  readonly objects: readonly ObjectStatus[];
}

/** The outcome of an `objects include|skip|pause|resume|restart` for one object. */
export interface ObjectChange {
  readonly object: string;
  readonly before: ObjectStateName;
  readonly after: ObjectStateName;
}

/** How one object's rows compare at one position. Counts are of whole rows; `different` pairs rows by key. */
export interface VerifyReport {
  readonly object: string;
  readonly source_rows: number;
  readonly destination_rows: number;
  readonly missing: number;
  readonly extra: number;
  readonly different: number;
  /** Why the object could not be compared; null when it was. */
  readonly unverified: string | null;
  /** Some keys of rows that do not match, as text. */
  readonly sample_keys: readonly string[];
  /** The source position that both sides were compared at. */
  readonly position: string;
}

/** What `millrace drop` removed. */
export interface DropReport {
  readonly pipeline: string;
  /** Human-readable names, such as `replication slot millrace_shop_1a2b`. */
  readonly removed: readonly string[];
  /** Destination tables that were left as they are. */
  readonly kept_tables: readonly string[];
}

/** How one pipeline's run ended. */
export interface PipelineOutcome {
  readonly pipeline: string;
  /** Why the pipeline stopped before it was done; null when it ended as asked. */
  readonly error: ErrorReport | null;
  readonly status: PipelineStatus | null;
}

/** What the next run would do with one object at the destination. */
export interface PlanReport {
  /** `schema.table`. */
  readonly object: string;
  /** `schema.table` at the destination. */
  readonly target: string;
  /**
   * - `create`: its table is made and loaded. - `alter`: its table follows its source. - `reload`: all rows are read again.
   * - `none`: nothing. - `refused`: it can't be replicated.
   */
  readonly action: 'create' | 'alter' | 'reload' | 'none' | 'refused';
  /** DDL in the order of its execution. Types and schemas stand at the first object that needs them. */
  readonly statements: readonly string[];
  /** Why it is reloaded or refused; null otherwise. */
  readonly why: string | null;
}

/** The end of `run`. */
export interface RunReport {
  readonly pipelines: readonly PipelineOutcome[];
}

/** The end of `demo`: `verified` is null unless the demo compared both sides (`--once`). */
export interface DemoReport extends RunReport {
  readonly verified: readonly VerifyReport[] | null;
}
