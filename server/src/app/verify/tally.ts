// Adds up what a comparison found.
import { must } from '../../lib/assert.ts';
import { type Mismatches, showKey } from '../../model/verify.ts';
import type { RowKey } from './table-reader.ts';

/** Counts of rows that are wrong and of rows that could not be judged, with some keys of the wrong ones. */
export class Tally {
  readonly #isKeyed: boolean;
  readonly #allowsExtra: boolean;
  readonly #samples: string[] = [];
  #missing = 0;
  #extra = 0;
  #different = 0;
  #unverified = 0;
  #reason: string | null = null;

  /** `allowsExtra`: rows that only the destination has are as they should be. */
  constructor(isKeyed: boolean, allowsExtra: boolean) {
    this.#isKeyed = isKeyed;
    this.#allowsExtra = allowsExtra;
  }

  wrong(key: RowKey, found: Mismatches): void {
    const extra = this.#allowsExtra ? 0 : found.extra;
    if (found.missing + extra + found.different === 0) return;
    this.#missing += found.missing;
    this.#extra += extra;
    this.#different += found.different;
    if (this.#samples.length < MAX_SAMPLES) this.#samples.push(this.#isKeyed ? showKey(key) : `row with hash ${must(key[0], 'a hash')}`);
  }

  /** The last reason is kept: it says best what to do about it. */
  doubtful(rows: number, reason: string): void {
    this.#unverified += rows;
    this.#reason = reason;
  }

  get mismatches(): Mismatches {
    return { missing: this.#missing, extra: this.#extra, different: this.#different };
  }

  get unverifiedRows(): number {
    return this.#unverified;
  }

  get unverifiedReason(): string | null {
    return this.#reason;
  }

  get sampleKeys(): readonly string[] {
    return this.#samples;
  }
}

const MAX_SAMPLES = 10;
