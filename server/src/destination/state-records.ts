// The rows of our state tables as plain values, and how they are read from Postgres' text form.
import type { Row } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import type { DestinationColumn } from '../model/destination-table.ts';
import { layoutSignature, NATIVE_LAYOUT } from '../model/layout.ts';
import type { ObjectState } from '../model/object-state.ts';
import type { RowIdentity, SourceLeaf } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { type Lsn, parseLsn } from '../pg/lsn.ts';

/** What every write carries: it takes effect only while this epoch is the present one. */
export interface Fence {
  readonly pipeline: string;
  readonly epoch: bigint;
}

/** Why a pipeline or an object is in its state, as it was when it got there. Never holds a row's values. */
export interface StateReason {
  /** A name of the error catalogue, or of an `IneligibleReason`. */
  readonly name: string;
  readonly code: string;
  readonly cause: string;
  readonly fix: string;
}

export interface PipelineRecord {
  readonly name: string;
  readonly sourceSystemId: string;
  readonly sourceDatabase: string;
  readonly slotName: string | null;
  readonly epoch: bigint;
  /** Commit LSN of the last transaction whose rows are here; null before the first. */
  readonly checkpointLsn: Lsn | null;
  /**
   * The source's time up to which everything is here, in Postgres' text form (UTC): that of the last commit, or of a later look at the
   * source that found nothing pending.
   */
  readonly checkpointCommitTime: string | null;
  readonly timeline: number | null;
  /** The last position that the slot was told. */
  readonly confirmedLsn: Lsn | null;
  readonly state: string;
  readonly reason: StateReason | null;
  readonly updatedAt: string;
}

/** What an operator asked for. */
export type Desired = 'included' | 'skipped' | 'paused';

export interface ObjectCounters {
  readonly rowsCopied: bigint;
  readonly bytesCopied: bigint;
  readonly inserted: bigint;
  readonly updated: bigint;
  readonly deleted: bigint;
  /** How many TRUNCATEs were applied. */
  readonly truncated: bigint;
}

export interface ObjectRecord {
  readonly source: QualifiedName;
  readonly sourceOid: number;
  readonly state: ObjectState;
  readonly desired: Desired;
  readonly restartRequested: boolean;
  readonly resumeRequested: boolean;
  readonly reason: StateReason | null;
  /** The name that the object was given; null before its table was planned. */
  readonly destination: QualifiedName | null;
  /** OID of the table that we created; null: there is none of ours. */
  readonly destinationOid: number | null;
  readonly columns: readonly DestinationColumn[] | null;
  readonly identity: RowIdentity | null;
  /** `pg_current_snapshot()` of the copy that the rows came from. */
  readonly snapshot: string | null;
  readonly snapshotLsn: Lsn | null;
  readonly appliedLsn: Lsn | null;
  /** The load was resumed under a second snapshot: until `snapshotLsn` the rows may be newer than the stream. */
  readonly overlap: boolean;
  /** The physical tables that the object's rows were in when its load began; null before the first. */
  readonly leaves: readonly SourceLeaf[] | null;
  /** How the table was published when its load began, see `membershipOf()`; null: not known. */
  readonly published: string | null;
  /** `layoutSignature()` of the layout that the table was made with. */
  readonly layout: string;
  /** Grows with every historical load; chunks of earlier ones count for nothing. */
  readonly copyGeneration: number;
  readonly counters: ObjectCounters;
}

/** A finished piece of a historical load: pages `fromPage` up to but not including `toPage` (null: to the end) of one leaf. */
export interface ChunkRecord {
  readonly source: QualifiedName;
  readonly copyGeneration: number;
  readonly chunkNo: number;
  readonly leafOid: number;
  readonly fromPage: number;
  readonly toPage: number | null;
  readonly rows: number;
  readonly bytes: number;
}

export interface EventRecord {
  readonly at: string;
  /** `schema.table`, or null when it is about the pipeline. */
  readonly object: string | null;
  readonly code: string;
  readonly text: string;
}

/**
 * A reason as JSON in plain ASCII: it may quote characters that the destination database can't store, and the word of a failure must not
 * fail itself. `readReason` gives them back.
 */
export function writeReason(reason: StateReason): StateReason {
  const ascii = (text: string): string => text.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return { name: ascii(reason.name), code: ascii(reason.code), cause: ascii(reason.cause), fix: ascii(reason.fix) };
}

