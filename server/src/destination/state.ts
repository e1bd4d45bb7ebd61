// Reads and writes our state at the destination: who may write, where each pipeline and object stands, and what is done already.
import type { PgSession, Row } from '../db/session.ts';
import type { DestinationColumn } from '../model/destination-table.ts';
import { MillraceError } from '../model/error.ts';
import type { ObjectState } from '../model/object-state.ts';
import { objectLabel, type RowIdentity, type SourceLeaf } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import * as sql from './state.sql.ts';
import {
  type ChunkRecord,
  chunkOf,
  type Desired,
  type Fence,
  type ObjectRecord,
  objectOf,
  type PipelineRecord,
  pipelineOf,
  type StateReason,
  writeReason,
} from './state-records.ts';

/** Who a pipeline is: its state belongs to one source database and no other. */
export interface PipelineBinding {
  readonly pipeline: string;
  /** `system_identifier` of the source's cluster. */
  readonly sourceSystemId: string;
  readonly sourceDatabase: string;
}

/**
 * Becomes the only writer of the pipeline: bumps its epoch, after which every write with an older epoch is refused. Waits for
 * transactions of the previous writer that are about to commit, at most `patienceMs` (throws `destination_blocked` then) or, without it,
 * as long as the session's `lock_timeout` allows.
 * Throws `pipeline_bound_elsewhere` when the state belongs to another source.
 */
export async function takeOver(session: PgSession, binding: PipelineBinding, patienceMs?: number): Promise<PipelineRecord> {
  const { pipeline, sourceSystemId, sourceDatabase } = binding;
  return session.transaction('BEGIN', async () => {
    if (patienceMs !== undefined) await session.query(`SET LOCAL lock_timeout = ${Math.trunc(patienceMs)}`);
    await session.query(sql.INSERT_PIPELINE, [pipeline, sourceSystemId, sourceDatabase]);
    const [owner] = await session.query(sql.LOCK_PIPELINE, [pipeline]);
    if (owner !== undefined && (owner[0] !== sourceSystemId || owner[1] !== sourceDatabase)) throw boundElsewhere(binding, owner);
    const [row] = await session.query(sql.BUMP_EPOCH, [pipeline]);
    // Deleted between the two statements: another process dropped the pipeline while we started it.
    if (row === undefined) throw fenced({ pipeline, epoch: 0n });
    return pipelineOf(row);
  });
}

/** The pipeline's state, or null when it has none. */
export async function loadPipeline(session: PgSession, pipeline: string): Promise<PipelineRecord | null> {
  const [row] = await session.query(sql.SELECT_PIPELINE, [pipeline]);
  return row === undefined ? null : pipelineOf(row);
}

/** The pipeline's objects by source name. */
export async function loadObjects(session: PgSession, pipeline: string): Promise<readonly ObjectRecord[]> {
  return (await session.query(sql.SELECT_OBJECTS, [pipeline])).map(objectOf);
}

/** An object as the catalogue and the configuration have it. */
export interface ObjectEntry {
  readonly source: QualifiedName;
  readonly sourceOid: number;
  readonly state: ObjectState;
  /** Taken only when the object is new: later it belongs to the operator. */
  readonly desired: Desired;
  readonly reason: StateReason | null;
  /** Null: leave the name as it is. */
  readonly destination: QualifiedName | null;
}

/** Adds objects that are new and updates OID, state, reason and name of the others, all at once. Throws `fenced`. */
export async function upsertObjects(session: PgSession, fence: Fence, entries: readonly ObjectEntry[]): Promise<void> {
  if (entries.length === 0) return;
  const records = entries.map((entry) => ({
    source_schema: entry.source.schema,
    source_name: entry.source.name,
    source_oid: entry.sourceOid,
    state: entry.state,
    desired: entry.desired,
    reason: entry.reason === null ? null : writeReason(entry.reason),
    destination_schema: entry.destination?.schema ?? null,
    destination_name: entry.destination?.name ?? null,
  }));
  const [row] = await session.query(sql.UPSERT_OBJECTS, [fence.pipeline, fence.epoch, JSON.stringify(records)]);
  if (row?.[0] !== '1') throw fenced(fence);
}

