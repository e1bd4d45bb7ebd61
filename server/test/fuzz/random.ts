// A seeded source of random numbers, so that every frame of a fuzz run can be made again from its seed and its index.

/** Random numbers from a 32-bit seed (the mulberry32 generator). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** The generator of frame `index` of a run: frames don't depend on each other. */
  static forFrame(seed: number, index: number): Random {
    return new Random(Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) + Math.imul(index + 1, 0xc2b2_ae35));
  }

  /** 32 random bits, unsigned. */
  uint32(): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return (bits ^ (bits >>> 14)) >>> 0;
  }

  /** 64 random bits, unsigned. */
  uint64(): bigint {
    return (BigInt(this.uint32()) << 32n) | BigInt(this.uint32());
  }

  /** A whole number of `[0, limit)`. */
  below(limit: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * limit);
  }

  /** True once in `every` times. */
  oneIn(every: number): boolean {
    return this.below(every) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  bytes(sizeBytes: number): Buffer {
    const bytes = Buffer.alloc(sizeBytes);
    for (let i = 0; i < sizeBytes; i++) bytes[i] = this.uint32();
    return bytes;
  }
}
