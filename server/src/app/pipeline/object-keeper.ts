// Owns the objects of a running session: brings each to where it belongs, loads those that are due, and carries out what operators ask.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../../db/session.ts';
import { readApplyTarget } from '../../destination/apply-target.ts';
import { keptBy } from '../../destination/kept-columns.ts';
import { rowInput } from '../../destination/row-input.ts';
import { addKeys, createDestinationTable } from '../../destination/ddl.ts';
import { extendTypes } from '../../destination/ddl-types.ts';
import { loadObjects, type ObjectPatch, setObjectState } from '../../destination/state.ts';
import type { ApplyLoop } from '../../engine/apply-loop.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import { backoffMs } from '../../lib/backoff.ts';
import { type DestinationTable, tableSignature, writtenColumns } from '../../model/destination-table.ts';
import { MillraceError } from '../../model/error.ts';
import { CATALOGUE, type ErrorName } from '../../model/error-catalogue.ts';
import { isRefreshed } from '../../model/layout.ts';
import { saltOf } from '../../model/object-filter.ts';
import { objectLabel } from '../../model/table.ts';
import type { RelationMessage } from '../../pg/pgoutput/messages.ts';
import type { Lsn } from '../../pg/lsn.ts';
import { parseSnapshot } from '../../pg/snapshot.ts';
import { SqlState } from '../../pg/sqlstate.ts';
import { describeWriter, waitForWriters } from '../../source/lock-wait.ts';
import { readPublications, refreshPublications } from '../../source/publication.ts';
import { membershipOf } from '../../source/publication-plan.ts';
import { visibleWalLsn } from '../../source/system.ts';
import type { CopyOutcome } from '../copy/copy-object.ts';
import { CopySessions } from '../copy/sessions.ts';
import type { DestinationLane } from './destination-lane.ts';
import {
  errorOfReason,
  filesToRemember,
  liveObject,
  NOTHING_LOADED,
  type Resumption,
  resumptionOf,
  sameKeyColumns,
  shapeOf,
  stateReason,
} from './live-objects.ts';
import type { Loader } from './loader.ts';
import { type LoadableObject, type LoadContext, loadObject } from './object-load.ts';
import { type Approvals, SchemaChanges } from './schema-changes.ts';
import type { PipelineRun } from './pipeline-run.ts';
import { type PlannedObject, planPipeline } from './plan.ts';
import type { Prepared } from './prepare.ts';
import type { Tenure } from './tenure.ts';

export interface KeeperContext extends PipelineRun {
  readonly source: PgSession;
  readonly destination: PgSession;
  readonly prepared: Prepared;
  readonly loop: ApplyLoop;
  readonly lane: DestinationLane;
  readonly loader: Loader;
  readonly approvals: Approvals;
  /** More sessions, for work that must not wait for others'; they are closed with the session. */
  readonly connect: () => Promise<{ readonly source: PgSession; readonly destination: PgSession }>;
  readonly tenure: Tenure;
}

/** How long one attempt of a load waits for transactions that were open when its table was published. */
const WRITERS_TIMEOUT_MS = 60_000;
const SLOW_RETRY_MS = 60_000;
/** With `once`, a load that fails again and again is left at that. */
const ONCE_ATTEMPTS = 5;
/** Attempts under a new plan, when the table changed under the load. */
const REPLAN_ATTEMPTS = 3;

/** See the file's first line. Its methods are called one after another. */
export class ObjectKeeper {
  readonly #context: KeeperContext;
  readonly #kept = new Map<string, LiveObject>();
  readonly #due: (() => void)[] = [];
  readonly #sessions: CopySessions;
  readonly #loads: LoadContext;
  readonly #changes: SchemaChanges;
  /** The control session is shared by loads that run side by side: one transaction at a time. */
  #control: Promise<unknown> = Promise.resolve();
  #refresh: Promise<void> | null = null;
  /** How often each object's target was read: staging tables of former shapes must not be used again. */
  #targets = 0;

