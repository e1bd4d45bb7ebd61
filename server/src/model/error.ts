// The one error type of the product: a stable code with the facts of this occurrence. Texts live in the catalogue.
import { CATALOGUE, type ErrorName, type RetryClass } from './error-catalogue.ts';

/** Facts of one occurrence. Never a secret, never a row's values (keys only where the error is about that row). */
export interface ErrorFacts {
  /** What happened here, one sentence. */
  readonly cause: string;
  /** What to do, with the SQL or command to paste; absent: the catalogue's general fix. */
  readonly fix?: string | undefined;
  readonly sqlstate?: string | undefined;
  /** `schema.table` of the object that the error belongs to; absent when it is about the whole pipeline. */
  readonly object?: string | undefined;
  readonly side?: 'source' | 'destination' | undefined;
  /** Every mistake of a configuration file, in its order. */
  readonly problems?: readonly FileProblem[] | undefined;
}

/** A mistake in a configuration file; lines and columns count from 1. */
export interface FileProblem {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly hint: string | null;
}

/** An error with a code of the catalogue. `message` is the cause; `cause` holds the underlying error. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly errorName: ErrorName;
  readonly facts: ErrorFacts;

  constructor(errorName: ErrorName, facts: ErrorFacts, underlying?: unknown) {
    super(facts.cause, underlying === undefined ? undefined : { cause: underlying });
    this.errorName = errorName;
    this.facts = facts;
  }

  get code(): string {
    return CATALOGUE[this.errorName].code;
  }

  get title(): string {
    return CATALOGUE[this.errorName].title;
  }

  get retry(): RetryClass {
    return CATALOGUE[this.errorName].retry;
  }

  get exit(): 1 | 2 | 3 | 4 | 5 {
    return CATALOGUE[this.errorName].exit;
  }

  /** Where the error is described, relative to the project. */
  get docs(): string {
    return `docs/errors.md#${this.code}`;
  }

  get fix(): string {
    return this.facts.fix ?? CATALOGUE[this.errorName].fix;
  }
}
