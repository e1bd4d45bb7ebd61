// Random choices that repeat themselves: the same seed gives the same sequence on every machine.

/** A generator of 32 bits of state (mulberry32): good enough to pick orders and customers, and nothing else. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number from 0 up to, but not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** A member of `choices`, each as likely as its weight says; weights need not add up to anything. */
  weighted<T>(choices: readonly { readonly value: T; readonly weight: number }[]): T {
    const total = choices.reduce((sum, choice) => sum + choice.weight, 0);
    let left = this.next() * total;
    for (const choice of choices) {
      left -= choice.weight;
      if (left < 0) return choice.value;
    }
    const last = choices.at(-1);
    if (last === undefined) throw new RangeError('there is nothing to choose from');
    return last.value;
  }
}