  constructor(context: KeeperContext) {
    this.#context = context;
    const { settings, prepared, loop, observer, tuning } = context;
    this.#sessions = new CopySessions({
      source: settings.source.connection,
      destination: settings.destination.connection,
      applicationName: `millrace ${settings.name}`,
      maskSalt: saltOf(settings.objects.map((object) => object.filter)),
    });
    const { lane, log, approvals, connect } = context;
    this.#changes = new SchemaChanges({ settings, connect, fence: prepared.fence, lane, log, approvals });
    this.#loads = {
      fence: prepared.fence,
      sessions: this.#sessions,
      observer,
      tuning,
      onControl: (work) => this.#onControl(work),
      hasStreamedInvisible: (snapshot) => loop.recent.hasRunning(snapshot),
      generations: new Map(),
      keepAside: async (live) => {
        await loop.beginKeepingAside(live);
      },
    };
  }

  /** Puts every object of the plan where it belongs. Loads are only noted: they need the stream. */
  async begin(): Promise<void> {
    const { prepared } = this.#context;
    // A slot begins after every transaction that was open when it was made: none of them can have written unseen.
    for (const planned of prepared.plan.objects)
      await this.#place(planned, prepared.isFresh || wasStreamed(planned) ? 'no_writers' : 'writers');
  }

  /** Has tables follow whose columns changed while nothing ran, even if no row says so. */
  async announceChanges(): Promise<void> {
    const position = await visibleWalLsn(this.#context.source);
    for (const planned of this.#context.prepared.plan.objects) this.announce(planned, position);
  }

  /** Starts the loads that `begin` found due. */
  startLoads(): void {
    for (const start of this.#due.splice(0)) start();
  }

  /** A table that came to the source while the session runs. It is published already. */
  async add(planned: PlannedObject): Promise<void> {
    await this.remove(objectLabel(planned.source));
    await this.#place(planned, 'writers');
    this.startLoads();
  }

  /** Takes an object out of the session. */
  async remove(label: string): Promise<void> {
    const live = this.#kept.get(label);
    if (live === undefined) return;
    this.#kept.delete(label);
    await this.#context.loader.cancel(live);
    this.#context.loop.removeObject(live);
  }

  /** Halts an object; it keeps its place in the stream. A load that is not complete is given up, and begins anew when it is resumed. */
  async pause(label: string): Promise<void> {
    const live = this.#kept.get(label);
    if (live === undefined) return;
    await this.#context.loader.cancel(live);
    if (live.state === 'streaming' || live.state === 'catching_up') await this.#context.loop.pauseObject(live);
    else if (live.state === 'pending' || live.state === 'copying' || live.state === 'refreshed')
      await this.#giveUp(live, 'paused', { reason: null });
    this.#context.observer.objectState(live.source, live.state, null);
  }

  /** Loads an object's rows anew; the rows that are there stay until the new ones are complete. */
  async reload(label: string, planned: PlannedObject): Promise<void> {
    await this.remove(label);
    const asked = { ...planned, record: planned.record === null ? null : { ...planned.record, restartRequested: true } };
    await this.#place(asked, wasStreamed(planned) ? 'no_writers' : 'writers');
    this.startLoads();
  }

  /** Has an object's table follow its source; see the engine's `Reshape`. */
  reshape(live: LiveObject, relation: RelationMessage): Promise<Pick<LiveObject, 'expected' | 'identity'>> {
    return this.#changes.reshape(live, relation);
  }

  /** Says that the catalogue, as it was at `position`, has another shape of the table: it may be that no row will bring the news. */
  announce(planned: PlannedObject, position: Lsn): void {
    const live = this.#kept.get(objectLabel(planned.source));
    if (live === undefined || planned.outcome.kind === 'refused' || live.sourceOid !== planned.source.oid) return;
    const { schema, name, oid } = planned.source;
    const columns = shapeOf(planned.outcome.table).expected.map((column) => ({ ...column, typmod: column.typmod ?? -1, flags: 0 }));
    if (sameExpected(live.expected, columns)) return;
    // What is said of old rows is not asked for between two transactions.
    this.#context.loop.announce({ object: live, relation: { oid, schema, name, replicaIdentity: 'd', columns } }, position);
  }

  async close(): Promise<void> {
    await this.#sessions.closeIdle();
  }

  /** Whatever goes wrong here with one object is its own matter. */
  async #place(planned: PlannedObject, wait: 'writers' | 'no_writers'): Promise<void> {
    const { observer, prepared, approvals, tenure } = this.#context;
    const { outcome } = planned;
    const resumption = resumptionOf(planned, prepared.isFresh ? null : prepared.checkpoint, tenure.refreshed);
    if (planned.record !== null) observer.countsBegin(planned.source, planned.record.counters);
    if (planned.record?.resumeRequested === true && planned.record.reason?.name === HELD) approvals.set(objectLabel(planned.source), null);
    if (planned.record?.resumeRequested === true) await this.#patch(planned.source, { resumeRequested: false });
    if (resumption.kind === 'rest' || outcome.kind === 'refused') {
      const state = resumption.kind === 'rest' ? resumption.state : 'ineligible';
      const error = state === 'ineligible' && outcome.kind === 'refused' ? outcome.error : null;
      const reason = resumption.kind === 'rest' ? resumption.reason : null;
      observer.objectState(planned.source, state, error ?? (reason === null ? null : errorOfReason(reason, planned.source)));
      return;
    }
    const loadable: LoadableObject = { ...planned, outcome };
    const live = liveObject(loadable, tableOf(loadable, resumption), this.#context.loop.received);
    this.#kept.set(objectLabel(planned.source), live);
    try {
      await this.#enter(live, loadable, { resumption, wait });
    } catch (error) {
      if (!isOfObject(error)) throw error;
      const applied = resumption.kind === 'stream' ? { appliedLsn: resumption.applied } : NOTHING_LOADED;
      await this.#fail(live, error, applied);
      if (resumption.kind === 'stream') this.#hold(live, resumption.applied);
    }
  }

  async #enter(
    live: LiveObject,
    planned: LoadableObject,
    { resumption, wait }: { readonly resumption: Exclude<Resumption, { kind: 'rest' }>; readonly wait: 'writers' | 'no_writers' },
  ): Promise<void> {
    const { loop, observer, prepared } = this.#context;
    switch (resumption.kind) {
      case 'hold':
        live.state = resumption.state;
        // From now on its position is its own: the checkpoint goes on without it.
        if (planned.record?.state !== live.state) await this.#patch(live.source, { state: live.state, appliedLsn: resumption.applied });
        this.#hold(live, resumption.applied);
        observer.objectState(live.source, live.state, resumption.reason === null ? null : errorOfReason(resumption.reason, live.source));
        return;
      case 'stream':
        await this.#onControl(async (session) => {
          await extendTypes(session, prepared.fence, planned.outcome.definitions);
          await this.#aim(live, tableOf(planned, resumption), session, planned.record?.copyGeneration === 0);
        });
        live.state = resumption.applied < prepared.checkpoint || resumption.handoff !== null ? 'catching_up' : 'streaming';
        live.applied = resumption.applied;
        live.handoff = resumption.handoff;
        await this.#patch(live.source, { state: live.state, appliedLsn: live.applied, reason: null, ...filesToRemember(planned) });
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
        if (!this.#context.settings.loadHistoricalData && !wasRequested(planned) && !isRefreshed(planned.outcome.table.layout))
          return this.#startWithoutHistory(live, planned);
        this.#due.push(() =>
          this.#addLoad(live, planned, {
            resume: resumption.resume,
            waits: wait === 'writers' && !resumption.resume && !isRefreshed(planned.outcome.table.layout),
          }),
        );
        observer.objectState(live.source, live.state, null);
    }
  }

  #hold(live: LiveObject, applied: LiveObject['applied']): void {
    live.applied = applied;
    this.#context.loop.addObject(live);
  }

  /** Only changes from now on: the table is made empty, with its key. */
  async #startWithoutHistory(live: LiveObject, planned: LoadableObject): Promise<void> {
    const { outcome } = planned;
    const { prepared, loop, observer } = this.#context;
    const owner = { fence: prepared.fence, source: live.source };
    const published = await this.#membershipOf(planned);
    await this.#onControl(async (session) => {
      // Without a load, nothing would replace rows that are there.
      await createDestinationTable(session, owner, { ...outcome, existing: 'empty' });
      await addKeys(session, prepared.fence, outcome.table);
      await this.#aim(live, outcome.table, session, true);
      live.state = 'streaming';
      live.applied = loop.received;
      await setObjectState(session, prepared.fence, live.source, { state: 'streaming', appliedLsn: live.applied, reason: null, published });
    });
    loop.addObject(live);
    observer.objectState(live.source, 'streaming', null);
  }

  #addLoad(live: LiveObject, planned: LoadableObject, how: { readonly resume: boolean; readonly waits: boolean }): void {
    this.#context.loader.add({
      object: live,
      sizeBytes: planned.source.sizeBytes,
      ready: (signal) => (how.waits ? this.#writersAreDone(planned, signal) : Promise.resolve()),
      run: async (signal, attempt) => {
        const again = attempt > 1 ? await this.#planAgain(live) : { planned, resume: how.resume };
        const published = await this.#membershipOf(again.planned);
        const outcome = await loadObject(this.#loads, { live, signal, published, ...again });
        await this.#handOver(live, again.planned.outcome.table, outcome);
      },
      failed: (error, attempt) => this.#loadFailed(live, error, attempt),
    });
  }

  /** What a transaction wrote to the table before it was published is not in the stream: such transactions must end before the snapshot. */
  async #writersAreDone(planned: LoadableObject, signal: AbortSignal): Promise<void> {
    const { source, prepared } = this.#context;
    const oids = [planned.source.oid, ...planned.source.leaves.map((leaf) => leaf.oid)];
    const outcome = await waitForWriters(source, oids, { timeoutMs: WRITERS_TIMEOUT_MS, signal });
    if (outcome.kind === 'timeout') {
      const label = objectLabel(planned.source);
      const writers = outcome.writers.map(describeWriter).join('; ');
      const cause = `transactions that wrote to ${label} when it was published are still open: ${writers}`;
      throw new MillraceError('source_blocked', { cause, object: label, side: 'source' });
    }
    // Many tables that came together need this once.
    this.#refresh ??= delay(REFRESH_AFTER_MS).then(() => {
      this.#refresh = null;
      return refreshPublications(source, prepared.names.publications);
    });
    await this.#refresh;
    signal.throwIfAborted();
  }

  /** How the table is published now: what its load stands on. */
  #membershipOf({ source }: LoadableObject): Promise<string | null> {
    const { full, insertOnly } = this.#context.prepared.names.publications;
    return this.#onControl(async () => membershipOf(await readPublications(this.#context.source, [full, insertOnly]), source));
  }

  /** Another attempt: from what the catalogue and the state say now. */
  async #planAgain(live: LiveObject): Promise<{ readonly planned: LoadableObject; readonly resume: boolean }> {
    const { source, destination, settings } = this.#context;
    const records = await this.#onControl((session) => loadObjects(session, settings.name));
    const plan = await this.#onControl(() => planPipeline({ source, destination, settings, records }));
    const planned = plan.objects.find((object) => objectLabel(object.source) === live.key);
    if (planned === undefined || planned.source.oid !== live.sourceOid) {
      throw new MillraceError('object_vanished', { cause: `${live.key} is gone`, object: live.key, side: 'source' });
    }
    if (planned.outcome.kind === 'refused') throw planned.outcome.error;
    const loadable: LoadableObject = { ...planned, outcome: planned.outcome };
    Object.assign(live, shapeOf(loadable.outcome.table));
    return {
      planned: loadable,
      resume: live.state === 'copying' && planned.record?.state === 'copying' && planned.record.snapshot !== null,
    };
  }

  async #handOver(live: LiveObject, table: DestinationTable, outcome: CopyOutcome): Promise<void> {
    const { loop, observer, tenure } = this.#context;
    if (isRefreshed(table.layout)) {
      live.state = 'refreshed';
      tenure.refreshed.add(live.key);
      return observer.objectState(live.source, 'refreshed', null);
    }
    await this.#onControl((session) => this.#aim(live, table, session));
    live.handoff = { snapshot: parseSnapshot(outcome.snapshotText), end: outcome.endLsn, overlap: outcome.overlap };
    live.describedAt = outcome.endLsn;
    live.state = 'catching_up';
    observer.objectState(live.source, 'catching_up', null);
    loop.copyFinished(live);
  }

  /** After how long the load is tried again; null when it is not, and the object has failed. */
  async #loadFailed(live: LiveObject, error: unknown, attempt: number): Promise<number | null> {
    const { loop, log, once, observer } = this.#context;
    if (!(error instanceof MillraceError) || error.errorName === 'fenced') {
      loop.fail(error);
      return null;
    }
    const waitMs = retryAfterMs(error, attempt, once);
    if (waitMs === null) {
      await this.#fail(live, error, NOTHING_LOADED);
      return null;
    }
    log.warn('a historical load is tried again', { object: live.key, code: error.code, cause: error.facts.cause, waitMs });
    observer.objectState(live.source, live.state, error);
    // The load's own errors are shown; while a server can't be reached, nothing can be written either.
    if (isOfObject(error)) await this.#patch(live.source, { reason: stateReason(error) });
    return waitMs;
  }

  async #fail(live: LiveObject, error: MillraceError, position: ObjectPatch): Promise<void> {
    const { log, observer } = this.#context;
    log.error('an object can not go on', { object: live.key, code: error.code, cause: error.facts.cause });
    await this.#giveUp(live, 'failed', { reason: stateReason(error), ...position });
    observer.objectState(live.source, 'failed', error);
  }

  /** The state is written first: a crash in between must not find a position that nobody kept. */
  async #giveUp(live: LiveObject, state: 'paused' | 'failed', patch: ObjectPatch): Promise<void> {
    await this.#patch(live.source, { ...NOTHING_LOADED, ...patch, state });
    this.#context.loop.removeObject(live);
    live.state = state;
  }

  #patch(source: LiveObject['source'], patch: ObjectPatch): Promise<void> {
    return this.#onControl((session) =>
      setObjectState(session, this.#context.prepared.fence, { schema: source.schema, name: source.name }, patch),
    );
  }

  #onControl<T>(work: (session: PgSession) => Promise<T>): Promise<T> {
    const run = this.#control.then(() => work(this.#context.destination));
    this.#control = run.catch(() => {});
    return run;
  }

  /** Tells the apply lane where the object's changes go. */
  async #aim(live: LiveObject, table: DestinationTable, session: PgSession, withoutHistory = false): Promise<void> {
    const columns = writtenColumns(table);
    const keyColumns = table.identity.kind === 'key' ? table.identity.columns : [];
    const target = await readApplyTarget(session, {
      id: `${live.sourceOid}_${this.#targets++}`,
      table: { schema: table.schema, name: table.name },
      columns: columns.map((column) => column.name),
      keyColumns,
      withoutHistory,
      metadata: table.metadata,
      deletes: table.layout.deletes,
      keeps: keptBy(table.layout) ?? undefined,
      input: rowInput(table),
      raw: table.raw ? { table: table.raw, fields: columns.map((column) => column.sourceName) } : null,
      mergesValues: columns.some(({ conversion }) => conversion !== undefined),
    });
    this.#context.lane.setTarget(live, target);
  }
}

