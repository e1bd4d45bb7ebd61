// The historical load of one object inside a running session: its table, its rows, and the hand-over to the stream.
import type { PgSession } from '../../db/session.ts';
import { addKeys, createDestinationTable, reshapeTable, type TableOwner } from '../../destination/ddl.ts';
import { dropStaleKeys } from '../../destination/ddl-keys.ts';
import { emptyPlace, isIntact, loadPlace } from '../../destination/load-place.ts';
import { holdEpoch as holdEpochSql, recordChunk } from '../../destination/load-record.sql.ts';
import { loadChunks, loadObjects, setObjectState } from '../../destination/state.ts';
import type { Fence, ObjectCounters, ObjectRecord } from '../../destination/state-records.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import { type DestinationColumn, type DestinationTable, writtenColumns } from '../../model/destination-table.ts';
import { objectLabel } from '../../model/table.ts';
import type { Snapshot } from '../../pg/snapshot.ts';
import { type CopyHooks, type CopyOutcome, type CopyRequest, copyObject } from '../copy/copy-object.ts';
import type { UnfinishedCopy } from '../copy/resume.ts';
import type { CopySessions } from '../copy/sessions.ts';
import type { PipelineObserver } from './observer.ts';
import type { PipelineTuning } from './pipeline-run.ts';
import type { PlannedObject } from './plan.ts';

export type TableOutcome = Extract<PlannedObject['outcome'], { kind: 'table' }>;

/** A planned object that can have a twin. */
export type LoadableObject = PlannedObject & { readonly outcome: TableOutcome };

export interface LoadContext {
  readonly fence: Fence;
  readonly sessions: CopySessions;
  readonly observer: PipelineObserver;
  readonly tuning: PipelineTuning | undefined;
  /** Runs work on the control session of the destination, one after another. */
  readonly onControl: <T>(work: (session: PgSession) => Promise<T>) => Promise<T>;
  readonly hasStreamedInvisible: (snapshot: Snapshot) => boolean;
  /** The last generation of each object's loads in this session: what the state said when a load was planned may be older. */
  readonly generations: Map<string, number>;
  /** Keeps the object's changes from the next transaction on, unless a load that is resumed has kept them all the time. */
  readonly keepAside: (live: LiveObject) => Promise<void>;
}

export interface LoadTask {
  readonly live: LiveObject;
  readonly planned: LoadableObject;
  /** `membershipOf()` right before the load. */
  readonly published: string | null;
  /** Goes on from the pieces of an earlier attempt, whose changes have been kept since. */
  readonly resume: boolean;
  readonly signal: AbortSignal;
}

const WORKERS_PER_LOAD = 2;
const NO_COUNTS: ObjectCounters = { rowsCopied: 0n, bytesCopied: 0n, inserted: 0n, updated: 0n, deleted: 0n, truncated: 0n };

/** Loads the object's rows. Its state then is `catching_up` at the destination; the caller lets the stream take over. */
export async function loadObject(context: LoadContext, task: LoadTask): Promise<CopyOutcome> {
  const { live, planned, signal } = task;
  const made = await context.onControl((session) => makeTable(session, context.fence, planned));
  const goesOn = task.resume && made.shape === 'as_planned';
  const unfinished = goesOn ? await context.onControl((session) => unfinishedCopy(session, context.fence, planned.record)) : null;
  if (!task.resume) await context.keepAside(live);
  context.observer.objectState(live.source, 'copying', null);
  const request: CopyRequest = {
    source: planned.source,
    destination: planned.outcome.table,
    mode: made.rows === 'stay' ? 'reload' : 'first',
    unfinished,
    workers: context.tuning?.workersPerLoad ?? WORKERS_PER_LOAD,
    tuning: { chunkBytes: context.tuning?.chunkBytes },
    hasStreamedInvisible: context.hasStreamedInvisible,
    signal,
    hooks: {
      ...hooksOf(context, task),
      ...(made.rows === 'stay' && made.shape === 'differs' ? { reshape: reshapeOf(context, task) } : {}),
    },
  };
  return copyObject(context.sessions, request);
}

