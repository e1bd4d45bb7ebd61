// The historical load of one object: from a snapshot at the source to a complete table at the destination, piece by piece.
import type { PgSession } from '../../db/session.ts';
import type { LoadPiece } from '../../destination/load-writer.ts';
import {
  analyzeLoaded,
  emptyPlace,
  ensureLandingKey,
  isIntact,
  landingTable,
  type LoadPlace,
  loadPlace,
  loadTableOf,
  recordLoaded,
  type Swap,
  swapIn,
  withBuildMemory,
} from '../../destination/load-place.ts';
import { readsPosition, setPosition } from '../../destination/metadata.ts';
import { failpoint } from '../../lib/failpoint.ts';
import { type DestinationTable, writtenColumns } from '../../model/destination-table.ts';
import { MillraceError } from '../../model/error.ts';
import type { SourceLeaf, SourceTable } from '../../model/table.ts';
import type { Lsn } from '../../pg/lsn.ts';
import type { Snapshot } from '../../pg/snapshot.ts';
import { SqlState } from '../../pg/sqlstate.ts';
import { hasFeature } from '../../pg/version.ts';
import { type Chunk, type CopyLeaf, planChunks } from '../../source/chunks.ts';
import type { CopyColumn } from '../../source/copy.sql.ts';
import { type CopySnapshot, openCopySnapshot } from '../../source/snapshot.ts';
import { copyError } from './copy-error.ts';
import { pipePiece } from './pipe-piece.ts';
import { type CopyDecision, decideCopy, type FinishedPiece, hasSingleKey, isComplete, type UnfinishedCopy } from './resume.ts';
import { runLanes } from './run-lanes.ts';
import type { CopyDesk, CopySessions } from './sessions.ts';

export interface CopyRequest {
  /** As the catalogue has it now. */
  readonly source: SourceTable;
  /** It exists; with these columns, or gets them by `hooks.reshape`. */
  readonly destination: DestinationTable;
  /** `first`: nobody has read the table yet. `reload`: its rows stay until all new ones are there. */
  readonly mode: 'first' | 'reload';
  /** What an earlier attempt left; null when there is none. */
  readonly unfinished: UnfinishedCopy | null;
  /** Pieces that are copied at the same time, each by one session per server. */
  readonly workers: number;
  /**
   * Whether the stream has passed the commit of a transaction that the snapshot does not see. Changes that come from now on must be
   * kept before this is called.
   */
  readonly hasStreamedInvisible: (snapshot: Snapshot) => boolean;
  readonly hooks: CopyHooks;
  /** How the rows of a reload become the table's, inside the transaction that completes it; they replace its rows when absent. */
  readonly land?: ((session: PgSession, place: LoadPlace & { kind: 'beside' }, landing: Landing) => Promise<void>) | undefined;
  /** Aborting it ends the load with its `reason`; finished pieces stay. */
  readonly signal: AbortSignal;
  readonly tuning?: CopyTuning | undefined;
}

export interface CopyTuning {
  /** See `ChunkOptions`. */
  readonly chunkBytes?: number | undefined;
  /** How long the application's DDL may wait for the load's lock; ten seconds when absent. */
  readonly yieldAfterMs?: number | undefined;
}

/** What the load tells, and what must be written down with it. Sessions are of the destination. */
export interface CopyHooks {
  /** Inside the transaction that empties the place of a fresh load, or before a resumed one goes on. Throws `fenced`. */
  readonly begin: (session: PgSession, start: CopyStart) => Promise<void>;
  /** The statement that records a piece in its own transaction; it must change exactly one row, or the writer was fenced off. */
  readonly recordPiece: (piece: FinishedPiece) => string;
  /** A statement that yields one row as long as this process may write, and makes a take-over wait for its transaction. */
  readonly holdEpoch: () => string;
  /** Adds the keys that the table lacks, in a transaction of its own. */
  readonly addKeys: (session: PgSession) => Promise<void>;
  /**
   * Brings the table to the columns of the load, inside the transaction that replaces its rows; absent where it has them. Throws `fenced`.
   */
  readonly reshape?: ((session: PgSession) => Promise<void>) | undefined;
  /** Inside the transaction that completes the load. Throws `fenced`. */
  readonly finish: (session: PgSession, outcome: CopyOutcome) => Promise<void>;
  readonly onProgress: (progress: CopyProgress) => void;
}

