// One session of the application: runs random transactions at a given pace, through rollbacks, deadlocks and crashes of its server.
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../../src/db/connect.ts';
import { type WireResult, WireSession } from '../../../src/db/wire-session.ts';
import type { ConnectionSettings } from '../../../src/model/connection.ts';
import { MillraceError } from '../../../src/model/error.ts';
import type { Random } from '../../fuzz/random.ts';
import type { Step } from './actions.ts';
import { makeTransaction, type Transaction } from './transactions.ts';

export interface WriterOptions {
  readonly name: string;
  readonly random: Random;
  readonly connection: ConnectionSettings;
  /** Row operations a second while a burst lasts. */
  readonly rowsPerSecond: number;
}

/** What the writer has done. */
export interface WriterCounts {
  transactions: number;
  /** Row operations of transactions that were committed. */
  rows: number;
  /** Transactions that the server refused: deadlocks, lock timeouts, keys that were taken. */
  refused: number;
  /** Times that the connection was lost. */
  lost: number;
  /** Milliseconds in bursts. */
  activeMs: number;
}

/** Writes until it is stopped; `rest` and `go` hold it between two transactions. */
export class Writer {
  readonly counts: WriterCounts = { transactions: 0, rows: 0, refused: 0, lost: 0, activeMs: 0 };
  readonly #options: WriterOptions;
  readonly #running: Promise<void>;
  #wire: WireSession | null = null;
  #gids = 0;
  #wish: 'go' | 'rest' | 'stop' = 'rest';
  #isResting: () => void = () => {};
  #rested: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#running = this.#run();
    // Whoever awaits `stop` gets the failure.
    this.#running.catch(() => {});
  }

  go(): void {
    this.#wish = 'go';
    this.#rested = new Promise((resolve) => {
      this.#isResting = resolve;
    });
    this.#wake();
  }

  /** Resolves when no transaction of this writer is open, prepared ones included. The server must be up. */
  async rest(): Promise<void> {
    if (this.#wish === 'go') this.#wish = 'rest';
    await Promise.race([this.#rested, this.#running]);
  }

  /** Rejects with what the writer could not live with. */
  async stop(): Promise<void> {
    this.#wish = 'stop';
    this.#wake();
    try {
      await this.#running;
    } finally {
      await this.#wire?.close();
    }
  }

  async #run(): Promise<void> {
    for (;;) {
      if (this.#wish !== 'go') {
        if (this.#wire !== null) await this.#resolvePrepared().catch((error: unknown) => this.#survive(error));
        this.#isResting();
        if (this.#wish === 'stop') return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else {
        await this.#burst().catch((error: unknown) => this.#survive(error));
      }
    }
  }

  /** Some moments of work, then some of rest: lag builds up, and goes. */
  async #burst(): Promise<void> {
    const { random, rowsPerSecond } = this.#options;
    await this.#ensureConnected();
    const startMs = performance.now();
    const rowsBefore = this.counts.rows;
    const lengthMs = 300 + random.below(2_200);
    while (this.#wish === 'go' && performance.now() - startMs < lengthMs) {
      await this.#transaction(makeTransaction(random));
      const aheadMs = ((this.counts.rows - rowsBefore) / rowsPerSecond) * 1_000 - (performance.now() - startMs);
      if (aheadMs > 1) await delay(Math.min(aheadMs, 200));
    }
    this.counts.activeMs += performance.now() - startMs;
    if (this.#wish === 'go') await delay(random.below(400));
  }

  async #transaction(transaction: Transaction): Promise<void> {
    const wire = this.#connected();
    const { random } = this.#options;
    try {
      await wire.query('BEGIN');
      let rows = 0;
      for (const step of transaction.steps) rows += rowsOf(await runStep(wire, step));
      await this.#end(wire, transaction.end, random.below(25));
      this.counts.transactions++;
      if (transaction.end === 'commit' || transaction.end === 'prepare_and_commit') this.counts.rows += rows;
    } catch (error) {
      if (isLost(error)) throw error;
      this.counts.refused++;
      await wire.query('ROLLBACK');
    }
  }

  async #end(wire: WireSession, end: Transaction['end'], pauseMs: number): Promise<void> {
    if (end === 'commit' || end === 'rollback') {
      await wire.query(end === 'commit' ? 'COMMIT' : 'ROLLBACK');
      return;
    }
    this.#gids++;
    const gid = `'${this.#prefix}${this.#gids}'`;
    await wire.query(`PREPARE TRANSACTION ${gid}`);
    await delay(pauseMs);
    await wire.query(`${end === 'prepare_and_commit' ? 'COMMIT' : 'ROLLBACK'} PREPARED ${gid}`);
  }

  get #prefix(): string {
    return `chaos_${this.#options.name}_`;
  }

  /** A crash between the two phases leaves the transaction prepared: it is committed after all. */
  async #resolvePrepared(): Promise<void> {
    const wire = this.#connected();
    const { rows } = await wire.query(
      `SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = current_database() AND gid LIKE '${this.#prefix}%' ORDER BY gid`,
    );
    for (const [gid] of rows) await wire.query(`COMMIT PREPARED '${gid ?? ''}'`);
  }

  async #ensureConnected(): Promise<void> {
    if (this.#wire !== null) return;
    const session = await connect(this.#options.connection, {
      applicationName: `chaos ${this.#options.name}`,
      side: 'source',
      lockTimeoutMs: LOCK_TIMEOUT_MS,
      settings: { deadlock_timeout: '100ms', lc_monetary: 'C' },
    });
    this.#wire = new WireSession(session);
    await this.#resolvePrepared();
  }

  #connected(): WireSession {
    if (this.#wire === null) throw new MillraceError('connection_lost', { cause: 'the writer has no connection', side: 'source' });
    return this.#wire;
  }

  /** A server that is down is what chaos is about; anything else is a mistake of the workload. */
  async #survive(error: unknown): Promise<void> {
    this.#wire?.destroy();
    this.#wire = null;
    this.counts.lost++;
    if (!(error instanceof MillraceError)) throw error;
    await delay(RECONNECT_MS);
    // Resting means that nothing is left prepared, which only a connection can tell.
    if (this.#wish === 'rest') await this.#ensureConnected().catch((again: unknown) => this.#survive(again));
  }
}

const LOCK_TIMEOUT_MS = 500;
const RECONNECT_MS = 100;

/** Runs one step of a transaction. */
export async function runStep(wire: WireSession, step: Step): Promise<WireResult> {
  if (step.kind === 'sql') return wire.query(step.text);
  const copy = wire.copyIn(`COPY ${step.into} FROM STDIN`, (sink) => void sink.write(Buffer.from(step.rows)));
  const [result] = await Promise.all([copy.result, copy.sent]);
  return result;
}

/** Rows that the commands of one answer changed. */
function rowsOf(result: WireResult): number {
  return result.tags.reduce(
    (sum, tag) => sum + (/^(?:INSERT \d+|UPDATE|DELETE|COPY) (\d+)$/.exec(tag)?.[1] === undefined ? 0 : Number(tag.split(' ').at(-1))),
    0,
  );
}

function isLost(error: unknown): boolean {
  return !(error instanceof MillraceError) || error.errorName === 'connection_lost' || LOST_STATES.has(error.facts.sqlstate ?? '');
}

/** The server is going down, or is coming up: 57P01 admin shutdown, 57P02 crash shutdown, 57P03 cannot connect now. */
const LOST_STATES = new Set(['57P01', '57P02', '57P03']);
