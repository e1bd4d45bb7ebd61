// Keeps the sample shop alive: transactions at a steady pace, until told to stop.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../../db/session.ts';
import { Random } from './random.ts';
import { ALL_SKUS, SHOP_EXTENT } from './workload.sql.ts';
import { addCounts, NO_COUNTS, type ShopCounts, type ShopExtent, visitShop } from './workload-actions.ts';

export interface WorkloadOptions {
  readonly transactionsPerSecond: number;
  /** Decides what is done in which order. */
  readonly seed?: number | undefined;
}

/** A running workload. It uses its session alone until it has stopped. */
export class ShopWorkload {
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  #counts: ShopCounts = NO_COUNTS;

  /** Starts at once. `session` is one of the shop's owner; the caller closes it afterwards. */
  constructor(session: PgSession, options: WorkloadOptions) {
    this.#done = this.#run(session, options);
    // A failure is told by `stop` and `done`; nobody may be listening yet.
    this.#done.catch(() => {});
  }

  /** What has been committed so far. */
  get counts(): ShopCounts {
    return this.#counts;
  }

  /** Resolves when the workload has stopped; rejects when a transaction failed, which ends it. */
  get done(): Promise<void> {
    return this.#done;
  }

  /** Lets the running transaction end and gives the final counts. Rejects with the error that ended the workload before. */
  async stop(): Promise<ShopCounts> {
    this.#stopping.abort();
    await this.#done;
    return this.#counts;
  }

  async #run(session: PgSession, options: WorkloadOptions): Promise<void> {
    const { signal } = this.#stopping;
    const random = new Random(options.seed ?? 1);
    const extent = await readExtent(session);
    const pace = new Pace(options.transactionsPerSecond, Date.now());
    for (let n = 1; !signal.aborted; n++) {
      this.#counts = addCounts(this.#counts, await visitShop({ session, random, extent, n }));
      const waitMs = pace.waitMs(Date.now());
      if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => {});
    }
  }
}

/** When the next transaction is due. A workload that could not keep up does not make up for more than a second. */
export class Pace {
  readonly #intervalMs: number;
  #dueMs: number;

  constructor(perSecond: number, startMs: number) {
    this.#intervalMs = 1_000 / perSecond;
    this.#dueMs = startMs;
  }

  /** Counts one transaction that ended at `nowMs`; milliseconds to wait before the next, 0 when it is due. */
  waitMs(nowMs: number): number {
    this.#dueMs = Math.max(this.#dueMs + this.#intervalMs, nowMs - MAX_ARREARS_MS);
    return Math.max(0, this.#dueMs - nowMs);
  }
}

const MAX_ARREARS_MS = 1_000;

async function readExtent(session: PgSession): Promise<ShopExtent> {
  const [row] = await session.query(SHOP_EXTENT);
  const skus = await session.query(ALL_SKUS);
  return { customers: Number(row?.[0] ?? 0), orders: Number(row?.[1] ?? 0), skus: skus.map(([sku]) => sku ?? '') };
}
