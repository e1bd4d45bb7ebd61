// One session of a pipeline: from connecting to the end of the stream. Whatever goes wrong ends it; the next one goes on from the checkpoint.
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type SessionPurpose } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import { WireSession } from '../../db/wire-session.ts';
import { APPLY_SETTINGS, DISABLE_MEMOIZE } from '../../destination/apply.sql.ts';
import { ApplySession } from '../../destination/apply-session.ts';
import { noteConfirmed, setObjectState, setPipelineState } from '../../destination/state.ts';
import { ApplyLoop } from '../../engine/apply-loop.ts';
import { ObjectHalt } from '../../engine/assembler.ts';
import { must } from '../../lib/assert.ts';
import { binaryRows } from '../../model/batch/binary-rows.ts';
import { textRows } from '../../model/batch/text-rows.ts';
import { MillraceError } from '../../model/error.ts';
import { objectLabel } from '../../model/table.ts';
import { formatLsn, type Lsn, maxLsn } from '../../pg/lsn.ts';
import { SqlState } from '../../pg/sqlstate.ts';
import { postgresMicros, unixMs } from '../../pg/timestamp.ts';
import { type ChangeStream, openChangeStream } from '../../source/change-stream.ts';
import { SpoolFile } from '../../source/spool-file.ts';
import { currentWalLsn } from '../../source/system.ts';
import { withCut } from '../config/with-cut.ts';
import { DestinationLane } from './destination-lane.ts';
import { keepAsking } from './liveness.ts';
import type { PipelineRun } from './pipeline-run.ts';
import { stateReason } from './live-objects.ts';
import { Loader } from './loader.ts';
import type { Mends } from './mends.ts';
import { ObjectKeeper } from './object-keeper.ts';
import { type Prepared, prepare } from './prepare.ts';
import type { Approvals } from './schema-changes.ts';
import { SessionRestart } from './session-restart.ts';
import type { Tenure } from './tenure.ts';
import { Watcher } from './watcher.ts';

export interface SessionContext extends PipelineRun {
  /** Changes flow: errors from now on are not mistakes of the configuration. */
  readonly onWorking: () => void;
  /** Changes of the stream became visible at the destination: what ends the session afterwards is a new trouble. */
  readonly onAdvance: () => void;
  /** By object, the checkpoint at which a new session was last tried instead of giving the object up. Outlives the session. */
  readonly secondChances: Map<string, Lsn>;
  readonly approvals: Approvals;
  /** Outlive the session, too. */
  readonly tenure: Tenure;
  readonly mends: Mends;
}

const BATCH_BYTES = 8 * 1024 * 1024;
const SPOOL_LIMIT_BYTES = 16 * 1024 ** 3;
const REPORT_INTERVAL_MS = 500;
const CONTROL_LOCK_TIMEOUT_MS = 30_000;
const APPLY_LOCK_TIMEOUT_MS = 60_000;
const CONCURRENT_LOADS = 2;
const STOP_TIMEOUT_MS = 8_000;

/** Runs one session. Resolves when the signal aborted, or with `once` when the work is done; throws otherwise. */
export async function runSession(context: SessionContext): Promise<void> {
  const session = new Session(context);
  try {
    await session.run();
  } catch (error) {
    // Everything fails when the connections are cut, but that is not why they were.
    throw session.cutBecause ?? error;
  } finally {
    await session.close();
  }
}

class Session {
  readonly #context: SessionContext;
  readonly #sessions: PgSession[] = [];
  readonly #ending = new AbortController();
  /** Cuts every connection of the session, the loads' and the stream's included. */
  readonly #cut = new AbortController();
  #lane: DestinationLane | null = null;
  #stream: ChangeStream | null = null;
  #loader: Loader | null = null;
  #loop: ApplyLoop | null = null;
  #keeper: ObjectKeeper | null = null;

  constructor(context: SessionContext) {
    this.#context = { ...context, settings: withCut(context.settings, this.#cut.signal) };
  }

  /** Why the connections were cut; null while they are not. */
  get cutBecause(): unknown {
    return this.#cut.signal.aborted ? this.#cut.signal.reason : null;
  }

