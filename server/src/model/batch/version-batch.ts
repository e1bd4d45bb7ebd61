// The changes of one object whose table keeps every version of a row: of each key, what every transaction left of it.
import { type Lsn, LSN_ZERO } from '../../pg/lsn.ts';
import { must } from '../../lib/assert.ts';
import type { ChangeOrigin } from './change-origin.ts';
import type { ChangeCounts, ChangeOutcome, RowShape } from './object-batch.ts';
import type { TupleSlice } from './row-format.ts';
import { VersionPhase } from './version-phase.ts';

/** What a batch comes down to, in order. `end_all`: a TRUNCATE ends every version that is current then. */
export type VersionPart = VersionPhase | { readonly kind: 'end_all'; readonly lsn: Lsn; readonly atMicros: bigint };

/** Collects the changes of one object. Set `origin` before each. */
export class VersionBatch {
  readonly keeps = 'versions';
  readonly shape: RowShape;
  readonly overlap = false;
  /** See `ObjectBatch.position`. */
  position: Lsn = LSN_ZERO;
  readonly truncateFirst = false;
  readonly counts: ChangeCounts = { inserted: 0, updated: 0, deleted: 0, truncated: 0 };
  readonly parts: VersionPart[] = [];
  origin: ChangeOrigin | null = null;
  #phase: VersionPhase;
  #sealedBytes = 0;

  /** The shape's rows have a key: without one there are no versions. */
  constructor(shape: RowShape) {
    this.shape = shape;
    this.#phase = this.#start();
  }

  get sizeBytes(): number {
    return this.#sealedBytes + this.#phase.sizeBytes;
  }

  get isEmpty(): boolean {
    return this.parts.every((part) => part.kind === 'versions' && part.isEmpty);
  }

  insert(tuple: TupleSlice): ChangeOutcome {
    this.counts.inserted++;
    return this.#phase.insert(this.#origin(), tuple);
  }

  /** `oldKind` 0: the key did not change; 'K': the old key; 'O': the whole old row. */
  update(oldKind: number, oldTuple: TupleSlice, tuple: TupleSlice): ChangeOutcome {
    this.counts.updated++;
    const old = oldKind === 0 ? null : { tuple: oldTuple, isFull: oldKind === OLD_ROW };
    return this.#phase.update(this.#origin(), old, tuple);
  }

  delete(oldKind: number, oldTuple: TupleSlice): ChangeOutcome {
    this.counts.deleted++;
    return oldKind === OLD_ROW || oldKind === OLD_KEY ? this.#phase.delete(this.#origin(), oldTuple) : 'unmatched';
  }

  truncate(): void {
    this.counts.truncated++;
    const { lsn, commitTimeMicros } = this.#origin();
    this.parts.push({ kind: 'end_all', lsn, atMicros: commitTimeMicros });
    this.#sealedBytes += this.#phase.sizeBytes + PART_BYTES;
    this.#phase = this.#start();
  }

  #origin(): ChangeOrigin {
    return must(this.origin, 'the transaction of the change');
  }

  #start(): VersionPhase {
    const { format, columns, identity } = this.shape;
    const phase = new VersionPhase(format, columns.length, identity.kind === 'key' ? identity.columns : []);
    this.parts.push(phase);
    return phase;
  }
}

const OLD_KEY = 0x4b; // 'K'
const OLD_ROW = 0x4f; // 'O'
/** What a part costs even when it is empty. */
const PART_BYTES = 512;
