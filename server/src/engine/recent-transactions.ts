// Remembers which transactions the stream has brought lately: one of them that a new snapshot can't see yet would be lost.
import type { Snapshot } from '../pg/snapshot.ts';

const CAPACITY = 1 << 20;

/** A ring of the last million transaction ids; adding one costs a store. */
export class RecentTransactions {
  readonly #xids = new Uint32Array(CAPACITY);
  #next = 0;

  add(xid: number): void {
    this.#xids[this.#next] = xid;
    this.#next = (this.#next + 1) & (CAPACITY - 1);
  }

  /**
   * Whether the stream brought the commit of a transaction that the snapshot still counts as running. Reads the whole ring for each of
   * these few.
   */
  hasRunning(snapshot: Snapshot): boolean {
    return snapshot.runningDistances.some((distance) => this.#xids.includes((snapshot.xmaxLow + distance) >>> 0));
  }
}
