// Which transaction a change belongs to, and its place there: what tables that keep changes or versions write beside each row.
import type { Lsn } from '../../pg/lsn.ts';

/** The transaction that is being collected, as one object sees it. One value for each object and transaction. */
export interface ChangeOrigin {
  /** Position of the commit record: the same for all changes of the transaction, and larger for every later one. */
  readonly lsn: Lsn;
  /** Microseconds since 2000-01-01 UTC, by the source's clock. It may go back from one transaction to the next. */
  readonly commitTimeMicros: bigint;
  /** How many rows the object's changes in this transaction have made so far. */
  sequence: number;
}

/** What the kinds of changes are called in the table. */
export interface ChangeWords {
  readonly load: string;
  readonly insert: string;
  readonly update: string;
  readonly delete: string;
  readonly truncate: string;
}

/** What a table keeps that has more than one row for each row of the source. */
export type Keeping = { readonly kind: 'changes'; readonly words: ChangeWords } | { readonly kind: 'versions' };
