// The historical load of one object inside a running session: its table, its rows, and the hand-over to the stream.
import { formatObjectName } from '@millrace/contract/object-name';
import type { PgSession } from '../../db/session.ts';
import { addKeys, createDestinationTable, dropDestinationTable } from '../../destination/ddl.ts';
import { dropStaleKeys } from '../../destination/ddl-keys.ts';
import { dropStaleKeptIndexes } from '../../destination/ddl-kept.ts';
import { keepsThePast, land } from '../../destination/land.ts';
import { isIntact, loadPlace } from '../../destination/load-place.ts';
import { readRelations } from '../../destination/introspect.ts';
import { holdEpoch as holdEpochSql, recordChunk } from '../../destination/load-record.sql.ts';
import { loadChunks, setObjectState } from '../../destination/state.ts';
import type { Fence, ObjectCounters, ObjectRecord } from '../../destination/state-records.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import { type DestinationTable, writtenColumns } from '../../model/destination-table.ts';
import { MillraceError } from '../../model/error.ts';
import { isRefreshed, parseLayout } from '../../model/layout.ts';
import { objectLabel } from '../../model/table.ts';
import { quoteIdent, quoteName, truncateUtf8 } from '../../pg/ident.ts';
import type { Snapshot } from '../../pg/snapshot.ts';
import { type CopyHooks, type CopyOutcome, type CopyRequest, copyObject } from '../copy/copy-object.ts';
import type { UnfinishedCopy } from '../copy/resume.ts';
import type { CopySessions } from '../copy/sessions.ts';
import { generatedChanged } from './live-objects.ts';
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
  const goesOn = task.resume && made !== 'recreated' && !addsToThePast && isStreamed;
  const unfinished = goesOn ? await context.onControl((session) => unfinishedCopy(session, context.fence, planned.record)) : null;
  if (!isStreamed) live.state = 'copying';
  else if (!task.resume) await context.keepAside(live);
  context.observer.objectState(live.source, 'copying', null);
  const request: CopyRequest = {
    source: planned.source,
    destination: table,
    mode: made === 'rows_stay' || addsToThePast ? 'reload' : 'first',
    unfinished,
    workers: context.tuning?.workersPerLoad ?? WORKERS_PER_LOAD,
    tuning: { chunkBytes: context.tuning?.chunkBytes },
    // Of an object that is not streamed, nothing can be missed.
    hasStreamedInvisible: isStreamed ? context.hasStreamedInvisible : () => false,
    signal,
    hooks: hooksOf(context, task),
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

/**
 * Makes the destination table, or finds ours. `recreated`: its columns had changed, so it was dropped and made anew, empty.
 * `rows_stay`: it holds the rows of a load that was complete once; readers go on seeing them until the new ones are all there.
 */
async function makeTable(session: PgSession, fence: Fence, planned: LoadableObject): Promise<'created' | 'recreated' | 'rows_stay'> {
  const { record, outcome } = planned;
  const owner = { fence, source: { schema: planned.source.schema, name: planned.source.name } };
  const oid = record?.destinationOid ?? null;
  const makeAnew = async (formerOid: number): Promise<'recreated'> => {
    if (record !== null && keepsThePast(parseLayout(record.layout)) && record.copyGeneration > 0) {
      const [found] = await readRelations(session, [outcome.table]);
      if (found !== undefined) throw pastInTheWay(planned);
      // Renamed, so it is not ours to drop any more.
      await createDestinationTable(session, owner, outcome);
      return 'recreated';
    }
    await dropDestinationTable(session, owner, formerOid);
    await createDestinationTable(session, owner, outcome);
    return 'recreated';
  };
  if (oid !== null && generatedChanged(record, planned)) return makeAnew(oid);
  try {
    const made = await createDestinationTable(session, owner, outcome);
    if (made.kind === 'created' || record === null || record.copyGeneration === 0) return 'created';
    await dropStaleKeys(session, fence, outcome.table);
    await dropStaleKeptIndexes(session, fence, outcome.table);
    // A load that was interrupted goes on where it put its rows: beside the table if it was a reload.
    if (record.state !== 'copying' || record.restartRequested) return 'rows_stay';
    return (await hasSideTable(session, outcome.table)) ? 'rows_stay' : 'created';
  } catch (error) {
    if (!(error instanceof MillraceError) || error.errorName !== 'object_schema_changed' || oid === null) throw error;
    return makeAnew(oid);
  }
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
