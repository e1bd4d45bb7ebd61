// Applies what was kept aside for one object while it was copied: whole transactions, in order, in commits of their own.
import type { ChangeCounts } from '../model/batch/object-batch.ts';
import type { RowFormat } from '../model/batch/row-format.ts';
import { Assembler, type AssemblerHost } from './assembler.ts';
import type { LiveObject } from './live-object.ts';
import type { ApplyLane, Spool } from './ports.ts';
import type { CommitPoint } from './stream-batch.ts';

/** The stream in small, for a single object. Its position is the object's own, not the pipeline's. */
export class CatchUp implements AssemblerHost {
  readonly format: RowFormat;
  readonly #object: LiveObject;
  readonly #assembler: Assembler;
  readonly #nowMs: () => number;

  constructor(object: LiveObject, format: RowFormat, nowMs: () => number) {
    this.#object = object;
    this.format = format;
    this.#nowMs = nowMs;
    this.#assembler = new Assembler(this);
  }

  /**
   * Applies about `sizeBytes` of the spool and commits. A transaction larger than `batchBytes` is flushed in parts, and committed as one:
   * reading goes on to its end.
   */
  async step(spool: Spool, lane: ApplyLane, sizeBytes: number, batchBytes: number): Promise<void> {
    const counts: ChangeCounts = { inserted: 0, updated: 0, deleted: 0, truncated: 0 };
    let point: CommitPoint | null = null;
    let left = sizeBytes;
    do {
      spool.read(Math.min(left > 0 ? left : batchBytes, batchBytes), (bytes, start, end) => this.#assembler.take(bytes, start, end));
      left -= batchBytes;
      const batch = this.#assembler.closeBatch();
      point = batch.lastCommit ?? point;
      if (batch.isEmpty) continue;
      await lane.flush(batch);
      for (const part of batch.objects.values()) add(counts, part.counts);
    } while ((this.#assembler.inTransaction || left > 0) && spool.readableBytes > 0);
    if (point === null) return;
    const applied = this.#object.applied;
    this.#object.applied = point.endLsn;
    try {
      await lane.commit({ checkpoint: null, settled: [this.#object], counts: new Map([[this.#object, counts]]) });
    } catch (error) {
      this.#object.applied = applied;
      throw error;
    }
  }

  objectOf(relationOid: number): LiveObject | null {
    return relationOid === this.#object.sourceOid ? this.#object : null;
  }

  route(): 'batch' {
    return 'batch';
  }

  keepAside(): void {}

  began(): void {}

  committed(): void {}

  nowMs(): number {
    return this.#nowMs();
  }
}

function add(total: ChangeCounts, part: ChangeCounts): void {
  total.inserted += part.inserted;
  total.updated += part.updated;
  total.deleted += part.deleted;
  total.truncated += part.truncated;
}