function hooksOf({ fence, observer, generations }: LoadContext, { live, planned, published }: LoadTask): CopyHooks {
  const { source } = live;
  let generation = planned.record?.copyGeneration ?? 0;
  return {
    begin: async (session, start) => {
      const common = {
        state: 'copying',
        sourceOid: live.sourceOid,
        reason: null,
        appliedLsn: live.applied,
        restartRequested: false,
      } as const;
      if (start.kind === 'resumed') return setObjectState(session, fence, source, common);
      generation = Math.max(generation, generations.get(live.key) ?? 0) + 1;
      generations.set(live.key, generation);
      await setObjectState(session, fence, source, {
        ...common,
        copyGeneration: generation,
        resetCounters: true,
        snapshot: start.snapshotText,
        snapshotLsn: start.endLsn,
        leaves: start.leaves,
        published,
        overlap: false,
      });
      observer.countsBegin(source, NO_COUNTS);
    },
    recordPiece: ({ no, ...piece }) => recordChunk(fence, { source, copyGeneration: generation, chunkNo: no, ...piece }),
    holdEpoch: () => holdEpochSql(fence),
    addKeys: (session) => addKeys(session, fence, planned.outcome.table),
    finish: (session, done) =>
      setObjectState(session, fence, source, {
        state: 'catching_up',
        snapshot: done.snapshotText,
        snapshotLsn: done.endLsn,
        overlap: done.overlap,
        appliedLsn: live.applied,
        reason: null,
      }),
    onProgress: ({ rows, bytes }) => {
      const { estimatedRows, sizeBytes } = planned.source;
      observer.copyProgress(source, { rows, bytes, estimatedRows: estimatedRows < 0 ? null : estimatedRows, estimatedBytes: sizeBytes });
    },
  };
}

/** What stands at the destination when a load begins. */
interface MadeTable {
  /** `stay`: it holds the rows of a load that was complete once; readers go on seeing them until the new ones are all there. */
  readonly rows: 'none' | 'stay';
  /** `differs`: it gets the planned columns together with the new rows; nothing of an earlier attempt fits. */
  readonly shape: 'as_planned' | 'changed' | 'differs';
}

/** Makes the destination table, or finds ours. One that nobody has read yet gets other columns at once. */
async function makeTable(session: PgSession, fence: Fence, planned: LoadableObject): Promise<MadeTable> {
  const { record, outcome } = planned;
  const owner = ownerOf(fence, planned);
  const made = await createDestinationTable(session, owner, { ...outcome, known: record?.columns });
  if (made.kind === 'created') return { rows: 'none', shape: 'as_planned' };
  const shape = made.kind === 'differs' ? 'differs' : 'as_planned';
  // A load that was interrupted goes on where it put its rows: beside the table if it was a reload.
  const isReload =
    record !== null &&
    record.copyGeneration > 0 &&
    (record.state !== 'copying' || record.restartRequested || (await hasSideTable(session, outcome.table)));
  if (record !== null && record.copyGeneration > 0) await dropStaleKeys(session, fence, outcome.table);
  if (isReload) return { rows: 'stay', shape };
  if (shape === 'as_planned') return { rows: 'none', shape };
  const target = { table: { schema: outcome.table.schema, name: outcome.table.name }, columns: [] };
  await session.transaction('BEGIN', async () => {
    await emptyPlace(session, loadPlace('first', target));
    await reshapeTable(session, owner, outcome.table, knownColumns(planned));
  });
  return { rows: 'none', shape: 'changed' };
}

/** The table follows in the transaction that brings the new rows; what the state says of it may have changed since the load began. */
function reshapeOf({ fence }: LoadContext, { planned }: LoadTask): NonNullable<CopyHooks['reshape']> {
  return async (session) => {
    const records = await loadObjects(session, fence.pipeline);
    const record = records.find(({ source }) => objectLabel(source) === objectLabel(planned.source)) ?? null;
    const known = knownColumns(planned) === null ? null : (record?.columns ?? null);
    await reshapeTable(session, ownerOf(fence, planned), planned.outcome.table, known);
  };
}

function ownerOf(fence: Fence, { source }: LoadableObject): TableOwner {
  return { fence, source: { schema: source.schema, name: source.name } };
}

/** With numbers that mean something: those of another table of the same name don't. */
function knownColumns({ record, source }: LoadableObject): readonly DestinationColumn[] | null {
  return record !== null && record.sourceOid === source.oid ? record.columns : null;
}

function hasSideTable(session: PgSession, table: DestinationTable): Promise<boolean> {
  const columns = writtenColumns(table).map((column) => column.name);
  const place = loadPlace('reload', { table: { schema: table.schema, name: table.name }, columns });
  return isIntact(session, place, 0);
}

async function unfinishedCopy(session: PgSession, fence: Fence, record: ObjectRecord | null): Promise<UnfinishedCopy | null> {
  if (record === null || record.snapshot === null || record.snapshotLsn === null || record.leaves === null) return null;
  const chunks = await loadChunks(session, fence.pipeline, { source: record.source, copyGeneration: record.copyGeneration });
  return {
    snapshotText: record.snapshot,
    endLsn: record.snapshotLsn,
    leaves: record.leaves,
    finished: chunks.map(({ chunkNo, leafOid, fromPage, toPage, rows, bytes }) => ({
      no: chunkNo,
      leafOid,
      fromPage,
      toPage,
      rows,
      bytes,
    })),
  };
}
