// One session that writes pieces of a historical load, each in a transaction of its own together with the record of it.
import type { Socket } from 'node:net';
import type { PgSession } from '../db/session.ts';
import { type CopySink, WireSession } from '../db/wire-session.ts';
import { failpoint } from '../lib/failpoint.ts';
import { MillraceError } from '../model/error.ts';
import type { Lsn } from '../pg/lsn.ts';
import { copyIn, createStage, insertStage, type LoadTable, stageOf, upsertStage } from './load.sql.ts';
import { setPosition } from './metadata.ts';

/** How the rows of a piece land. `key`: rows may be there already, and are found by these columns. */
export interface LoadPiece {
  readonly target: LoadTable;
  readonly format: 'text' | 'binary';
  readonly landing: { readonly kind: 'append' } | { readonly kind: 'upsert'; readonly key: readonly string[] };
  /**
   * Writes the COPY data; resolves when all of it was handed over, or throws and nothing of the piece stays. When the server refuses the
   * piece, `refused` is aborted: nobody reads what comes after that.
   */
  readonly feed: (sink: LoadSink, refused: AbortSignal) => Promise<void>;
  /** Up to where the rows are current; null where the table keeps no position. */
  readonly position: Lsn | null;
  /** The statement that records the piece, given its rows; it must change or select exactly one row, or the writer was fenced off. */
  readonly record: (rows: number) => string;
}

/** Where a piece's bytes go. */
export interface LoadSink {
  /** Sends bytes of CopyData messages, headers included; only all of them together need to be whole. */
  writeMessages(messages: Uint8Array): void;
  /** Bytes that wait in this process for the socket. */
  readonly queuedBytes: number;
  /** Resolves when none wait any more, or the connection is gone. */
  drained(): Promise<void>;
}

/** Writes one piece after another. After an error the session is to be destroyed. */
export class LoadWriter {
  readonly #wire: WireSession;
  readonly #socket: Socket;

  /** Takes the session over for good. */
  constructor(session: PgSession) {
    this.#socket = session.socket as Socket;
    this.#wire = new WireSession(session);
  }

  /** Brings a piece in, and resolves to its number of rows when it is committed. Throws `fenced` when this writer's time is over. */
  async load(piece: LoadPiece): Promise<number> {
    const { target, landing } = piece;
    const isStaged = landing.kind === 'upsert' || (target.input ?? null) !== null;
    const into = isStaged ? stageOf(target) : target;
    const steps: Promise<unknown>[] = [this.#wire.query('BEGIN')];
    if (piece.position !== null) steps.push(this.#wire.query(setPosition(piece.position, 'transaction')));
    if (isStaged) steps.push(this.#wire.query(createStage(target)));
    const refused = new AbortController();
    const copy = this.#wire.copyIn(copyIn(into, piece.format), (sink) => this.#feed(piece, sink, refused.signal));
    copy.result.catch((error: unknown) => refused.abort(error));
    // All settle before anything is thrown; the first to fail is the cause, the others only follow from it.
    const all = Promise.all([copy.result, copy.sent, ...steps]);
    await all.catch(() => Promise.allSettled([copy.result, copy.sent, ...steps]));
    const [{ count: copied }] = await all;
    if (landing.kind === 'upsert') await this.#wire.query(upsertStage(target, landing.key));
    else if (isStaged) await this.#wire.query(insertStage(target));
    await this.#commit(piece.record(copied));
    return copied;
  }

  async close(): Promise<void> {
    await this.#wire.close();
  }

  destroy(): void {
    this.#wire.destroy();
  }

  async #feed(piece: LoadPiece, sink: CopySink, refused: AbortSignal): Promise<void> {
    try {
      await piece.feed(this.#sinkOf(sink), refused);
    } catch (error) {
      // The data may have ended inside a message: whatever we sent now, the server would take for the rest of that.
      this.#wire.destroy();
      throw error;
    }
  }

  async #commit(record: string): Promise<void> {
    const { count } = await this.#wire.query(record);
    if (count !== 1) {
      await this.#wire.query('ROLLBACK');
      throw new MillraceError('fenced', { cause: 'the pipeline was taken over by another process', side: 'destination' });
    }
    failpoint('copy.before_chunk_commit');
    const { tags } = await this.#wire.query('COMMIT');
    // A transaction that failed answers COMMIT with ROLLBACK, and no error.
    if (tags[0] !== 'COMMIT')
      throw new MillraceError('unexpected', { cause: 'a piece of a historical load was rolled back', side: 'destination' });
    failpoint('copy.after_chunk_commit');
  }

  #sinkOf(sink: CopySink): LoadSink {
    const socket = this.#socket;
    return {
      writeMessages: (messages) => void sink.writeMessages(messages),
      get queuedBytes() {
        return socket.writableLength;
      },
      drained: () => sink.drained(),
    };
  }
}
