// Remembers which transactions the stream has brought lately: one of them that a new snapshot can't see yet would be lost.

const CAPACITY = 1 << 20;

/** A ring of the last million transaction ids; adding one costs a store. */
export class RecentTransactions {
  readonly #xids = new Uint32Array(CAPACITY);
  #next = 0;

  add(xid: number): void {
    this.#xids[this.#next] = xid;
    this.#next = (this.#next + 1) & (CAPACITY - 1);
  }

  /** Whether the stream brought the commit of `xid`. Reads the whole ring: for the few ids in progress at a snapshot. */
  has(xid: number): boolean {
    return xid !== 0 && this.#xids.includes(xid);
  }
}