/** What changes of an object's state; what is absent stays. */
export interface ObjectPatch {
  readonly sourceOid?: number;
  readonly state?: ObjectState;
  readonly restartRequested?: boolean;
  readonly resumeRequested?: boolean;
  readonly reason?: StateReason | null;
  readonly destination?: QualifiedName | null;
  readonly destinationOid?: number | null;
  readonly columns?: readonly DestinationColumn[] | null;
  readonly identity?: RowIdentity | null;
  readonly snapshot?: string | null;
  readonly snapshotLsn?: Lsn | null;
  readonly appliedLsn?: Lsn | null;
  readonly overlap?: boolean;
  readonly leaves?: readonly SourceLeaf[] | null;
  readonly published?: string | null;
  readonly copyGeneration?: number;
  readonly layout?: string;
  /** Sets all counters to 0: a new historical load begins. */
  readonly resetCounters?: true;
}

/** Changes an object's state. Throws `fenced` when the epoch is not the present one, `object_unknown` when there is no such object. */
export async function setObjectState(session: PgSession, fence: Fence, source: QualifiedName, patch: ObjectPatch): Promise<void> {
  const values: (string | number | boolean | null)[] = [];
  const assignments = patchValues(patch).map(([column, value]) => {
    values.push(value);
    return `${column} = $${values.length + FENCED_OBJECT_PARAMETERS}::${sql.OBJECT_PATCH_TYPES[column]}`;
  });
  if (patch.resetCounters === true) assignments.push(sql.RESET_COUNTERS);
  const [row] = await session.query(sql.updateObject(assignments), [fence.pipeline, fence.epoch, source.schema, source.name, ...values]);
  if (row?.[0] !== '1') throw fenced(fence);
  if (row[1] !== '1') throw objectUnknown(fence.pipeline, source);
}

/** What changes of a pipeline's own state; null leaves slot and timeline as they are. */
export interface PipelinePatch {
  readonly state: string;
  readonly reason: StateReason | null;
  readonly slotName: string | null;
  readonly timeline: number | null;
}

/** Changes the pipeline's state. Throws `fenced`. */
export async function setPipelineState(session: PgSession, fence: Fence, patch: PipelinePatch): Promise<void> {
  const reason = patch.reason === null ? null : JSON.stringify(writeReason(patch.reason));
  const rows = await session.query(sql.UPDATE_PIPELINE, [fence.pipeline, fence.epoch, patch.state, reason, patch.slotName, patch.timeline]);
  if (rows.length === 0) throw fenced(fence);
}

/** Remembers the position that the slot was told, so that a slot that is further than that can be recognised. Throws `fenced`. */
export async function noteConfirmed(session: PgSession, fence: Fence, confirmed: Lsn): Promise<void> {
  const rows = await session.query(sql.NOTE_CONFIRMED, [fence.pipeline, fence.epoch, formatLsn(confirmed)]);
  if (rows.length === 0) throw fenced(fence);
}

/**
 * Holds the epoch until the open transaction ends, so that no take-over can come between this check and the commit.
 * Call it inside a transaction. Throws `fenced`.
 */
export async function holdEpoch(session: PgSession, fence: Fence): Promise<void> {
  if ((await session.query(sql.HOLD_EPOCH, [fence.pipeline, fence.epoch])).length === 0) throw fenced(fence);
}

/**
 * Records a finished chunk and counts its rows. Call it INSIDE the transaction that brought the rows, as its last statement: rows and
 * record commit together, and only while the epoch is the present one. Throws `fenced`.
 */
export async function recordChunk(session: PgSession, fence: Fence, chunk: ChunkRecord): Promise<void> {
  await holdEpoch(session, fence);
  const { schema, name } = chunk.source;
  const { copyGeneration, chunkNo, leafOid, fromPage, toPage, rows, bytes } = chunk;
  await session.query(sql.INSERT_CHUNK, [fence.pipeline, schema, name, copyGeneration, chunkNo, leafOid, fromPage, toPage, rows, bytes]);
  await session.query(sql.COUNT_CHUNK, [fence.pipeline, schema, name, rows, bytes]);
}