function readReason(json: string): StateReason {
  const text = (part: string): string =>
    part.replace(/\\u([0-9a-f]{4})/g, (_escape, unit: string) => String.fromCharCode(Number.parseInt(unit, 16)));
  const { name, code, cause, fix } = JSON.parse(json) as StateReason;
  return { name: text(name), code: text(code), cause: text(cause), fix: text(fix) };
}

/** Columns in the order in which `pipelineOf` reads them. */
export const PIPELINE_COLUMNS = [
  'name',
  'source_system_id',
  'source_database',
  'slot_name',
  'epoch',
  'checkpoint_lsn',
  'checkpoint_commit_time',
  'timeline',
  'confirmed_lsn',
  'state',
  'reason',
  'updated_at',
] as const;

export function pipelineOf(row: Row): PipelineRecord {
  return {
    name: text(row, 0),
    sourceSystemId: text(row, 1),
    sourceDatabase: text(row, 2),
    slotName: row[3] ?? null,
    epoch: BigInt(text(row, 4)),
    checkpointLsn: optional(row, 5, parseLsn),
    checkpointCommitTime: row[6] ?? null,
    timeline: optional(row, 7, Number),
    confirmedLsn: optional(row, 8, parseLsn),
    state: text(row, 9),
    reason: optional(row, 10, readReason),
    updatedAt: text(row, 11),
  };
}

/** Columns in the order in which `objectOf` reads them. */
export const OBJECT_COLUMNS = [
  'source_schema',
  'source_name',
  'source_oid',
  'state',
  'desired',
  'restart_requested',
  'resume_requested',
  'reason',
  'destination_schema',
  'destination_name',
  'destination_oid',
  'columns',
  'identity',
  'snapshot',
  'snapshot_lsn',
  'applied_lsn',
  'copy_generation',
  'rows_copied',
  'bytes_copied',
  'inserted',
  'updated',
  'deleted',
  'truncated',
  'overlap',
  'leaves',
  'published',
  'layout',
] as const;

export function objectOf(row: Row): ObjectRecord {
  const [schema, name] = [row[8] ?? null, row[9] ?? null];
  return {
    source: { schema: text(row, 0), name: text(row, 1) },
    sourceOid: Number(text(row, 2)),
    // The table's CHECK constraints hold these two to their types.
    state: text(row, 3) as ObjectState,
    desired: text(row, 4) as Desired,
    restartRequested: text(row, 5) === 't',
    resumeRequested: text(row, 6) === 't',
    reason: optional(row, 7, readReason),
    destination: schema === null || name === null ? null : { schema, name },
    destinationOid: optional(row, 10, Number),
    columns: optional(row, 11, (json) => JSON.parse(json) as readonly DestinationColumn[]),
    identity: optional(row, 12, (json) => JSON.parse(json) as RowIdentity),
    snapshot: row[13] ?? null,
    snapshotLsn: optional(row, 14, parseLsn),
    appliedLsn: optional(row, 15, parseLsn),
    overlap: text(row, 23) === 't',
    leaves: optional(row, 24, (json) => JSON.parse(json) as readonly SourceLeaf[]),
    published: row[25] ?? null,
    layout: row[26] ?? layoutSignature(NATIVE_LAYOUT),
    copyGeneration: Number(text(row, 16)),
    counters: {
      rowsCopied: BigInt(text(row, 17)),
      bytesCopied: BigInt(text(row, 18)),
      inserted: BigInt(text(row, 19)),
      updated: BigInt(text(row, 20)),
      deleted: BigInt(text(row, 21)),
      truncated: BigInt(text(row, 22)),
    },
  };
}

/** Columns in the order in which `chunkOf` reads them. */
export const CHUNK_COLUMNS = [
  'source_schema',
  'source_name',
  'copy_generation',
  'chunk_no',
  'leaf_oid',
  'from_page',
  'to_page',
  'rows',
  'bytes',
] as const;

export function chunkOf(row: Row): ChunkRecord {
  return {
    source: { schema: text(row, 0), name: text(row, 1) },
    copyGeneration: Number(text(row, 2)),
    chunkNo: Number(text(row, 3)),
    leafOid: Number(text(row, 4)),
    fromPage: Number(text(row, 5)),
    toPage: optional(row, 6, Number),
    rows: Number(text(row, 7)),
    bytes: Number(text(row, 8)),
  };
}

function text(row: Row, index: number): string {
  return must(row[index], `column ${index} of a state row`);
}

function optional<T>(row: Row, index: number, read: (value: string) => T): T | null {
  const value = row[index] ?? null;
  return value === null ? null : read(value);
}
