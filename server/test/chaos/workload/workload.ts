// The application as a whole: several writers at once, started, held still and stopped together.
import type { ConnectionSettings } from '../../../src/model/connection.ts';
import { Random } from '../../fuzz/random.ts';
import { Writer, type WriterCounts } from './writer.ts';

export interface WorkloadOptions {
  readonly seed: number;
  readonly writers: number;
  /** Of all writers together, while they write. */
  readonly rowsPerSecond: number;
  readonly connection: ConnectionSettings;
}

/** What all writers did together. */
export interface WorkloadCounts extends WriterCounts {
  /** Row operations a second of the bursts, over all writers. */
  readonly rowsPerSecond: number;
}

/** Rests until `go`. */
export class Workload {
  readonly #writers: readonly Writer[];

  constructor({ seed, writers, rowsPerSecond, connection }: WorkloadOptions) {
    this.#writers = Array.from(
      { length: writers },
      (_, index) =>
        new Writer({ name: `w${index}`, random: Random.forFrame(seed, index), connection, rowsPerSecond: rowsPerSecond / writers }),
    );
  }

  go(): void {
    for (const writer of this.#writers) writer.go();
  }

  /** Resolves when no transaction is open or prepared any more. */
  async rest(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.rest()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.stop()));
  }

  get counts(): WorkloadCounts {
    const sum = (field: keyof WriterCounts): number => this.#writers.reduce((total, writer) => total + writer.counts[field], 0);
    const activeMs = sum('activeMs');
    const rows = sum('rows');
    return {
      transactions: sum('transactions'),
      rows,
      refused: sum('refused'),
      lost: sum('lost'),
      activeMs,
      rowsPerSecond: activeMs === 0 ? 0 : (rows / activeMs) * 1_000 * this.#writers.length,
    };
  }
}
