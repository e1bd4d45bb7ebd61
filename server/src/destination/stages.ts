// Remembers which staging tables a session has, and when they need more than emptying.

/** Rows that may be deleted from a staging table before it is truncated: up to here scanning the dead ones costs less. */
const TRUNCATE_AFTER_ROWS = 5_000;
const RENEW_AFTER_MS = 6 * 60 * 60 * 1_000;
const RENEW_AFTER_TABLES = 500;

/** The staging tables of one session. */
export class Stages {
  readonly #nowMs: () => number;
  /** Rows deleted since the table was created or truncated, by its name. */
  readonly #deadRows = new Map<string, number>();
  #sinceMs: number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#sinceMs = nowMs();
  }

  /** Whether the table has to be created first; from now on it counts as there. */
  isNew(name: string): boolean {
    if (this.#deadRows.has(name)) return false;
    this.#deadRows.set(name, 0);
    return true;
  }

  /** How to empty the table of its `rows` rows. */
  clearing(name: string, rows: number): 'delete' | 'truncate' {
    const dead = (this.#deadRows.get(name) ?? 0) + rows;
    const isDue = dead >= TRUNCATE_AFTER_ROWS;
    this.#deadRows.set(name, isDue ? 0 : dead);
    return isDue ? 'truncate' : 'delete';
  }

  /** A transaction was rolled back: nothing is known any more. Tables that are there after all are not created again. */
  forget(): void {
    this.#deadRows.clear();
  }

  /** Whether to drop all staging tables now, between two transactions: they are old, or very many. Then they count as gone. */
  renewalIsDue(): boolean {
    const isDue = this.#deadRows.size > RENEW_AFTER_TABLES || (this.#deadRows.size > 0 && this.#nowMs() - this.#sinceMs > RENEW_AFTER_MS);
    if (!isDue) return false;
    this.#deadRows.clear();
    this.#sinceMs = this.#nowMs();
    return true;
  }
}