  async run(): Promise<void> {
    const { settings, observer, signal } = this.#context;
    observer.pipelineState('starting', null);
    const { source, destination } = await this.#pair('control');
    const monitor = await this.#pair('monitor');
    this.#keepAlive(monitor);
    const prepared = await prepare({ ...this.#context, source, destination });
    const { fence } = prepared;
    const applyPurpose = { lockTimeoutMs: APPLY_LOCK_TIMEOUT_MS, settings: { ...APPLY_SETTINGS, synchronous_commit: 'on' } };
    const [applySession, watch] = await Promise.all([this.#connect('destination', 'apply', applyPurpose), this.#pair('watch')]);
    await applySession.query(DISABLE_MEMOIZE);
    const lane = new DestinationLane(new ApplySession(new WireSession(applySession)), fence);
    this.#lane = lane;
    const loader = new Loader(CONCURRENT_LOADS, (error) => this.#loop?.fail(error));
    this.#loader = loader;

    const format = prepared.format === 'binary' ? binaryRows : textRows;
    const feed = {
      pause: () => this.#stream?.pause(),
      resume: () => this.#stream?.resume(),
      status: (received: Lsn, durable: Lsn, replyRequested: boolean) => this.#stream?.status(received, durable, replyRequested),
    };
    const loop = new ApplyLoop({
      feed,
      lane,
      format,
      checkpoint: prepared.checkpoint,
      from: prepared.from,
      batchBytes: this.#context.tuning?.batchBytes ?? BATCH_BYTES,
      reshape: (object, relation) => must(this.#keeper, 'who keeps the objects').reshape(object, relation),
      openSpool: (object) => new SpoolFile(objectLabel(object.source), SPOOL_LIMIT_BYTES),
      nowMs: () => performance.now(),
      onObjectChange: (object) => observer.changesApplied(object),
      onCounts: (object, counts) => {
        this.#context.onAdvance();
        observer.changesCounted(object.source, counts);
      },
    });
    this.#loop = loop;
    const connect = (): Promise<Pair> => this.#pair('schema');
    const keeper = new ObjectKeeper({ ...this.#context, source, destination, prepared, loop, lane, loader, connect });
    this.#keeper = keeper;
    await keeper.begin();
    this.#stream = await openChangeStream(
      settings.source.connection,
      {
        slotName: prepared.names.slot,
        publications: prepared.streamFrom,
        from: prepared.from,
        format: prepared.format,
        applicationName: this.#name('stream'),
        isBehind: () => loop.isBehind,
      },
      (_type, bytes, start, end) => loop.takeFrame(bytes, start, end),
    );
    this.#stream.ended.catch((error: unknown) => loop.fail(error));
    signal.addEventListener('abort', () => loop.stop(), { once: true, signal: this.#ending.signal });
    if (signal.aborted) loop.stop();
    keeper.startLoads();
    await keeper.announceChanges();
    this.#context.onWorking();
    this.#context.log.info('streaming', { from: formatLsn(prepared.from), format: prepared.format });

    const watcher = new Watcher({ ...this.#context, ...watch, prepared, keeper });
    const background = Promise.all([this.#report(monitor, prepared, loop), watcher.run(this.#ending.signal)]);
    background.catch((error: unknown) => loop.fail(error));
    try {
      await loop.run();
      await this.#finish(destination, prepared, loop);
    } catch (error) {
      throw await this.#recorded(error, destination, prepared);
    } finally {
      this.#ending.abort();
      await background.catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.#ending.abort();
    const timer = this.#cutAfter(STOP_TIMEOUT_MS);
    await this.#loader?.stop();
    await this.#keeper?.close();
    await this.#stream?.close();
    await this.#lane?.close();
    for (const session of this.#sessions) await session.close();
    this.#loop?.close();
    clearTimeout(timer);
    clearTimeout(this.#stopTimer);
  }

  /** From the first moment on: a server that falls silent must not hold us, and a stop must not wait for one that has. */
  #keepAlive({ source, destination }: Pair): void {
    const { signal } = this.#context;
    for (const session of [source, destination]) {
      keepAsking(session, this.#ending.signal).catch((error: unknown) => {
        if (!this.#ending.signal.aborted) this.#cut.abort(error);
      });
    }
    const onStop = (): void => {
      this.#stopTimer = this.#cutAfter(STOP_TIMEOUT_MS);
    };
    signal.addEventListener('abort', onStop, { once: true, signal: this.#ending.signal });
    if (signal.aborted) onStop();
  }

  #stopTimer: NodeJS.Timeout | undefined;

  #cutAfter(timeoutMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#cut.abort(new MillraceError('connection_lost', { cause: 'a server did not answer in time' })), timeoutMs);
  }

  /** What was committed is told to the slot, so that the next start has nothing to skip. */
  async #finish(destination: PgSession, prepared: Prepared, loop: ApplyLoop): Promise<void> {
    await noteConfirmed(destination, prepared.fence, loop.confirmable);
    await setPipelineState(destination, prepared.fence, { state: 'idle', reason: null, slotName: null, timeline: null });
  }

  /** An object that can't go on is marked in the state; the next session leaves it out. */
  async #recorded(error: unknown, destination: PgSession, prepared: Prepared): Promise<unknown> {
    if (!(error instanceof ObjectHalt)) return error;
    const { object, reason, remedy } = error;
    const label = objectLabel(object.source);
    await this.#lane?.close();
    if (this.#mayBeMended(label, reason)) return new SessionRestart(`${label} may need what its types have become`);
    // While it streamed, the checkpoint was its position; from now on it has its own.
    const applied = object.state === 'streaming' ? maxLsn(object.applied, this.#loop?.checkpoint ?? object.applied) : object.applied;
    await setObjectState(destination, prepared.fence, object.source, {
      state: 'failed',
      reason: stateReason(reason),
      appliedLsn: applied,
      ...(remedy === 'reload' ? { restartRequested: true } : {}),
    });
    this.#context.observer.objectState(object.source, 'failed', reason);
    this.#context.log.error('an object can not go on', { object: label, code: reason.code, cause: reason.facts.cause });
    return new SessionRestart(`${label} can not go on`, remedy === 'reload' ? label : null);
  }

  /** A value that a type did not know: the source may have added a label, which the next session adds too. Tried once for each position. */
  #mayBeMended(label: string, reason: MillraceError): boolean {
    const checkpoint = this.#loop?.checkpoint;
    const { secondChances } = this.#context;
    if (reason.facts.sqlstate !== SqlState.invalidTextRepresentation || checkpoint === undefined) return false;
    if (secondChances.get(label) === checkpoint) return false;
    secondChances.set(label, checkpoint);
    return true;
  }

  /** Watches the positions; with `once`, ends the loop when everything is done. */
  async #report({ source, destination }: Pair, prepared: Prepared, loop: ApplyLoop): Promise<void> {
    const { observer, once } = this.#context;
    const target = await currentWalLsn(source);
    let sawStreaming = false;
    let notedAt = 0;
    for (;;) {
      const loading =
        !(this.#loader?.isIdle ?? true) ||
        loop.isFollowing ||
        loop.objects().some((object) => object.state === 'copying' || object.state === 'catching_up');
      if (loading !== !sawStreaming) {
        sawStreaming = !loading;
        observer.pipelineState(loading ? 'loading' : 'streaming', null);
      }
      if (once && !loading) {
        loop.wantCheckpoint(true);
        if (loop.checkpoint >= target) return loop.stop();
      }
      const askedAtMicros = postgresMicros(Date.now());
      const sourceLsn = await currentWalLsn(source);
      loop.noteSourceEnd(sourceLsn, askedAtMicros);
      const pendingSince = loop.pendingSinceMicros;
      observer.streamProgress({
        sourceLsn,
        checkpointLsn: loop.checkpoint,
        confirmedLsn: loop.confirmable,
        pendingSinceUnixMs: pendingSince === null ? null : unixMs(pendingSince),
      });
      if (performance.now() - notedAt > 10_000) {
        notedAt = performance.now();
        const state = loading ? 'loading' : 'streaming';
        await setPipelineState(destination, prepared.fence, { state, reason: null, slotName: null, timeline: null });
        await noteConfirmed(destination, prepared.fence, loop.confirmable);
      }
      await delay(once ? 50 : REPORT_INTERVAL_MS, undefined, { signal: this.#ending.signal }).catch(() => {});
      if (this.#ending.signal.aborted) return;
    }
  }

  /** Sessions for one of those who work side by side. */
  async #pair(what: string): Promise<Pair> {
    const purpose = { lockTimeoutMs: CONTROL_LOCK_TIMEOUT_MS };
    // A connection that fails while the other is opening would go unnoticed, and the other would never be closed.
    const [source, destination] = await Promise.allSettled([
      this.#connect('source', what, purpose),
      this.#connect('destination', what, purpose),
    ]);
    if (source.status === 'rejected') throw source.reason;
    if (destination.status === 'rejected') throw destination.reason;
    return { source: source.value, destination: destination.value };
  }

  async #connect(side: 'source' | 'destination', what: string, purpose: Partial<SessionPurpose>): Promise<PgSession> {
    const connection = this.#context.settings[side].connection;
    const session = await connect(connection, { applicationName: this.#name(what), side, ...purpose });
    this.#sessions.push(session);
    return session;
  }

  #name(what: string): string {
    return `millrace ${this.#context.settings.name} ${what}`;
  }
}

interface Pair {
  readonly source: PgSession;
  readonly destination: PgSession;
}
