// The historical load of one object inside a running session: its table, its rows, and the hand-over to the stream.
import { formatObjectName } from '@millrace/contract/object-name';
import type { PgSession } from '../../db/session.ts';
import { addKeys, createDestinationTable, reshapeTable, type TableOwner } from '../../destination/ddl.ts';
import { dropDestinationTable } from '../../destination/ddl-drop.ts';
import { dropStaleKeys } from '../../destination/ddl-keys.ts';
import { dropStaleKeptIndexes } from '../../destination/ddl-kept.ts';
import { keepsThePast, land } from '../../destination/land.ts';
import { emptyPlace, isIntact, loadPlace, loadTableOf } from '../../destination/load-place.ts';
import { holdEpoch as holdEpochSql, recordChunk } from '../../destination/load-record.sql.ts';
import { loadChunks, loadObjects, setObjectState } from '../../destination/state.ts';
import type { Fence, ObjectCounters, ObjectRecord } from '../../destination/state-records.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import type { DestinationColumn, DestinationTable } from '../../model/destination-table.ts';
import { MillraceError } from '../../model/error.ts';
import { isRefreshed, parseLayout } from '../../model/layout.ts';
import { objectLabel } from '../../model/table.ts';
import { quoteIdent, quoteName, truncateUtf8 } from '../../pg/ident.ts';
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
  const { table } = planned.outcome;
  const addsToThePast = keepsThePast(table.layout);
  // Such rows say which snapshot they are of: that of one attempt.
  const isStreamed = !isRefreshed(table.layout);
  const goesOn = task.resume && made.shape === 'as_planned' && !addsToThePast && isStreamed;
  const unfinished = goesOn ? await context.onControl((session) => unfinishedCopy(session, context.fence, planned.record)) : null;
  if (!isStreamed) live.state = 'copying';
  else if (!task.resume) await context.keepAside(live);
  context.observer.objectState(live.source, 'copying', null);
  const request: CopyRequest = {
    source: planned.source,
    destination: table,
    mode: made.rows === 'stay' || addsToThePast ? 'reload' : 'first',
    unfinished,
    workers: context.tuning?.workersPerLoad ?? WORKERS_PER_LOAD,
    tuning: { chunkBytes: context.tuning?.chunkBytes },
    // Of an object that is not streamed, nothing can be missed.
    hasStreamedInvisible: isStreamed ? context.hasStreamedInvisible : () => false,
    signal,
    hooks: {
      ...hooksOf(context, task),
      ...(made.rows === 'stay' && made.shape === 'differs' ? { reshape: reshapeOf(context, task) } : {}),
    },
    land: addsToThePast
      ? (session, place, { swap, takenAt }) =>
          land(session, place, { table, swap, moment: { lsn: live.applied, takenAt, generation: context.generations.get(live.key) ?? 0 } })
      : undefined,
  };
  return copyObject(context.sessions, request);
}

function hooksOf({ fence, observer, generations }: LoadContext, { live, planned, published }: LoadTask): CopyHooks {
  const { source } = live;
  const isStreamed = !isRefreshed(planned.outcome.table.layout);
  let generation = planned.record?.copyGeneration ?? 0;
  return {
    begin: async (session, start) => {
      const common = {
        state: 'copying',
        sourceOid: live.sourceOid,
        reason: null,
        appliedLsn: isStreamed ? live.applied : null,
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
        state: isStreamed ? 'catching_up' : 'refreshed',
        snapshot: done.snapshotText,
        snapshotLsn: done.endLsn,
        overlap: done.overlap,
        appliedLsn: isStreamed ? live.applied : null,
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
  if (keepsThePast(outcome.table.layout) || (record !== null && keepsThePast(parseLayout(record.layout))))
    return makeKeepingTable(session, owner, planned);
  const made = await createDestinationTable(session, owner, { ...outcome, known: record?.columns });
  if (made.kind === 'created' || made.kind === 'adopted') return { rows: 'none', shape: 'as_planned' };
  // Rows of others stay until the source's are all there, as those of a former load do.
  if (made.kind === 'adopted_with_rows') return { rows: 'stay', shape: 'as_planned' };
  const shape = made.kind === 'differs' ? 'differs' : 'as_planned';
  // A load that was interrupted goes on where it put its rows: beside the table if it was a reload.
  const isReload =
    record !== null &&
    record.copyGeneration > 0 &&
    (record.state !== 'copying' || record.restartRequested || (await hasSideTable(session, outcome.table)));
  if (record !== null && record.copyGeneration > 0) await dropStaleKeys(session, fence, outcome.table);
  if (isReload) return { rows: 'stay', shape };
  if (shape === 'as_planned') return { rows: 'none', shape };
  await session.transaction('BEGIN', async () => {
    await emptyPlace(session, loadPlace('first', { ...loadTableOf(outcome.table), columns: [] }));
    await reshapeTable(session, owner, outcome.table, knownColumns(planned));
  });
  return { rows: 'none', shape: 'changed' };
}

/** A table that keeps the past never gets other columns: its rows can't be read again. */
async function makeKeepingTable(session: PgSession, owner: TableOwner, planned: LoadableObject): Promise<MadeTable> {
  const { record, outcome } = planned;
  const made = await createDestinationTable(session, owner, { ...outcome, known: record?.columns });
  if (made.kind === 'differs') {
    if (record !== null && keepsThePast(parseLayout(record.layout)) && record.copyGeneration > 0) throw pastInTheWay(planned);
    await dropDestinationTable(session, owner, made.oid);
    await createDestinationTable(session, owner, outcome);
    return { rows: 'none', shape: 'changed' };
  }
  if (made.kind !== 'found' || record === null || record.copyGeneration === 0) return { rows: 'none', shape: 'as_planned' };
  await dropStaleKeys(session, owner.fence, outcome.table);
  await dropStaleKeptIndexes(session, owner.fence, outcome.table);
  return { rows: 'stay', shape: 'as_planned' };
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

/** What it holds can't be read again from the source. */
function pastInTheWay({ source, outcome }: LoadableObject): MillraceError {
  const { table } = outcome;
  return new MillraceError('past_would_be_lost', {
    cause: `${objectLabel(table)} would have to be made anew, and the past that it holds can't be read again`,
    fix:
      `Keep it: ALTER TABLE ${quoteName(table)} RENAME TO ${quoteIdent(`${truncateUtf8(table.name, 50)}_until_now`)};\n` +
      `Then: millrace objects restart -f FILE --pipeline NAME ${formatObjectName(source)}`,
    object: objectLabel(source),
    side: 'destination',
  });
}

function hasSideTable(session: PgSession, table: DestinationTable): Promise<boolean> {
  return isIntact(session, loadPlace('reload', loadTableOf(table)), 0);
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
