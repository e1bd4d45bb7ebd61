// Applies what was kept aside for one object while it was copied: whole transactions, in order, in commits of their own.
import type { ChangeCounts } from '../model/batch/object-batch.ts';
import type { RowFormat } from '../model/batch/row-format.ts';
import { Assembler, type AssemblerHost } from './assembler.ts';
import type { LiveObject } from './live-object.ts';
import type { ApplyLane, Reshape, Spool } from './ports.ts';
import type { CommitPoint, StreamBatch } from './stream-batch.ts';

const READ_BYTES = 1024 * 1024;

/** The stream in small, for a single object. Its position is the object's own, not the pipeline's. */
export class CatchUp implements AssemblerHost {
  readonly format: RowFormat;
  readonly #object: LiveObject;
  readonly #assembler: Assembler;
  readonly #nowMs: () => number;
  readonly #reshape: Reshape;
  #leftBytes = 0;
  /** The whole transactions that this step is to commit, once it has read its share. */
  #share: StreamBatch | null = null;

  constructor(object: LiveObject, options: { readonly format: RowFormat; readonly nowMs: () => number; readonly reshape: Reshape }) {
    this.#object = object;
    this.format = options.format;
    this.#nowMs = options.nowMs;
    this.#reshape = options.reshape;
    this.#assembler = new Assembler(this);
  }

  /**
   * Applies about `sizeBytes` of the spool and commits. A transaction larger than `batchBytes` is flushed in parts, and committed as one.
   * What was read of the next transaction waits for the next step; when the spool has nothing more, nothing is left to wait.
   */
  async step(spool: Spool, lane: ApplyLane, sizeBytes: number, batchBytes: number): Promise<void> {
    const counts: ChangeCounts = { inserted: 0, updated: 0, deleted: 0, truncated: 0 };
    this.#leftBytes = sizeBytes;
    let point: CommitPoint | null = null;
    const flush = async (batches: readonly StreamBatch[]): Promise<void> => {
      for (const batch of batches) {
        point = batch.lastCommit ?? point;
        if (batch.isEmpty) continue;
        await lane.flush(batch);
        for (const part of batch.objects.values()) add(counts, part.counts);
      }
    };
    for (;;) {
      const { pending } = this.#assembler;
      if (pending === null) {
        spool.read(Math.min(READ_BYTES, batchBytes), (bytes, start, end) => {
          this.#leftBytes -= end - start;
          this.#assembler.take(bytes, start, end);
        });
      } else {
        await flush([...(this.#share === null ? [] : [this.#share]), this.#assembler.closeBatch()]);
        this.#share = null;
        this.#assembler.goOn(await this.#reshape(pending.object, pending.relation));
      }
      // What waits behind a table that must follow is nowhere else: the step does not end before it is taken in.
      if (this.#assembler.pending !== null) continue;
      const isDry = spool.readableBytes === 0;
      const share = this.#share;
      this.#share = null;
      const isFull = this.#assembler.batch.sizeBytes >= batchBytes;
      const batches = [...(share === null ? [] : [share]), ...(isDry || (share === null && isFull) ? [this.#assembler.closeBatch()] : [])];
      await flush(batches);
      if (share !== null || isDry) break;
    }
    if (point !== null) await this.#commit(lane, point, counts);
  }

  async #commit(lane: ApplyLane, point: CommitPoint, counts: ChangeCounts): Promise<void> {
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

  /** Between two transactions, when the step has done its share, the batch ends: nearly every read ends inside a transaction. */
  committed(): void {
    if (this.#leftBytes <= 0) this.#share ??= this.#assembler.closeBatch();
  }

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