const REFRESH_AFTER_MS = 50;
const HELD: ErrorName = 'schema_change_held';

/** The columns that the object's rows at the destination have: those of its load, until it is loaded again. */
function tableOf(planned: LoadableObject, resumption: Resumption): DestinationTable {
  const { table } = planned.outcome;
  const { columns = null, identity = null } = resumption.kind === 'load' ? {} : (planned.record ?? {});
  return columns === null ? table : { ...table, columns, identity: identity ?? table.identity };
}

function sameExpected(expected: LiveObject['expected'], columns: LiveObject['expected']): boolean {
  const describe = ({ name, typeOid, typmod }: LiveObject['expected'][number]) => [name, typeOid, typmod];
  return JSON.stringify(expected.map(describe)) === JSON.stringify(columns.map(describe));
}

function wasRequested(planned: PlannedObject): boolean {
  return planned.record?.restartRequested ?? false;
}

/** Whether the object is loaded again on request alone: then every change since its last load has been published. */
function wasStreamed({ record, source, outcome }: PlannedObject): boolean {
  if (record === null || !record.restartRequested || record.appliedLsn === null || record.sourceOid !== source.oid) return false;
  const { identity, columns } = record;
  if (identity === null || outcome.kind !== 'table' || !sameKeyColumns({ identity, columns: columns ?? [] }, outcome.table)) return false;
  // With another condition, rows that its publication left out are wanted now.
  return record.layout === tableSignature(outcome.table);
}

/** Errors that are about a server or this process, whichever object they met. */
const NOT_OF_AN_OBJECT: ReadonlySet<ErrorName> = new Set([
  'fenced',
  'connection_failed',
  'connection_lost',
  'protocol_violation',
  'authentication_failed',
  'role_cannot_login',
]);

function isOfObject(error: unknown): error is MillraceError {
  return error instanceof MillraceError && !NOT_OF_AN_OBJECT.has(error.errorName);
}

/** The table changed between the plan and the snapshot: a new plan mends that. */
const MENDED_BY_PLANNING: ReadonlySet<ErrorName> = new Set(['object_schema_changed', 'object_vanished']);

function retryAfterMs({ errorName: name, facts }: MillraceError, attempt: number, once: boolean): number | null {
  if (MENDED_BY_PLANNING.has(name) || facts.sqlstate === SqlState.invalidTextRepresentation)
    return attempt < REPLAN_ATTEMPTS ? backoffMs(attempt) : null;
  if (once && attempt >= ONCE_ATTEMPTS) return null;
  switch (CATALOGUE[name].retry) {
    case 'backoff':
      return backoffMs(attempt);
    case 'slow':
      return SLOW_RETRY_MS;
    default:
      return null;
  }
}