/** What a later attempt needs to go on with a fresh load. */
export type CopyStart =
  | { readonly kind: 'fresh'; readonly snapshotText: string; readonly endLsn: Lsn; readonly leaves: readonly SourceLeaf[] }
  | { readonly kind: 'resumed' };

export interface CopyProgress {
  readonly rows: number;
  /** Of COPY data, those on their way included. */
  readonly bytes: number;
  readonly piecesDone: number;
  readonly piecesTotal: number;
}

/** A complete reload, before its rows are the table's. */
export interface Landing {
  readonly swap: Swap;
  /** When the snapshot was taken, by the source's clock, in Postgres' text form. */
  readonly takenAt: string;
}

/** What was loaded, and how the stream takes over. */
export interface CopyOutcome {
  readonly rows: number;
  readonly bytes: number;
  /** Streamed transactions that this snapshot sees are in the rows already. For a resumed load the snapshot of its first attempt. */
  readonly snapshotText: string;
  /** The end of the hand-off: a WAL position after the newest snapshot. */
  readonly endLsn: Lsn;
  /** Whether rows may be newer than `snapshotText`: until `endLsn` the stream meets rows that have its changes already. */
  readonly overlap: boolean;
}

/**
 * Loads an object, or the rest of it. Throws a `MillraceError` that names the object; what is finished by then stays, and a later call
 * goes on from it where that can be exact.
 */
export async function copyObject(sessions: CopySessions, request: CopyRequest): Promise<CopyOutcome> {
  const desk = await sessions.borrowDesk();
  try {
    const outcome = await new ObjectCopy(sessions, desk, request).run();
    // Statistics help readers, and the stream takes over without waiting for them.
    const { schema, name } = request.destination;
    sessions.returnDeskAfter(desk, analyzeLoaded(desk.control, { schema, name }));
    return outcome;
  } catch (error) {
    await Promise.all([desk.holder.close(), desk.control.close(), sessions.closeIdle()]);
    throw copyError(error, request.source);
  }
}

const DEFAULT_YIELD_AFTER_MS = 10_000;
/** Progress within a piece is told after so many bytes. */
const PROGRESS_STEP_BYTES = 4 * 1024 * 1024;

/** A piece of work for a lane. `rechecked`: rows of a finished piece that were written since the first snapshot. */
type Task = { readonly kind: 'copied' | 'rechecked'; readonly chunk: Chunk };

class ObjectCopy {
  readonly #sessions: CopySessions;
  readonly #desk: CopyDesk;
  readonly #request: CopyRequest;
  readonly #place: LoadPlace;
  readonly #columns: readonly CopyColumn[];
  #rows = 0;
  #bytes = 0;
  #bytesUnderWay = 0;
  #toldBytes = 0;
  #piecesDone = 0;
  #piecesTotal = 0;
  #takenAt = '';

  constructor(sessions: CopySessions, desk: CopyDesk, request: CopyRequest) {
    this.#sessions = sessions;
    this.#desk = desk;
    this.#request = request;
    const columns = writtenColumns(request.destination);
    this.#place = loadPlace(request.mode, loadTableOf(request.destination));
    const masks = request.destination.filter?.masks;
    this.#columns = columns.map(({ sourceName: name, transfer }) => ({ name, asText: transfer === 'text', mask: masks?.get(name) }));
  }

