// Speaks the frontend/backend protocol on a session's own socket: pipelined statements and COPY without an event or an object per row.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { assert } from '../lib/assert.ts';
import { MillraceError } from '../model/error.ts';
import { type OnMessage, MessageFramer } from '../pg/wire/frame.ts';
import {
  BackendType,
  commandTagRows,
  copyDoneMessage,
  copyFailMessage,
  queryMessage,
  readCommandTag,
  readDataRow,
  readServerMessage,
  terminateMessage,
  writeCopyDataHeader,
} from '../pg/wire/messages.ts';
import type { PgSession, Row } from './session.ts';
import { sqlError } from './sql-error.ts';

/** What the server answered to one query string. */
export interface WireResult {
  readonly rows: readonly Row[];
  /** Command tags in order, e.g. `DELETE 3`, `COPY 12`. */
  readonly tags: readonly string[];
  /** Rows that the last command counted; 0 when it counts none. */
  readonly count: number;
}

/** Receives whole CopyData messages, header included, as they stand in the stream: `bytes[start, end)`. */
export type OnCopyData = (bytes: Buffer, start: number, end: number) => void;

/**
 * A session whose socket is ours. Statements are sent without waiting for the answers of earlier ones; answers resolve in order.
 * After an error inside a transaction the later statements of the same transaction fail too, as the server says.
 */
export class WireSession {
  readonly side: 'source' | 'destination';
  readonly #session: PgSession;
  readonly #socket: Socket;
  readonly #framer: Pick<MessageFramer, 'push'>;
  readonly #pending: Exchange[] = [];
  #broken: MillraceError | null = null;
  #isFeeding = false;

  /** Takes the socket of an idle session over for good; `session` must not be queried any more. `framer` may keep COPY data for itself. */
  constructor(session: PgSession, framer: Pick<MessageFramer, 'push'> = new MessageFramer()) {
    this.#session = session;
    this.#framer = framer;
    this.side = session.side;
    this.#socket = session.socket as Socket;
    this.#socket.removeAllListeners('data');
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', (error) => this.#fail(sqlError(error, this.side)));
    this.#socket.on('close', () => this.#fail(connectionLost(this.side)));
  }

  get backendPid(): number {
    return this.#session.backendPid;
  }

  /** Runs a query string by the simple protocol. Rejects with a `MillraceError` carrying the SQLSTATE. */
  query(sql: string): Promise<WireResult> {
    const result = this.#expect(null);
    this.#write(queryMessage(sql));
    return result;
  }

