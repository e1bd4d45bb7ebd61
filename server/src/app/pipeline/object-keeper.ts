// Owns the objects of a running session: brings each to where it belongs, loads those that are due, and carries out what operators ask.
import type { PgSession } from '../../db/session.ts';
import { readApplyTarget } from '../../destination/apply-target.ts';
import { addKeys, createDestinationTable, dropDestinationTable } from '../../destination/ddl.ts';
import { holdEpoch as holdEpochSql, recordChunk } from '../../destination/load-record.sql.ts';
import { loadChunks, setObjectState } from '../../destination/state.ts';
import type { ObjectRecord } from '../../destination/state-records.ts';
import type { ApplyLoop } from '../../engine/apply-loop.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import { type DestinationTable, writtenColumns } from '../../model/destination-table.ts';
import { MillraceError } from '../../model/error.ts';
import { objectLabel } from '../../model/table.ts';
import { parseSnapshot } from '../../pg/snapshot.ts';
import { copyObject, type CopyOutcome } from '../copy/copy-object.ts';
import type { UnfinishedCopy } from '../copy/resume.ts';
import { CopySessions } from '../copy/sessions.ts';
import type { DestinationLane } from './destination-lane.ts';
import { errorOfReason, liveObject, resumptionOf } from './live-objects.ts';
import type { Loader } from './loader.ts';
import type { PlannedObject } from './plan.ts';
import type { Prepared } from './prepare.ts';
import type { PipelineRun } from './pipeline-run.ts';

export interface KeeperContext extends PipelineRun {
  readonly source: PgSession;
  readonly destination: PgSession;
  readonly prepared: Prepared;
  readonly loop: ApplyLoop;
  readonly lane: DestinationLane;
  readonly loader: Loader;
}

type TableOutcome = Extract<PlannedObject['outcome'], { kind: 'table' }>;

/** An object that takes part in the session, in whatever state. */
interface KeptObject {
  readonly planned: PlannedObject;
  readonly live: LiveObject;
}

const WORKERS_PER_LOAD = 2;

/** See the file's first line. Its methods are called one after another. */
export class ObjectKeeper {
  readonly #context: KeeperContext;
  readonly #kept = new Map<string, KeptObject>();
  readonly #due: (() => void)[] = [];
  readonly #sessions: CopySessions;
  /** The control session is shared by loads that run side by side: one transaction at a time. */
  #control: Promise<unknown> = Promise.resolve();
  /** How often each object's target was read: staging tables of former shapes must not be used again. */
  #targets = 0;

