// A reader of the destination that looks all the time: it must never see half of a transfer, nor the past after the future.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../../src/db/session.ts';
import { type Arena, PIPELINE } from './arena.ts';
import { ACCOUNTS, OPENING_BALANCE } from './workload/schema.sql.ts';

/** Looks at the destination until it is stopped. What it can't read (a server that is down, a table that is not there yet) it skips. */
export class BankWatch {
  readonly violations: string[] = [];
  /** Times that the bank was seen while both of its tables were streaming. */
  samples = 0;
  readonly #arena: Arena;
  readonly #running: Promise<void>;
  #stopped = false;
  #latest = { hot: -1n, transfers: -1n };

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#running = this.#run();
  }

  /** The tables are about to be removed: what was seen so far says nothing about what comes. */
  forget(): void {
    this.#latest = { hot: -1n, transfers: -1n };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    let session: PgSession | null = null;
    while (!this.#stopped) {
      try {
        session ??= await this.#arena.open('destination', 'bank watch');
        await this.#look(session);
      } catch {
        session?.destroy();
        session = null;
      }
      await delay(INTERVAL_MS);
    }
    await session?.close();
  }

  /** One statement, so one snapshot: whatever it shows was visible at once. */
  async #look(session: PgSession): Promise<void> {
    const [row] = await session.query(BANK_SQL, [PIPELINE]);
    const [streaming, accounts, money, legs, entries, hot] = (row ?? []).map((value) => BigInt(value ?? '0'));
    if (streaming !== 3n || legs === undefined || entries === undefined || hot === undefined) return;
    this.samples++;
    if (accounts !== BigInt(ACCOUNTS) || money !== BigInt(ACCOUNTS * OPENING_BALANCE))
      this.#violated(`${money} in ${accounts} accounts, and not ${ACCOUNTS * OPENING_BALANCE} in ${ACCOUNTS}`);
    if (legs !== 2n * entries) this.#violated(`${entries} entries in the ledger for ${legs} halves of transfers`);
    if (hot < this.#latest.hot) this.#violated(`the counter went from ${this.#latest.hot} back to ${hot}`);
    if (legs < this.#latest.transfers) this.#violated(`the transfers went from ${this.#latest.transfers} back to ${legs}`);
    this.#latest = { hot, transfers: legs };
  }

  #violated(what: string): void {
    if (this.violations.length < VIOLATIONS_KEPT) this.violations.push(`${new Date().toISOString()}: ${what}`);
  }
}

const INTERVAL_MS = 100;
const VIOLATIONS_KEPT = 20;

const BANK_SQL = `
SELECT
  (SELECT count(*) FROM _millrace.object
   WHERE pipeline = $1 AND source_schema = 'chaos' AND source_name IN ('bank', 'ledger', 'hot') AND state = 'streaming'),
  count(*), sum(balance), sum(transfers), (SELECT count(*) FROM chaos.ledger), (SELECT n FROM chaos.hot WHERE id = 1)
FROM chaos.bank`;