  /**
   * Sends rows by `COPY … FROM STDIN`. Data follows the statement at once: a server that refuses the COPY ignores it
   * (manual, "54.2.6. COPY Operations"). `feed` writes raw COPY bytes and may be asynchronous to let the socket drain.
   */
  copyIn(sql: string, feed: (sink: CopySink) => void | Promise<void>): CopyIn {
    const result = this.#expect(null);
    result.catch(() => {});
    this.#write(queryMessage(sql));
    return { sent: this.#feed(feed), result };
  }

  /** Receives rows by `COPY … TO STDOUT`; `onData` gets whole messages, several at a time. */
  copyOut(sql: string, onData: OnCopyData): Promise<WireResult> {
    const result = this.#expect(onData);
    this.#write(queryMessage(sql));
    return result;
  }

  /**
   * Starts a COPY in both directions (replication). Resolves when it is under way; from then on `onData` gets every CopyData
   * message and `onChunk` the size of every delivery, and `ended` settles when the server ends the stream or the connection breaks.
   */
  copyBoth(sql: string, onData: OnMessage, onChunk: OnChunk = ignoreChunk): { started: Promise<void>; ended: Promise<WireResult> } {
    let start: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      start = resolve;
    });
    const ended = this.#expect(null, { onStart: () => start(), onMessage: onData, onChunk });
    this.#write(queryMessage(sql));
    const started = Promise.race([begun, ended.then(() => {})]);
    return { started, ended };
  }

  /** Writes bytes that are whole protocol messages already. False: the socket wants to drain (see `drained`). */
  writeRaw(bytes: Uint8Array): boolean {
    return this.#write(bytes);
  }

  /** Resolves when the socket has room again, or fails with the connection. */
  async drained(): Promise<void> {
    await drained(this.#socket);
    if (this.#broken) throw this.#broken;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  get isBroken(): boolean {
    return this.#broken !== null;
  }

  /** Says goodbye; never throws, never waits longer than a second. */
  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#socket.resume();
    this.#socket.end(terminateMessage());
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS);
    await once(this.#socket, 'close').catch(() => {});
    clearTimeout(timer);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#socket.destroyed) return true;
    return this.#socket.write(bytes);
  }

  #expect(onData: OnCopyData | null, both: CopyBothHandler | null = null): Promise<WireResult> {
    // In the midst of a COPY's data the server would take the statement for a mistake, and fail the COPY.
    assert(!this.#isFeeding, 'the next statement after all data of a COPY is sent');
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      this.#pending.push({ onData, both, rows: [], tags: [], count: 0, error: null, resolve, reject });
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#broken) return;
    const run = this.#run;
    this.#chunk = chunk;
    try {
      this.#framer.push(chunk, this.#onMessage);
      this.#flushRun(run);
      this.#pending[0]?.both?.onChunk(chunk.length);
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.#fail(
        error instanceof MillraceError
          ? error
          : new MillraceError('protocol_violation', { cause: `${this.side}: ${cause}`, side: this.side }, error),
      );
      this.#socket.destroy();
    }
  }

  async #feed(feed: (sink: CopySink) => void | Promise<void>): Promise<void> {
    this.#isFeeding = true;
    try {
      const work = feed(new CopySink(this.#socket));
      if (work instanceof Promise) await work;
      this.#write(copyDoneMessage());
    } catch (error) {
      this.#write(copyFailMessage('the sender gave up'));
      throw error;
    } finally {
      this.#isFeeding = false;
    }
  }

  /** A stretch of CopyData messages that lie next to each other in one chunk, handed on in one piece. */
  #chunk: Buffer = NOTHING;
  readonly #run: CopyRun = { bytes: NOTHING, start: 0, end: 0, onData: null };

  #flushRun(run: CopyRun): void {
    if (run.onData !== null && run.end > run.start) run.onData(run.bytes, run.start, run.end);
    run.onData = null;
    run.bytes = NOTHING;
    run.start = 0;
    run.end = 0;
  }

  readonly #onMessage: OnMessage = (type, bytes, start, end) => {
    const exchange = this.#pending[0];
    if (type === BackendType.copyData && exchange !== undefined) {
      if (exchange.both !== null) exchange.both.onMessage(type, bytes, start, end);
      else if (exchange.onData !== null) this.#extendRun(exchange.onData, bytes, start - MESSAGE_HEADER_BYTES, end);
      return;
    }
    this.#flushRun(this.#run);
    this.#control(exchange, type, bytes, start, end);
  };

  #extendRun(onData: OnCopyData, bytes: Buffer, start: number, end: number): void {
    const run = this.#run;
    if (run.bytes === bytes && run.end === start) {
      run.end = end;
      return;
    }
    this.#flushRun(run);
    if (bytes !== this.#chunk) {
      // A message that came in several chunks stands in the framer's own buffer, which the next such message overwrites.
      const copy = Buffer.from(bytes.subarray(start, end));
      onData(copy, 0, copy.length);
      return;
    }
    run.bytes = bytes;
    run.start = start;
    run.end = end;
    run.onData = onData;
  }

  #control(exchange: Exchange | undefined, type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case BackendType.dataRow:
        exchange?.rows.push(readDataRow(bytes, start, end));
        return;
      case BackendType.commandComplete: {
        const tag = readCommandTag(bytes, start, end);
        exchange?.tags.push(tag);
        if (exchange) exchange.count = commandTagRows(tag) ?? 0;
        return;
      }
      case BackendType.errorResponse: {
        const error = sqlError(readServerMessage(bytes, start, end), this.side);
        // A server that ends the session says why before it closes: its words are what everybody who waits gets to hear.
        if (exchange === undefined || error.errorName === 'connection_lost') this.#fail(error);
        else exchange.error ??= error;
        return;
      }
      case BackendType.copyBothResponse:
        exchange?.both?.onStart();
        return;
      case BackendType.copyDone:
        // The server ended its half of a COPY BOTH; it waits for ours before it says more.
        if (exchange?.both) this.#write(copyDoneMessage());
        return;
      case BackendType.readyForQuery:
        this.#settle();
        return;
      default:
        return;
    }
  }

  #settle(): void {
    const exchange = this.#pending.shift();
    if (exchange === undefined) return;
    if (exchange.error) exchange.reject(exchange.error);
    else exchange.resolve({ rows: exchange.rows, tags: exchange.tags, count: exchange.count });
  }

  #fail(error: MillraceError): void {
    if (this.#broken) return;
    this.#broken = error;
    for (const exchange of this.#pending.splice(0)) exchange.reject(this.#broken);
    this.#socket.destroy();
  }
}

/** A COPY under way: the next statement may be sent after `sent`, without waiting for `result`. */
export interface CopyIn {
  readonly sent: Promise<void>;
  readonly result: Promise<WireResult>;
}

/** Where `copyIn` puts the rows of a COPY. */
export class CopySink {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Sends raw COPY bytes as one message; the bytes must not change until the COPY is answered. False: wait for `drained`. */
  write(payload: Uint8Array): boolean {
    const header = Buffer.allocUnsafe(MESSAGE_HEADER_BYTES);
    writeCopyDataHeader(header, 0, payload.length);
    this.#socket.cork();
    this.#socket.write(header);
    const room = this.#socket.write(payload);
    process.nextTick(() => this.#socket.uncork());
    return room;
  }

  /** Sends bytes that are whole CopyData messages already, as another server sent them. */
  writeMessages(messages: Uint8Array): boolean {
    return this.#socket.write(messages);
  }

  async drained(): Promise<void> {
    await drained(this.#socket);
  }
}

/** Told the size of every piece that the socket delivered, after its messages were handed on. */
export type OnChunk = (sizeBytes: number) => void;

function ignoreChunk(): void {}

interface CopyBothHandler {
  readonly onChunk: OnChunk;
  readonly onStart: () => void;
  readonly onMessage: OnMessage;
}

interface CopyRun {
  bytes: Buffer;
  start: number;
  end: number;
  onData: OnCopyData | null;
}

interface Exchange {
  readonly onData: OnCopyData | null;
  readonly both: CopyBothHandler | null;
  readonly rows: Row[];
  readonly tags: string[];
  count: number;
  error: MillraceError | null;
  readonly resolve: (result: WireResult) => void;
  readonly reject: (error: MillraceError) => void;
}

const NOTHING = Buffer.alloc(0);
const MESSAGE_HEADER_BYTES = 5;
const CLOSE_TIMEOUT_MS = 1_000;

function connectionLost(side: 'source' | 'destination'): MillraceError {
  return new MillraceError('connection_lost', { cause: `${side}: the connection was closed`, side });
}

async function drained(socket: Socket): Promise<void> {
  if (!socket.writableNeedDrain || socket.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
