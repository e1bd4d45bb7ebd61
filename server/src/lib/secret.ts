// A secret that can't be printed by accident: every implicit way of turning it into text gives `***`.
import { inspect } from 'node:util';

const MASK = '***';

/** Wraps a password or key. Only `reveal()` gives the text; `String`, JSON and `util.inspect` give `***`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself. Call it only where it goes to the peer that must know it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}
