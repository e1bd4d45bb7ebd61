// Lets a historical load pass piece by piece, so that a test meets it in its middle however fast the machine is.
import type { PgSession } from '../../src/db/session.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';

/**
 * While it is closed no piece of a load is written down as finished, and none begins after one that waits. The state must be installed.
 */
export class ChunkGate {
  readonly #destination: TestDatabase;
  #holder: PgSession;

  static async close(destination: TestDatabase): Promise<ChunkGate> {
    const holder = await destination.open();
    await holder.query('BEGIN');
    await holder.query(LOCK);
    return new ChunkGate(destination, holder);
  }

  private constructor(destination: TestDatabase, holder: PgSession) {
    this.#destination = destination;
    this.#holder = holder;
  }

  /** Waits for pieces (one for each object that loads) and lets those through that have come. */
  async pass(): Promise<void> {
    await waitFor('a finished piece', async () => {
      const waiting = await this.#destination.query(
        "SELECT FROM pg_catalog.pg_locks WHERE relation = '_millrace.chunk'::pg_catalog.regclass AND NOT granted",
      );
      return waiting.length > 0;
    });
    const next = await this.#destination.open();
    await next.query('BEGIN');
    const locked = next.query(LOCK);
    // Locks are granted in turn, so whoever waited before is through when the next holder has it.
    await waitFor('the lock to be asked for', async () => {
      const rows = await this.#destination.query('SELECT FROM pg_catalog.pg_locks WHERE pid = $1 AND NOT granted', [
        String(next.backendPid),
      ]);
      return rows.length > 0;
    });
    await this.#holder.query('COMMIT');
    await locked;
    this.#holder = next;
  }

  async open(): Promise<void> {
    await this.#holder.query('COMMIT');
  }
}

const LOCK = 'LOCK TABLE _millrace.chunk IN SHARE ROW EXCLUSIVE MODE';
