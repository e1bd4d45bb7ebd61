// What one destination flush has to do for one object: a TRUNCATE perhaps, then phases in order, each compacted by itself.
import { type Lsn, LSN_ZERO } from '../../pg/lsn.ts';
import type { DeletePolicy } from '../layout.ts';
import { AppendPhase } from './append-phase.ts';
import type { Keeping } from './change-origin.ts';
import { KeyedPhase } from './keyed-phase.ts';
import { MovePhase } from './move-phase.ts';
import { MultisetPhase } from './multiset-phase.ts';
import type { OldRow } from './old-row.ts';
import type { RowFormat, TupleSlice } from './row-format.ts';

/** How the rows of an object look on the stream at this moment. Indices are those of the relation message. */
export interface RowShape {
  readonly format: RowFormat;
  readonly columns: readonly string[];
  readonly identity: { readonly kind: 'key'; readonly columns: readonly number[] } | { readonly kind: 'full' } | { readonly kind: 'none' };
  readonly deletes: DeletePolicy;
  /** What the destination table keeps beyond the present rows; absent: nothing. */
  readonly keeps?: Keeping | undefined;
}

/** All rows that are at the destination by now stay there, marked as deleted. */
export interface MarkAllPhase {
  readonly kind: 'mark_all';
  readonly isEmpty: false;
  readonly sizeBytes: 0;
}

export type Phase = KeyedPhase | MultisetPhase | AppendPhase | MovePhase | MarkAllPhase;

/** Changes per kind, for the object's counters. */
export interface ChangeCounts {
  inserted: number;
  updated: number;
  deleted: number;
  truncated: number;
}

/**
 * What a change did to the batch. `hole`: in an overlap, the stream alone can't tell the row's unknown columns; the object has to be
 * loaded again. `unmatched`: the stream contradicts itself, or lacks the identity that the change needs.
 */
export type ChangeOutcome = 'done' | 'hole' | 'unmatched';

/** What a phase costs even when it is empty: moves that don't fit together make one each. */
const PHASE_BYTES = 2048;
const MARK_ALL: MarkAllPhase = { kind: 'mark_all', isEmpty: false, sizeBytes: 0 };
const OLD_KEY = 0x4b; // 'K'
const OLD_ROW = 0x4f; // 'O'

/** Collects the changes of one object. */
export class ObjectBatch {
  readonly keeps = 'rows';
  readonly shape: RowShape;
  readonly overlap: boolean;
  readonly counts: ChangeCounts = { inserted: 0, updated: 0, deleted: 0, truncated: 0 };
  /** Where the stream stands once this is applied: after a commit, or at the one that is still to come. Known when the batch is closed. */
  position: Lsn = LSN_ZERO;
  /** Whether the destination table has to be emptied before the phases. */
  truncateFirst = false;
  phases: Phase[] = [];
  #current: Phase;
  #sealedBytes = 0;

  constructor(shape: RowShape, overlap: boolean) {
    this.shape = shape;
    this.overlap = overlap;
    this.#current = this.#start(this.#rowPhase());
  }

  get sizeBytes(): number {
    return this.#sealedBytes + PHASE_BYTES + this.#current.sizeBytes;
  }

  get isEmpty(): boolean {
    return !this.truncateFirst && this.phases.every((phase) => phase.isEmpty);
  }

  insert(tuple: TupleSlice): ChangeOutcome {
    this.counts.inserted++;
    const phase = this.#rows();
    if (phase.kind === 'keyed') return phase.insert(tuple) === 'done' ? 'done' : 'unmatched';
    phase.insert(tuple);
    return 'done';
  }

  /** `oldKind` 0: the key did not change; 'K': the old key; 'O': the whole old row. */
  update(oldKind: number, oldTuple: TupleSlice, tuple: TupleSlice): ChangeOutcome {
    this.counts.updated++;
    const old = { tuple: oldTuple, isFull: oldKind === OLD_ROW };
    if (this.#current.kind === 'moves' && oldKind !== 0 && this.#current.add(old, tuple)) return 'done';
    const phase = this.#rows();
    switch (phase.kind) {
      case 'append':
        return 'unmatched';
      case 'multiset':
        return oldKind === OLD_ROW && phase.update(oldTuple, tuple) ? 'done' : 'unmatched';
      case 'keyed': {
        const outcome = oldKind === 0 ? phase.update(tuple) : phase.updateWithOld(old, tuple);
        return outcome === 'moved' ? this.#move(old, tuple) : outcome;
      }
    }
  }

  delete(oldKind: number, oldTuple: TupleSlice): ChangeOutcome {
    this.counts.deleted++;
    if (oldKind !== OLD_ROW && oldKind !== OLD_KEY) return 'unmatched';
    const phase = this.#rows();
    switch (phase.kind) {
      case 'append':
        return 'unmatched';
      case 'multiset':
        if (oldKind !== OLD_ROW) return 'unmatched';
        phase.delete(oldTuple);
        return 'done';
      case 'keyed':
        return phase.delete(oldTuple) === 'done' ? 'done' : 'unmatched';
    }
  }

  /** The table is emptied, in order; or its rows are marked, or nothing happens, as deletes are treated. */
  truncate(): void {
    this.counts.truncated++;
    switch (this.shape.deletes) {
      case 'ignore':
        return;
      case 'soft':
        this.#start(MARK_ALL);
        this.#current = this.#start(this.#rowPhase());
        return;
      case 'hard':
        this.#discard();
    }
  }

  /** Everything collected so far is void. */
  #discard(): void {
    this.truncateFirst = true;
    this.phases = [];
    this.#sealedBytes = 0;
    this.#current = this.#start(this.#rowPhase());
  }

  #rowPhase(): Phase {
    const { format, columns, identity, deletes } = this.shape;
    const keepsDeleted = deletes !== 'hard';
    switch (identity.kind) {
      case 'key':
        return new KeyedPhase(format, columns.length, identity.columns, { overlap: this.overlap, keepsDeleted });
      case 'full':
        return new MultisetPhase(format, columns.length, keepsDeleted);
      case 'none':
        return new AppendPhase(format, columns.length);
    }
  }

  /** The phase that takes ordinary changes; after moves a new one begins, since their order matters. */
  #rows(): KeyedPhase | MultisetPhase | AppendPhase {
    if (this.#current.kind === 'moves') this.#current = this.#start(this.#rowPhase());
    return this.#current as KeyedPhase | MultisetPhase | AppendPhase;
  }

  #move(old: OldRow, tuple: TupleSlice): ChangeOutcome {
    if (this.overlap) return 'hole';
    const identity = this.shape.identity;
    if (identity.kind !== 'key') return 'unmatched';
    const phase = new MovePhase(this.shape.format, this.shape.columns.length, identity.columns);
    this.#current = this.#start(phase);
    return phase.add(old, tuple) ? 'done' : 'unmatched';
  }

  #start(phase: Phase): Phase {
    if (this.phases.length > 0 && phase !== MARK_ALL) this.#sealedBytes += PHASE_BYTES + this.#current.sizeBytes;
    this.phases.push(phase);
    return phase;
  }
}