/** The finished chunks of one historical load. */
export async function loadChunks(
  session: PgSession,
  pipeline: string,
  load: { readonly source: QualifiedName; readonly copyGeneration: number },
): Promise<readonly ChunkRecord[]> {
  const { source, copyGeneration } = load;
  return (await session.query(sql.SELECT_CHUNKS, [pipeline, source.schema, source.name, copyGeneration])).map(chunkOf);
}

/** Forgets the chunks of loads before `copyGeneration`, in a transaction of its own. Throws `fenced`. */
export async function forgetChunks(session: PgSession, fence: Fence, source: QualifiedName, copyGeneration: number): Promise<void> {
  await session.transaction('BEGIN', async () => {
    await holdEpoch(session, fence);
    await session.query(sql.DELETE_CHUNKS, [fence.pipeline, source.schema, source.name, copyGeneration]);
  });
}

/** OIDs of the types that we created here. */
export async function loadOwnedTypes(session: PgSession): Promise<ReadonlySet<number>> {
  return new Set((await session.query(sql.SELECT_TYPE_OIDS, [])).map((row) => Number(row[0])));
}

/** Removes all state of the pipeline; a process that still runs it finds itself fenced. Returns whether there was any. */
export async function deletePipeline(session: PgSession, pipeline: string): Promise<boolean> {
  return session.transaction('BEGIN', async () => {
    const found = await session.query(sql.LOCK_PIPELINE, [pipeline]);
    for (const statement of sql.DELETE_PIPELINE) await session.query(statement, [pipeline]);
    return found.length > 0;
  });
}

/** The error of a writer whose epoch is over. */
export function fenced(fence: Fence): MillraceError {
  return new MillraceError('fenced', {
    cause: `pipeline ${JSON.stringify(fence.pipeline)} was taken over by another process (this one had epoch ${fence.epoch})`,
    side: 'destination',
  });
}

const FENCED_OBJECT_PARAMETERS = 4;

type PatchColumn = keyof typeof sql.OBJECT_PATCH_TYPES;
type PatchValue = string | number | boolean | null;

/** The columns that a patch changes, with their values as parameters. */
function patchValues(patch: ObjectPatch): readonly (readonly [PatchColumn, PatchValue])[] {
  const json = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));
  const lsn = (value: Lsn | null): string | null => (value === null ? null : formatLsn(value));
  const entries: Readonly<Record<PatchColumn, PatchValue | undefined>> = {
    source_oid: patch.sourceOid,
    state: patch.state,
    restart_requested: patch.restartRequested,
    resume_requested: patch.resumeRequested,
    reason: given(patch.reason, (reason) => json(reason === null ? null : writeReason(reason))),
    destination_schema: given(patch.destination, (name) => name?.schema ?? null),
    destination_name: given(patch.destination, (name) => name?.name ?? null),
    destination_oid: patch.destinationOid,
    columns: given(patch.columns, json),
    identity: given(patch.identity, json),
    snapshot: patch.snapshot,
    snapshot_lsn: given(patch.snapshotLsn, lsn),
    applied_lsn: given(patch.appliedLsn, lsn),
    overlap: patch.overlap,
    leaves: given(patch.leaves, json),
    published: patch.published,
    copy_generation: patch.copyGeneration,
    layout: patch.layout,
  };
  return (Object.keys(entries) as PatchColumn[]).flatMap((column) => {
    const value = entries[column];
    return value === undefined ? [] : [[column, value] as const];
  });
}

/** Absent stays absent; what is null may mean something. */
function given<T>(value: T | undefined, write: (value: T) => PatchValue): PatchValue | undefined {
  return value === undefined ? undefined : write(value);
}

function boundElsewhere(binding: PipelineBinding, owner: Row): MillraceError {
  const [systemId, database] = owner;
  return new MillraceError('pipeline_bound_elsewhere', {
    cause:
      `the state of pipeline ${JSON.stringify(binding.pipeline)} belongs to database ${JSON.stringify(database)} of the server with system ` +
      `identifier ${systemId}, not to ${JSON.stringify(binding.sourceDatabase)} of ${binding.sourceSystemId}`,
    side: 'destination',
  });
}

function objectUnknown(pipeline: string, source: QualifiedName): MillraceError {
  return new MillraceError('object_unknown', {
    cause: `pipeline ${JSON.stringify(pipeline)} has no object ${objectLabel(source)}`,
    object: objectLabel(source),
  });
}