  constructor(context: KeeperContext) {
    this.#context = context;
    this.#sessions = new CopySessions({
      source: context.settings.source.connection,
      destination: context.settings.destination.connection,
      applicationName: `millrace ${context.settings.name}`,
    });
  }

  /** Puts every object of the plan where it belongs. Loads are only noted: they need the stream. */
  async begin(): Promise<void> {
    for (const planned of this.#context.prepared.plan.objects) await this.#place(planned);
  }

  /** Starts the loads that `begin` found due, small tables first. */
  startLoads(): void {
    for (const start of this.#due.splice(0)) start();
  }

  /** A table that came to the source while the session runs. It is published already. */
  async add(planned: PlannedObject): Promise<void> {
    await this.remove(objectLabel(planned.source));
    await this.#place(planned);
    this.startLoads();
  }

  /** Takes an object out of the session. */
  async remove(label: string): Promise<void> {
    const kept = this.#kept.get(label);
    if (kept === undefined) return;
    this.#kept.delete(label);
    await this.#context.loader.cancel(kept.live);
    this.#context.loop.removeObject(kept.live);
  }

  /** Halts an object; it keeps its place in the stream. */
  async pause(label: string): Promise<void> {
    const kept = this.#kept.get(label);
    if (kept === undefined) return;
    await this.#context.loader.cancel(kept.live);
    await this.#context.loop.pauseObject(kept.live);
    this.#context.observer.objectState(kept.live.source, 'paused', null);
  }

  /** Loads an object's rows anew; the rows that are there stay until the new ones are complete. */
  async reload(label: string, planned: PlannedObject): Promise<void> {
    await this.remove(label);
    await this.#place({ ...planned, record: planned.record === null ? null : { ...planned.record, restartRequested: true } });
    this.startLoads();
  }

  async close(): Promise<void> {
    await this.#sessions.closeIdle();
  }

  async #place(planned: PlannedObject): Promise<void> {
    const { loop, observer, prepared } = this.#context;
    const label = objectLabel(planned.source);
    const resumption = resumptionOf(planned, prepared.isFresh ? null : prepared.checkpoint);
    if (resumption.kind === 'rest' || planned.outcome.kind === 'refused') {
      const reason = resumption.kind === 'rest' ? resumption.reason : null;
      observer.objectState(planned.source, resumption.kind === 'rest' ? resumption.state : 'ineligible', reason);
      return;
    }
    const { table } = planned.outcome;
    const expected = planned.record?.columns ?? null;
    const shown: DestinationTable = expected === null || resumption.kind === 'load' ? table : { ...table, columns: expected };
    const start = { state: 'pending' as const, applied: loop.received, handoff: null };
    const live = liveObject(planned, shown, start);
    this.#kept.set(label, { planned, live });
    switch (resumption.kind) {
      case 'hold':
        live.state = resumption.state;
        live.applied = resumption.applied;
        loop.addObject(live);
        observer.objectState(live.source, live.state, resumption.reason === null ? null : errorOfReason(resumption.reason, live.source));
        return;
      case 'stream':
        live.state = resumption.applied < prepared.checkpoint || resumption.handoff !== null ? 'catching_up' : 'streaming';
        live.applied = resumption.applied;
        live.handoff = resumption.handoff;
        await this.#onControl(async (session) => {
          await this.#aim(live, shown, session);
          await setObjectState(session, prepared.fence, live.source, { state: live.state, reason: null, resumeRequested: false });
        });
        loop.addObject(live);
        observer.objectState(live.source, live.state, null);
        return;
      case 'load':
        if (resumption.resume) {
          // Its changes have been kept in the slot since its first attempt began: they are kept aside from the stream's first frame on.
          live.state = 'copying';
          live.applied = planned.record?.appliedLsn ?? prepared.checkpoint;
          loop.addObject(live);
        }
        if (!this.#context.settings.loadHistoricalData && !wasRequested(planned)) return this.#startWithoutHistory(live, planned.outcome);
        this.#due.push(() => this.#load(live, planned, planned.outcome as TableOutcome, resumption.resume));
        observer.objectState(live.source, resumption.resume ? 'copying' : 'pending', null);
    }
  }

  /** Only changes from now on: the table is made empty, with its key. */
  async #startWithoutHistory(live: LiveObject, outcome: TableOutcome): Promise<void> {
    const { prepared, loop, observer } = this.#context;
    const owner = { fence: prepared.fence, source: live.source };
    await this.#onControl(async (session) => {
      await createDestinationTable(session, owner, outcome);
      await addKeys(session, prepared.fence, outcome.table);
      await this.#aim(live, outcome.table, session);
      live.state = 'streaming';
      live.applied = loop.received;
      await setObjectState(session, prepared.fence, live.source, { state: 'streaming', appliedLsn: live.applied, reason: null });
    });
    loop.addObject(live);
    observer.objectState(live.source, 'streaming', null);
  }

  #load(live: LiveObject, planned: PlannedObject, outcome: TableOutcome, resume: boolean): void {
    this.#context.loader.add({ object: live, run: (signal) => this.#runLoad(live, planned, outcome, resume, signal) });
  }

  async #runLoad(live: LiveObject, planned: PlannedObject, outcome: TableOutcome, resume: boolean, signal: AbortSignal): Promise<void> {
    const { prepared, loop, observer } = this.#context;
    const { fence } = prepared;
    const { source } = live;
    const mode = await this.#onControl((session) => this.#makeTable(session, live, planned, outcome));
    const goesOn = resume && mode !== 'recreated';
    const unfinished = goesOn ? await this.#onControl((session) => this.#unfinished(session, planned.record)) : null;
    if (!resume) await loop.beginKeepingAside(live);
    observer.objectState(source, 'copying', null);
    let generation = planned.record?.copyGeneration ?? 0;
    const outcomeOfCopy = await copyObject(this.#sessions, {
      source: planned.source,
      destination: outcome.table,
      mode: mode === 'rows_stay' ? 'reload' : 'first',
      unfinished,
      workers: this.#context.tuning?.workersPerLoad ?? WORKERS_PER_LOAD,
      tuning: { chunkBytes: this.#context.tuning?.chunkBytes },
      hasStreamedInvisible: (snapshot) => loop.recent.hasRunning(snapshot),
      signal,
      hooks: {
        begin: async (session, start) => {
          if (start.kind === 'fresh') generation++;
          await setObjectState(session, fence, source, {
            state: 'copying',
            sourceOid: live.sourceOid,
            reason: null,
            appliedLsn: live.applied,
            restartRequested: false,
            resumeRequested: false,
            ...(start.kind === 'fresh'
              ? {
                  copyGeneration: generation,
                  resetCounters: true,
                  snapshot: start.snapshotText,
                  snapshotLsn: start.endLsn,
                  leaves: planned.source.leaves,
                  overlap: false,
                }
              : {}),
          });
        },
        recordPiece: (piece) =>
          recordChunk(fence, {
            source,
            copyGeneration: generation,
            chunkNo: piece.no,
            leafOid: piece.leafOid,
            fromPage: piece.fromPage,
            toPage: piece.toPage,
            rows: piece.rows,
            bytes: piece.bytes,
          }),
        holdEpoch: () => holdEpochSql(fence),
        addKeys: (session) => addKeys(session, fence, outcome.table),
        finish: async (session, done) => {
          await setObjectState(session, fence, source, {
            state: 'catching_up',
            snapshot: done.snapshotText,
            snapshotLsn: done.endLsn,
            overlap: done.overlap,
            leaves: planned.source.leaves,
            appliedLsn: live.applied,
            reason: null,
          });
        },
        onProgress: (progress) =>
          observer.copyProgress(source, {
            rows: progress.rows,
            bytes: progress.bytes,
            estimatedRows: planned.source.estimatedRows < 0 ? null : planned.source.estimatedRows,
            estimatedBytes: planned.source.sizeBytes,
          }),
      },
    });
    await this.#handOver(live, outcome.table, outcomeOfCopy);
  }

  async #handOver(live: LiveObject, table: DestinationTable, outcome: CopyOutcome): Promise<void> {
    const { loop, observer } = this.#context;
    await this.#onControl((session) => this.#aim(live, table, session));
    live.handoff = { snapshot: parseSnapshot(outcome.snapshotText), end: outcome.endLsn, overlap: outcome.overlap };
    live.state = 'catching_up';
    observer.objectState(live.source, 'catching_up', null);
    loop.copyFinished(live);
  }

  #onControl<T>(work: (session: PgSession) => Promise<T>): Promise<T> {
    const run = this.#control.then(() => work(this.#context.destination));
    this.#control = run.catch(() => {});
    return run;
  }

  /** Makes the destination table, or finds ours. `recreated`: its columns had changed, so it was dropped and made anew, empty. */
  async #makeTable(
    session: PgSession,
    live: LiveObject,
    planned: PlannedObject,
    outcome: TableOutcome,
  ): Promise<'created' | 'recreated' | 'rows_stay'> {
    const owner = { fence: this.#context.prepared.fence, source: live.source };
    try {
      const made = await createDestinationTable(session, owner, outcome);
      if (made.kind === 'created') return 'created';
      const loadedBefore = planned.record !== null && planned.record.copyGeneration > 0 && planned.record.state !== 'copying';
      return loadedBefore ? 'rows_stay' : 'created';
    } catch (error) {
      const oid = planned.record?.destinationOid ?? null;
      if (!(error instanceof MillraceError) || error.errorName !== 'object_schema_changed' || oid === null) throw error;
      await dropDestinationTable(session, owner, oid);
      await createDestinationTable(session, owner, outcome);
      return 'recreated';
    }
  }

  async #unfinished(session: PgSession, record: ObjectRecord | null): Promise<UnfinishedCopy | null> {
    if (record === null || record.snapshot === null || record.snapshotLsn === null || record.leaves === null) return null;
    const chunks = await loadChunks(session, this.#context.settings.name, { source: record.source, copyGeneration: record.copyGeneration });
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

  /** Tells the apply lane where the object's changes go. */
  async #aim(live: LiveObject, table: DestinationTable, session: PgSession): Promise<void> {
    const columns = writtenColumns(table);
    const keyColumns = table.identity.kind === 'key' ? table.identity.columns : [];
    const target = await readApplyTarget(session, {
      id: `${live.sourceOid}_${this.#targets++}`,
      table: { schema: table.schema, name: table.name },
      columns: columns.map((column) => column.name),
      keyColumns,
    });
    this.#context.lane.setTarget(live, target);
  }
}

function wasRequested(planned: PlannedObject): boolean {
  return planned.record?.restartRequested ?? false;
}
