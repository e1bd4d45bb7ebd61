// Checked assumptions: each fails loudly with what was expected, instead of letting a wrong value travel on.

/** Throws unless `condition` holds; `expectation` says what should have been true. */
export function assert(condition: unknown, expectation: string): asserts condition {
  if (!condition) throw new Error(`expected ${expectation}`);
}

/** Returns `value`, or throws when it is missing; `what` names the missing thing. */
export function must<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new Error(`missing ${what}`);
  return value;
}

/** For the default branch of an exhaustive switch: the compiler proves that it can't be reached. */
export function unreachable(value: never): never {
  throw new Error(`unexpected value ${String(value)}`);
}