  async run(): Promise<CopyOutcome> {
    const unfinished = await this.#intact(this.#request.unfinished);
    if (unfinished !== null && isComplete(unfinished)) return this.#complete(unfinished);
    const { source, hasStreamedInvisible, signal } = this.#request;
    const snapshot = await openCopySnapshot(this.#desk.holder, source, { hasStreamedInvisible, signal });
    try {
      failpoint('copy.after_snapshot');
      const facts = { hasSingleKey: hasSingleKey(this.#request.destination), leaves: snapshot.leaves, snapshot: snapshot.snapshot };
      const outcome = await this.#load(snapshot, decideCopy(unfinished, facts));
      this.#takenAt = snapshot.takenAt;
      // Alive until here means that its locks were held all the time.
      await snapshot.isInTheWay();
      await snapshot.close();
      return await this.#finish(outcome);
    } finally {
      await snapshot.close();
    }
  }

  /** An earlier attempt whose finished rows are still where they were put, or null. */
  async #intact(unfinished: UnfinishedCopy | null): Promise<UnfinishedCopy | null> {
    if (unfinished === null) return null;
    return (await isIntact(this.#desk.control, this.#place, count(unfinished.finished).rows)) ? unfinished : null;
  }

  /** Only the end was missing: the rows are exactly those of the first snapshot. */
  async #complete(unfinished: UnfinishedCopy): Promise<CopyOutcome> {
    await this.#transaction((session) => this.#request.hooks.begin(session, { kind: 'resumed' }));
    const { snapshotText, endLsn } = unfinished;
    return this.#finish({ ...count(unfinished.finished), snapshotText, endLsn, overlap: false });
  }

  async #load(snapshot: CopySnapshot, decision: CopyDecision): Promise<CopyOutcome> {
    const { hooks } = this.#request;
    const { text: snapshotText, endLsn } = snapshot;
    if (decision.kind === 'fresh') {
      await this.#transaction(async (session) => {
        await emptyPlace(session, this.#place);
        await hooks.begin(session, { kind: 'fresh', snapshotText, endLsn, leaves: snapshot.physical });
      });
      failpoint('copy.after_begin');
      await this.#copyPieces(snapshot, this.#plan(snapshot, []), null);
      return { ...this.#counts(), snapshotText, endLsn, overlap: false };
    }
    const { unfinished, writtenSince } = decision;
    await this.#transaction((session) => hooks.begin(session, { kind: 'resumed' }));
    await this.#addKeys();
    failpoint('copy.after_begin');
    const finished = count(unfinished.finished);
    this.#rows = finished.rows;
    this.#bytes = finished.bytes;
    const rechecks = unfinished.finished.map((chunk): Task => ({ kind: 'rechecked', chunk }));
    await this.#copyPieces(snapshot, [...this.#plan(snapshot, unfinished.finished), ...rechecks], writtenSince);
    return { ...this.#counts(), snapshotText: unfinished.snapshotText, endLsn, overlap: true };
  }

  /** The keys of the table that pieces land in, which rows of a resumed load are found by. */
  async #addKeys(): Promise<void> {
    const { control } = this.#desk;
    if (this.#place.kind === 'beside') return ensureLandingKey(control, this.#place, this.#key());
    await withBuildMemory(control, () => this.#request.hooks.addKeys(control));
  }

  #plan(snapshot: CopySnapshot, finished: readonly Chunk[]): readonly Task[] {
    const chunks = planChunks(snapshot.leaves, {
      tidRangeScans: hasFeature(snapshot.version, 'tidRangeScan'),
      chunkBytes: this.#request.tuning?.chunkBytes,
      finished,
    });
    return chunks.map((chunk) => ({ kind: 'copied', chunk }));
  }

  async #copyPieces(snapshot: CopySnapshot, tasks: readonly Task[], writtenSince: number | null): Promise<void> {
    const leaves = new Map(snapshot.leaves.map((leaf) => [leaf.oid, leaf]));
    const landing: LoadPiece['landing'] = writtenSince === null ? { kind: 'append' } : { kind: 'upsert', key: this.#key() };
    const position = readsPosition(this.#request.destination.metadata) ? snapshot.endLsn : null;
    this.#piecesTotal = tasks.length;
    this.#tell();
    await runLanes({
      sessions: this.#sessions,
      snapshot,
      items: tasks,
      lanes: this.#request.workers,
      yieldAfterMs: this.#request.tuning?.yieldAfterMs ?? DEFAULT_YIELD_AFTER_MS,
      signal: this.#request.signal,
      work: async (lane, task) => {
        const leaf = leaves.get(task.chunk.leafOid);
        if (leaf === undefined) throw new Error(`expected a leaf with the OID ${task.chunk.leafOid}`);
        await this.#copyPiece(lane, { task, leaf, landing, position, writtenSince: task.kind === 'rechecked' ? writtenSince : null });
      },
    });
    failpoint('copy.after_last_chunk');
  }

  async #copyPiece(lane: Parameters<typeof pipePiece>[0], piece: Piece): Promise<void> {
    const { chunk, kind } = piece.task;
    const { hooks, destination } = this.#request;
    let underWay = 0;
    const counts = await pipePiece(lane, {
      query: {
        leaf: piece.leaf,
        range: chunk,
        columns: this.#columns,
        format: destination.binarySafe ? 'binary' : 'text',
        writtenSince: piece.writtenSince,
        condition: destination.filter?.condition,
      },
      target: landingTable(this.#place),
      landing: piece.landing,
      position: piece.position,
      record: (counts) => (kind === 'copied' ? hooks.recordPiece({ ...chunk, ...counts }) : hooks.holdEpoch()),
      onBytes: (sizeBytes) => {
        underWay += sizeBytes;
        this.#bytesUnderWay += sizeBytes;
        if (this.#bytesUnderWay - this.#toldBytes >= PROGRESS_STEP_BYTES) this.#tell();
      },
    });
    this.#bytesUnderWay -= underWay;
    if (kind === 'copied') {
      this.#rows += counts.rows;
      this.#bytes += counts.bytes;
    }
    this.#piecesDone += 1;
    this.#tell();
  }

  async #finish(outcome: CopyOutcome): Promise<CopyOutcome> {
    const { control } = this.#desk;
    const { hooks, signal } = this.#request;
    signal.throwIfAborted();
    const place = this.#place;
    const rows = outcome.overlap ? null : outcome.rows;
    let isSwapped = false;
    const { reshape } = hooks;
    if (place.kind === 'beside' && reshape !== undefined) {
      await this.#transaction((session) =>
        this.#land(session, place, { key: this.#key(), rows, discardsAll: false, reshape: () => reshape(session) }, outcome.endLsn),
      );
      isSwapped = true;
    }
    try {
      await withBuildMemory(control, () => hooks.addKeys(control));
    } catch (error) {
      if (place.kind !== 'beside' || isSwapped || !violatesKey(error)) throw error;
      // The former rows don't fit a key that is new: they have to make room first.
      await this.#transaction((session) => this.#land(session, place, { key: [], rows, discardsAll: true }, outcome.endLsn));
      isSwapped = true;
      await withBuildMemory(control, () => hooks.addKeys(control));
    }
    failpoint('copy.after_keys');
    await this.#transaction(async (session) => {
      const swap = { key: this.#key(), rows, discardsAll: false };
      if (place.kind === 'beside' && !isSwapped) await this.#land(session, place, swap, outcome.endLsn);
      await recordLoaded(session, this.#request.destination);
      await hooks.finish(session, outcome);
      failpoint('copy.before_finish_commit');
    });
    failpoint('copy.after_finish_commit');
    return outcome;
  }

  async #land(session: PgSession, place: LoadPlace & { readonly kind: 'beside' }, swap: Swap, endLsn: Lsn): Promise<void> {
    const { land } = this.#request;
    if (readsPosition(place.target.metadata)) await session.query(setPosition(endLsn, 'transaction'));
    return land === undefined ? swapIn(session, place, swap) : land(session, place, { swap, takenAt: this.#takenAt });
  }

  #transaction(work: (session: PgSession) => Promise<void>): Promise<void> {
    const { control } = this.#desk;
    return control.transaction('BEGIN', () => work(control));
  }

  #key(): readonly string[] {
    const { identity } = this.#request.destination;
    return identity.kind === 'key' ? identity.columns : [];
  }

  #counts(): Counts {
    return { rows: this.#rows, bytes: this.#bytes };
  }

  #tell(): void {
    this.#toldBytes = this.#bytesUnderWay;
    this.#request.hooks.onProgress({
      rows: this.#rows,
      bytes: this.#bytes + this.#bytesUnderWay,
      piecesDone: this.#piecesDone,
      piecesTotal: this.#piecesTotal,
    });
  }
}

interface Piece {
  readonly task: Task;
  readonly leaf: CopyLeaf;
  readonly landing: LoadPiece['landing'];
  readonly position: LoadPiece['position'];
  readonly writtenSince: number | null;
}

interface Counts {
  readonly rows: number;
  readonly bytes: number;
}

function violatesKey(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  return error.facts.sqlstate === SqlState.uniqueViolation || error.facts.sqlstate === SqlState.notNullViolation;
}

function count(pieces: readonly FinishedPiece[]): Counts {
  return pieces.reduce((sum, piece) => ({ rows: sum.rows + piece.rows, bytes: sum.bytes + piece.bytes }), { rows: 0, bytes: 0 });
}
