// The heart of a running pipeline: takes frames from the stream, collects batches, and brings them to the destination one after another.
import { must } from '../lib/assert.ts';
import type { ChangeCounts } from '../model/batch/object-batch.ts';
import type { RowFormat } from '../model/batch/row-format.ts';
import { type Lsn, LSN_ZERO, maxLsn, minLsn } from '../pg/lsn.ts';
import { readKeepalive, StreamFrame, streamFrameKind, walDataPayload } from '../pg/pgoutput/frame.ts';
import { nextStep } from './apply-step.ts';
import { Aside } from './aside.ts';
import { Assembler, type AssemblerHost, type PendingReshape } from './assembler.ts';
import { type LiveObject, neededFrom, type StreamTransaction } from './live-object.ts';
import { MessageFilter } from './message-filter.ts';
import type { ApplyLane, ChangeFeed, Reshape, Spool } from './ports.ts';
import { RecentTransactions } from './recent-transactions.ts';
import { SourceEnd } from './source-end.ts';
import type { CommitPoint, StreamBatch } from './stream-batch.ts';
import { Wakeup } from './wakeup.ts';

export interface ApplyLoopOptions {
  readonly feed: ChangeFeed;
  readonly lane: ApplyLane;
  readonly format: RowFormat;
  /** The checkpoint that the destination holds. */
  readonly checkpoint: Lsn;
  /** Where the stream begins: at the checkpoint, or before it when an object lags behind. */
  readonly from: Lsn;
  /** A batch of this size is flushed even inside a source transaction. */
  readonly batchBytes: number;
  readonly openSpool: (object: LiveObject) => Spool;
  readonly reshape: Reshape;
  readonly nowMs: () => number;
  /** An object became part of the stream, or its position moved by catching up. */
  readonly onObjectChange: (object: LiveObject) => void;
  /** Changes of an object became visible at the destination. */
  readonly onCounts: (object: LiveObject, counts: ChangeCounts) => void;
}

/** With a backlog, waiting for this much makes larger, cheaper batches; without one, nobody waits. */
const BACKLOG_BATCH_BYTES = 2 * 1024 * 1024;
const BACKLOG_LINGER_MS = 200;
/** How far the server must be ahead for this to count as a backlog. */
const BACKLOG_WAL_BYTES = 2 * 1024 * 1024;
const TICK_MS = 100;
const STATUS_INTERVAL_MS = 5_000;

/** What the source's catalogue says of a table whose rows the stream has not described since. */
interface Announcement extends PendingReshape {
  /** By then, the change of the table is committed in the stream: a transaction that commits later, and says otherwise, says more. */
  readonly position: Lsn;
}

/** Runs until `stop`, or throws: an `ObjectHalt` for one object, anything else for the whole session. */
export class ApplyLoop implements AssemblerHost {
  readonly format: RowFormat;
  readonly recent = new RecentTransactions();
  readonly #options: ApplyLoopOptions;
  readonly #objects = new Map<number, LiveObject>();
  readonly #aside: Aside;
  /** Objects whose new state waits for the commit that covers the position at which it began. */
  readonly #unsettled = new Map<LiveObject, Lsn>();
  readonly #assembler: Assembler;
  /** Stands before the assembler, so that nothing behind it ever holds a value that is masked. */
  readonly #filter: MessageFilter;
  readonly #wakeup = new Wakeup();
  readonly #announced = new Map<LiveObject, Announcement>();
  #ready: StreamBatch | null = null;
  #paused = false;
  #laneBusy = false;
  #transactionOpen = false;
  #stopping = false;
  #wanted = false;
  #failure: unknown = null;
  #received: Lsn;
  #checkpoint: Lsn;
  /** The last change's position as a number, for estimates only. */
  #frameAt = 0;
  readonly #sourceEnd = new SourceEnd();
  #checkpointAtMs: number;
  #statusAtMs = 0;
  #lastCommitTimeMicros: bigint | null = null;
  #applyingSinceMicros: bigint | null = null;

