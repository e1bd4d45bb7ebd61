// One Postgres session: queries whose rows stay text, and the socket itself for those who speak the protocol on it.
import type { Duplex } from 'node:stream';
import type pg from 'pg';
import { sqlError } from './sql-error.ts';

/** One row: the values in column order in Postgres' text form. Never an object: a column may be named `__proto__`. */
export type Row = readonly (string | null)[];

/** A connection on which statements run one after another. */
export class PgSession {
  readonly side: 'source' | 'destination';
  readonly #client: pg.Client;
  #closed = false;

  constructor(client: pg.Client, side: 'source' | 'destination') {
    this.#client = client;
    this.side = side;
  }

  /**
   * Runs one statement. With `values` (even empty) the extended protocol is used, which refuses a second statement.
   * Throws a `MillraceError` (see `sql-error.ts`) that carries the server's SQLSTATE.
   */
  async query(text: string, values?: readonly (string | number | bigint | boolean | null | readonly string[])[]): Promise<readonly Row[]> {
    try {
      // `queryMode` is missing in the published types.
      const query = values === undefined ? { text, rowMode: 'array' } : { text, values, rowMode: 'array', queryMode: 'extended' };
      const result = (await this.#client.query(query as unknown as string)) as unknown as { rows: Row[] } | { rows: Row[] }[];
      return Array.isArray(result) ? [] : result.rows;
    } catch (error) {
      throw sqlError(error, this.side);
    }
  }

  /** Runs `work` in a transaction; rolls back when it throws. `begin` may name the isolation level. */
  async transaction<T>(begin: string, work: () => Promise<T>): Promise<T> {
    await this.query(begin);
    try {
      const result = await work();
      await this.query('COMMIT');
      return result;
    } catch (error) {
      if (!this.#closed) await this.query('ROLLBACK').catch(() => {});
      throw error;
    }
  }

  /** The authenticated socket (TLS already inside), for code that speaks the protocol itself while the session is idle. */
  get socket(): Duplex {
    return this.#client.connection.stream;
  }

  /** The server process id: what `pg_stat_activity` and `pg_terminate_backend` name. */
  get backendPid(): number {
    return (this.#client as unknown as { processID: number }).processID;
  }

  /** Says goodbye and closes; never throws and never waits for a dead peer longer than a second. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const timer = setTimeout(() => this.destroy(), CLOSE_TIMEOUT_MS);
    await this.#client.end().catch(() => {});
    clearTimeout(timer);
  }

  /** Cuts the socket at once. */
  destroy(): void {
    this.#closed = true;
    this.#client.connection.stream.destroy();
  }
}

const CLOSE_TIMEOUT_MS = 1_000;