  constructor(options: ApplyLoopOptions) {
    this.#options = options;
    this.format = options.format;
    this.#received = options.from;
    this.#checkpoint = options.checkpoint;
    this.#checkpointAtMs = options.nowMs();
    const assembler = new Assembler(this);
    this.#assembler = assembler;
    this.#filter = new MessageFilter({
      format: options.format.name,
      filterOf: (relationOid) => this.#objects.get(relationOid)?.filter ?? null,
      next: (bytes, start, end) => assembler.take(bytes, start, end),
    });
    const { format, lane, batchBytes, openSpool, reshape, nowMs } = options;
    this.#aside = new Aside({ format, lane, batchBytes, openSpool, reshape, nowMs });
  }

  /** The server has far more for us than we have seen. */
  get isBehind(): boolean {
    return Number(this.#sourceEnd.lsn) - Math.max(this.#frameAt, Number(this.#received)) > BACKLOG_WAL_BYTES;
  }

  /**
   * Says where the source's log ended at `atMicros` (since 2000): a logical stream does not tell (its frames carry their own position as
   * the end).
   */
  noteSourceEnd(end: Lsn, atMicros: bigint): void {
    this.#sourceEnd.note({ end, atMicros }, this.#received);
  }

  /** Durable at the destination. */
  get checkpoint(): Lsn {
    return this.#checkpoint;
  }

  /** Between transactions: everything before is with us. */
  get received(): Lsn {
    return this.#received;
  }

  /** When the oldest transaction that is here and not yet visible at the destination was committed; null when there is none. */
  get pendingSinceMicros(): bigint | null {
    return this.#applyingSinceMicros ?? this.#ready?.firstCommitTimeMicros ?? this.#assembler.batch.firstCommitTimeMicros;
  }

  /** What the slot may be confirmed to: the oldest position that any object still needs. */
  get confirmable(): Lsn {
    let position = this.#checkpoint;
    for (const object of this.#objects.values()) {
      // A streaming object's own position may lag behind the checkpoint that covers it.
      if (object.state === 'streaming') continue;
      const needed = neededFrom(object);
      if (needed !== null) position = minLsn(position, needed);
    }
    return position;
  }

  /** Adds an object, or replaces the former one of the same relation. */
  addObject(object: LiveObject): void {
    this.#objects.set(object.sourceOid, object);
    if (object.state === 'catching_up') this.#aside.expect(object);
  }

  removeObject(object: LiveObject): void {
    if (this.#objects.get(object.sourceOid) === object) this.#objects.delete(object.sourceOid);
    this.#aside.forget(object);
    this.#unsettled.delete(object);
  }

  objects(): readonly LiveObject[] {
    return [...this.#objects.values()];
  }

  /**
   * From the next transaction on, changes of `object` are kept aside; resolves with the position from which they are, as soon as the
   * stream stands between two transactions.
   */
  beginKeepingAside(object: LiveObject): Promise<Lsn> {
    return this.#atBoundary(() => {
      object.state = 'copying';
      object.applied = this.#received;
      object.handoff = null;
      this.#assembler.forgetShape(object);
      this.#aside.dropKept(object);
      this.addObject(object);
      return this.#received;
    });
  }

  /** The historical load of `object` is complete (state `catching_up`): its changes that were kept aside are applied from now on. */
  copyFinished(object: LiveObject): void {
    this.#aside.expect(object);
    if (!this.#assembler.inTransaction) this.#settle(this.#received);
    this.#wakeup.wake();
  }

  /**
   * Takes `object` out of the stream between two transactions; resolves when it is. It keeps its place: its position is written with
   * the commit that covers it.
   */
  pauseObject(object: LiveObject): Promise<void> {
    return this.#atBoundary(() => {
      if (object.state === 'streaming') object.applied = maxLsn(object.applied, this.#received);
      object.state = 'paused';
      this.#aside.forget(object);
      this.#unsettled.set(object, object.applied);
      this.#wakeup.wake();
    });
  }

  /**
   * Says that a table looks otherwise at the source, as the catalogue had it at `position`. Its destination table follows when the stream
   * has passed that, unless a row brings the news before.
   */
  announce(change: PendingReshape, position: Lsn): void {
    this.#announced.set(change.object, { ...change, position });
    if (!this.#assembler.inTransaction) this.#follow(this.#received);
    this.#options.feed.status(this.#received, this.confirmable, true);
    this.#wakeup.wake();
  }

  /** A table is going to follow its source. */
  get isFollowing(): boolean {
    return this.#announced.size > 0 || this.#assembler.pending !== null;
  }

  /** Asks for a checkpoint at the received position as soon as it is reached, instead of when it is due. */
  wantCheckpoint(wanted: boolean): void {
    this.#wanted = wanted;
    if (wanted) {
      this.#options.feed.status(this.#received, this.confirmable, true);
      this.#wakeup.wake();
    }
  }

  /** Ends `run` after what is being flushed; a source transaction that is only partly here is given up. */
  stop(): void {
    this.#stopping = true;
    this.#options.feed.pause();
    this.#wakeup.wake();
  }

  /** Ends `run` with an error: the feed broke. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#wakeup.wake();
  }

  /** Gives up what is kept aside; the slot still has it. */
  close(): void {
    this.#aside.close();
  }

  /** Takes one CopyData payload of the replication stream. Never throws: errors end `run`. */
  takeFrame(bytes: Buffer, start: number, end: number): void {
    if (this.#failure !== null) return;
    try {
      if (streamFrameKind(bytes, start, end) === StreamFrame.keepalive) this.#keepalive(bytes, start);
      else {
        this.#frameAt = bytes.readUInt32BE(start + 1) * 2 ** 32 + bytes.readUInt32BE(start + 5);
        this.#filter.take(bytes, walDataPayload(start), end);
        if (this.#assembler.pending !== null) this.#holdFeed();
        else if (this.#assembler.batch.sizeBytes >= this.#options.batchBytes) this.#batchIsFull();
      }
    } catch (error) {
      this.#options.feed.pause();
      this.fail(error);
    }
  }

  async run(): Promise<void> {
    try {
      await this.#steps();
    } finally {
      // Where the stream ends inside a transaction, no boundary comes any more.
      this.#hasEnded = true;
      for (const waiter of this.#boundaryWaiters.splice(0)) waiter.giveUp();
    }
  }

  async #steps(): Promise<void> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      this.#tick();
      switch (nextStep(this.#facts())) {
        case 'flush':
          await this.#flushReady();
          break;
        case 'commit':
          await this.#commit(this.#assembler.batch.lastCommit ?? this.#cleanPoint());
          break;
        case 'checkpoint':
          await this.#commit(this.#cleanPoint());
          break;
        case 'reshape':
          await this.#reshape();
          break;
        case 'catch_up':
          await this.#catchUp();
          break;
        case 'stop':
          this.#sendStatus(false);
          return;
        case 'wait':
          await this.#wakeup.wait(TICK_MS);
      }
    }
  }

  // ---- what the assembler asks (AssemblerHost) ----

  objectOf(relationOid: number): LiveObject | null {
    return this.#objects.get(relationOid) ?? null;
  }

  route(object: LiveObject): 'batch' | 'aside' | 'drop' {
    switch (object.state) {
      case 'streaming':
        return 'batch';
      case 'copying':
      case 'catching_up':
        return 'aside';
      case 'pending':
      case 'refreshed':
      case 'skipped':
      case 'paused':
      case 'failed':
      case 'ineligible':
        return 'drop';
    }
  }

  keepAside(object: LiveObject, bytes: Buffer, start: number, end: number): void {
    this.#aside.keep(object, bytes, start, end);
  }

  began(transaction: StreamTransaction): void {
    this.recent.add(transaction.xid);
  }

  committed(point: CommitPoint): void {
    this.#received = maxLsn(this.#received, point.endLsn);
    this.#lastCommitTimeMicros = point.commitTimeMicros;
    this.#settle(point.endLsn);
    this.#wakeBoundaryWaiters();
    this.#follow(point.endLsn);
    const batch = this.#assembler.batch;
    if (batch.isEmpty || this.#ready !== null) {
      if (this.#transactionOpen) this.#wakeup.wake();
      return;
    }
    if (this.#isWorthFlushing(batch)) this.#close();
  }

  nowMs(): number {
    return this.#options.nowMs();
  }

  // ---- the steps ----

  #facts() {
    const clean = this.#isCleanBoundary();
    return {
      stopping: this.#stopping,
      hasReadyBatch: this.#ready !== null,
      reshapeIsDue: this.#assembler.pending !== null,
      destinationTransactionOpen: this.#transactionOpen,
      atCleanBoundary: clean,
      catchUpBytes: this.#aside.readableBytes,
      idleBytes: Number(this.#received - this.#checkpoint),
      msSinceCheckpoint: this.nowMs() - this.#checkpointAtMs,
      unsettledObjects: clean ? this.#unsettled.size : 0,
      checkpointWanted: this.#wanted,
    };
  }

  async #flushReady(): Promise<void> {
    const batch = this.#ready;
    if (batch === null) return;
    this.#ready = null;
    this.#laneBusy = true;
    if (this.#paused && this.#assembler.pending === null) {
      if (this.#assembler.batch.sizeBytes >= this.#options.batchBytes) this.#close();
      this.#paused = false;
      this.#options.feed.resume();
    }
    this.#transactionOpen = true;
    this.#applyingSinceMicros ??= batch.firstCommitTimeMicros;
    this.#count(batch);
    await this.#options.lane.flush(batch);
    if (!batch.endsInside) await this.#commit(must(batch.lastCommit, 'the last commit of a batch that ends at one'));
    this.#laneBusy = false;
    this.#closeIfIdle();
  }

  /** A table follows its source at this place of the stream: what came before lands by its former shape. */
  async #reshape(): Promise<void> {
    const { object, relation } = must(this.#assembler.pending, 'the table that must follow');
    this.#laneBusy = true;
    this.#transactionOpen = true;
    const batch = this.#assembler.closeBatch();
    if (!batch.isEmpty) {
      this.#applyingSinceMicros ??= batch.firstCommitTimeMicros;
      this.#count(batch);
      await this.#options.lane.flush(batch);
    }
    const shape = await this.#options.reshape(object, relation);
    this.#assembler.goOn(shape);
    this.#laneBusy = false;
    if (this.#assembler.pending !== null) return;
    if (this.#assembler.batch.sizeBytes >= this.#options.batchBytes) this.#batchIsFull();
    else if (this.#paused) {
      this.#paused = false;
      this.#options.feed.resume();
    }
    this.#wakeup.wake();
  }

  async #commit(point: CommitPoint): Promise<void> {
    const settled = [...this.#unsettled].filter(([, position]) => position <= point.endLsn).map(([object]) => object);
    for (const object of settled) this.#unsettled.delete(object);
    const counts = new Map(this.#counts);
    this.#counts.clear();
    await this.#options.lane.commit({ checkpoint: point, settled, counts });
    this.#transactionOpen = false;
    this.#applyingSinceMicros = null;
    this.#checkpoint = maxLsn(this.#checkpoint, point.endLsn);
    this.#checkpointAtMs = this.nowMs();
    for (const object of settled) this.#options.onObjectChange(object);
    for (const [object, part] of counts) this.#options.onCounts(object, part);
    this.#sendStatus(false);
  }

  async #catchUp(): Promise<void> {
    this.#laneBusy = true;
    const object = await this.#aside.catchUp();
    this.#laneBusy = false;
    if (object !== null) this.#options.onObjectChange(object);
    if (!this.#assembler.inTransaction) this.#settle(this.#received);
    this.#closeIfIdle();
  }

  readonly #counts = new Map<LiveObject, ChangeCounts>();

  #count(batch: StreamBatch): void {
    for (const [object, { counts }] of batch.objects) {
      const total = this.#counts.get(object) ?? { inserted: 0, updated: 0, deleted: 0, truncated: 0 };
      total.inserted += counts.inserted;
      total.updated += counts.updated;
      total.deleted += counts.deleted;
      total.truncated += counts.truncated;
      this.#counts.set(object, total);
    }
  }

  /**
   * At a boundary of the stream, objects with nothing left aside join it. Their new state is written with the next commit; until then a
   * crash finds them catching up, with nothing lost.
   */
  #settle(position: Lsn): void {
    // Before the checkpoint of the session's start the others skip what they have: an object that joined there would seem further than it is.
    if (position < this.#options.checkpoint) return;
    for (const object of this.#aside.join(position, this.#laneBusy)) {
      this.#assembler.forgetShape(object);
      this.#unsettled.set(object, position);
      this.#wakeup.wake();
    }
  }

  /** At a boundary of the stream: the next table whose change lies behind it follows now. */
  #follow(position: Lsn): void {
    for (const [object, announcement] of this.#announced) {
      const isOutdated = (object.describedAt ?? LSN_ZERO) >= announcement.position || this.objectOf(object.sourceOid) !== object;
      // One that rests finds the change in the stream, or in the catalogue, when it goes on.
      const isAtRest = this.route(object) === 'drop';
      if (isOutdated || isAtRest || this.#assembler.isAsExpected(announcement)) this.#announced.delete(object);
      else if (object.state === 'streaming' && announcement.position <= position) {
        this.#announced.delete(object);
        this.#assembler.await(announcement);
        return this.#holdFeed();
      }
    }
  }

  #keepalive(bytes: Buffer, start: number): void {
    const keepalive = readKeepalive(bytes, start);
    if (!this.#assembler.inTransaction) {
      this.#received = maxLsn(this.#received, keepalive.serverEnd);
      this.#settle(this.#received);
      this.#wakeBoundaryWaiters();
      this.#follow(this.#received);
      this.#closeIfIdle();
    }
    if (keepalive.replyRequested) this.#sendStatus(false);
    this.#wakeup.wake();
  }

  #sendStatus(replyRequested: boolean): void {
    this.#statusAtMs = this.nowMs();
    this.#options.feed.status(this.#received, this.confirmable, replyRequested);
  }

  #tick(): void {
    if (this.nowMs() - this.#statusAtMs >= STATUS_INTERVAL_MS) this.#sendStatus(false);
    else if ((this.#wanted || this.#announced.size > 0) && this.#isCleanBoundary() && this.nowMs() - this.#statusAtMs >= TICK_MS)
      this.#sendStatus(true);
    if (!this.#laneBusy) this.#closeIfIdle();
  }

  #isWorthFlushing(batch: StreamBatch): boolean {
    if (batch.sizeBytes >= this.#options.batchBytes) return true;
    if (this.#laneBusy) return false;
    return !this.isBehind || batch.sizeBytes >= BACKLOG_BATCH_BYTES || this.nowMs() - batch.startedAtMs >= BACKLOG_LINGER_MS;
  }

  #closeIfIdle(): void {
    const batch = this.#assembler.batch;
    if (this.#ready === null && !this.#assembler.inTransaction && !batch.isEmpty && this.#isWorthFlushing(batch)) this.#close();
  }

  #holdFeed(): void {
    if (!this.#paused) this.#options.feed.pause();
    this.#paused = true;
    this.#wakeup.wake();
  }

  #batchIsFull(): void {
    if (this.#ready === null) this.#close();
    // One batch waits while another is applied, and no third is begun: what waits here is work that ends after the stream does.
    if (this.#laneBusy && !this.#paused) {
      this.#paused = true;
      this.#options.feed.pause();
    }
  }

  #close(): void {
    this.#ready = this.#assembler.closeBatch();
    this.#wakeup.wake();
  }

  #isCleanBoundary(): boolean {
    return !this.#assembler.inTransaction && this.#assembler.batch.isEmpty && this.#ready === null;
  }

  /** The source's time that a checkpoint without a commit stands for: with nothing pending, it is as new as our last look at the source. */
  #sourceTimeMicros(): bigint {
    const lastCommit = this.#lastCommitTimeMicros ?? 0n;
    const caughtUpAt = this.#isCleanBoundary() ? this.#sourceEnd.reachedAtMicros(this.#received) : 0n;
    return caughtUpAt > lastCommit ? caughtUpAt : lastCommit;
  }

  #cleanPoint(): CommitPoint {
    return { endLsn: this.#cleanPosition(), commitTimeMicros: this.#sourceTimeMicros() };
  }

  /** The position up to which nothing is pending: with changes in hand that is the checkpoint itself. */
  #cleanPosition(): Lsn {
    return this.#isCleanBoundary() ? maxLsn(this.#received, this.#checkpoint) : this.#checkpoint;
  }

  readonly #boundaryWaiters: { readonly run: () => void; readonly giveUp: () => void }[] = [];
  #hasEnded = false;

  /** Runs `action` between two transactions: in the very call that meets the boundary, since a chunk holds many transactions. */
  #atBoundary<T>(action: () => T): Promise<T> {
    if (!this.#assembler.inTransaction) return Promise.resolve(action());
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(new Error('the stream ended inside a transaction'));
      if (this.#hasEnded) giveUp();
      else this.#boundaryWaiters.push({ run: () => resolve(action()), giveUp });
    });
  }

  #wakeBoundaryWaiters(): void {
    for (const { run } of this.#boundaryWaiters.splice(0)) run();
  }
}
