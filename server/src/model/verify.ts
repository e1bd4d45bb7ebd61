// What comparing an object means: which columns stand against which, what a result says, and which buckets of rows need a closer look.
import type { Lsn } from '../pg/lsn.ts';
import type { QualifiedName } from '../pg/ident.ts';
import type { ChangeWords } from './batch/change-origin.ts';
import { type ColumnConversion, type DestinationColumn, type DestinationTable, INPUT_CHECKED_SINCE } from './destination-table.ts';
import type { Mask } from './object-filter.ts';
import type { SourceTable } from './table.ts';

/** One side of a comparison. Both sides list the same columns in the same order, each by its own names. */
export interface ComparedTable extends QualifiedName {
  /** `ONLY` in front of the name: rows of inheritance children belong to other objects. */
  readonly only: boolean;
  readonly columns: readonly string[];
  /** Empty: rows are a multiset, compared as wholes. */
  readonly key: readonly string[];
  /** What stands in the place of columns' values. Absent: nothing. */
  readonly masks?: ReadonlyMap<string, Mask> | undefined;
  /** SQL that the server has printed: only rows for which it is true. Absent: all rows. */
  readonly condition?: string | undefined;
  /** Which of the table's rows stand for rows of the source; absent: all. */
  readonly present?: PresentRows | undefined;
  /** By column: what its values have become at the other side, and are compared as. Absent: every value prints the same at both. */
  readonly conversions?: ReadonlyMap<string, ColumnConversion> | undefined;
}

/** What the source's rows are seen through. */
export type ComparedFilter = Pick<ComparedTable, 'masks' | 'condition'>;

/**
 * How a table that keeps more than the present rows tells them, by names of its own columns. `newest`: of each key the last row since the
 * last load or TRUNCATE, unless it is a delete. `current`: the rows for which a column says so. `unmarked`: by a condition over the alias `t`.
 */
export type PresentRows =
  | { readonly kind: 'unmarked'; readonly condition: string }
  | {
      readonly kind: 'newest';
      readonly change: string;
      readonly lsn: string;
      readonly sequence: string;
      readonly words: ChangeWords;
    }
  | { readonly kind: 'current'; readonly current: string };

/** An object as both sides see it. */
export interface VerifyPlan {
  readonly source: ComparedTable;
  readonly destination: ComparedTable;
  /** OIDs that the object's changes carry in the log: the table, and its leaves in case they are published by themselves. */
  readonly sourceOids: readonly number[];
  /** Source names of columns that both sides have and nobody compares: this source can't tell what their values must have become. */
  readonly leftOut: readonly string[];
}

/** What a comparison depends on beside the columns. */
export interface VerifyFacts {
  readonly filter: ComparedFilter;
  /** See `ComparedTable.present`, of the destination. */
  readonly present?: PresentRows | undefined;
  /** `server_version_num`. */
  readonly sourceVersionNum: number;
}

/** Pairs the columns of both sides. Columns that the destination lacks on purpose are left out. */
export function planVerify(
  source: SourceTable,
  destination: Pick<DestinationTable, 'schema' | 'name' | 'columns' | 'identity'>,
  how: VerifyFacts,
): VerifyPlan {
  const isLeftOut = ({ conversion }: DestinationColumn): boolean =>
    conversion?.nulls === true && conversion.form !== 'number' && how.sourceVersionNum < INPUT_CHECKED_SINCE;
  const present = destination.columns.filter((column) => column.transfer !== 'retired');
  const columns = present.filter((column) => !isLeftOut(column));
  const conversions = new Map(
    columns.flatMap(({ sourceName, conversion }) => (conversion === undefined ? [] : [[sourceName, conversion] as const])),
  );
  const key = destination.identity.kind === 'key' ? destination.identity.columns : [];
  const sourceKey = key.map((name) => present.find((column) => column.name === name)?.sourceName ?? name);
  return {
    source: {
      schema: source.schema,
      name: source.name,
      only: source.relkind === 'r',
      columns: columns.map((column) => column.sourceName),
      key: sourceKey,
      ...how.filter,
      conversions,
    },
    destination: {
      schema: destination.schema,
      name: destination.name,
      // What a reader of the table sees counts, so children that somebody hung below it are part of it.
      only: false,
      columns: columns.map((column) => column.name),
      key,
      present: how.present,
    },
    sourceOids: [source.oid, ...source.leaves.map((leaf) => leaf.oid)],
    leftOut: present.filter(isLeftOut).map((column) => column.sourceName),
  };
}

/** Where a pipeline stands, seen from a comparison. `app/` wires it to the source's slot and the destination's state. */
export interface VerifyProgress {
  /** A position behind every transaction that a query at the source could see so far. */
  sourceLsn(): Promise<Lsn>;
  /**
   * The position up to which the destination holds everything of this object, visible to every new query. It must reach `sourceLsn()`
   * by itself when nothing is pending: take the later of the stored checkpoint and the slot's confirmed position.
   */
  checkpoint(): Promise<Lsn>;
  /** Whether somebody streams from the pipeline's slot. */
  isRunning(): Promise<boolean>;
  /** Waits until transactions that may be at the destination already can also be seen at the source. False: it gave up. */
  settled(): Promise<boolean>;
  /** What the stopped pipeline has yet to apply of this object, of the transactions that end after `from`, up to `upTo`. */
  pending(from: Lsn, upTo: Lsn): Promise<PendingChanges>;
}

/**
 * - `keys`: only rows with these keys (as `keyId` writes them) changed. - `everything`: any row may have changed.
 * - `running`: the pipeline has been started meanwhile. - `unknown`: can't be told, because of `reason`.
 */
export type PendingChanges =
  | { readonly kind: 'keys'; readonly keys: ReadonlySet<string> }
  | { readonly kind: 'everything' }
  | { readonly kind: 'running' }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Values of a key in text form as one string; no value holds NUL. */
export function keyId(values: readonly string[]): string {
  return values.join('\0');
}

/** How many rows are proved to be wrong. */
export interface Mismatches {
  readonly missing: number;
  readonly extra: number;
  /** Rows that both sides have under one key, with different values. Always 0 without a key: one row less and another more. */
  readonly different: number;
}

/** The outcome for one object. */
export interface VerifyResult extends Mismatches {
  readonly sourceRows: number;
  readonly destinationRows: number;
  /** Rows that differ when looked at, but could not be told apart from rows that are just being changed. */
  readonly unverifiedRows: number;
  /** Why; null when there are none. */
  readonly unverifiedReason: string | null;
  /** Keys of rows that are wrong, at most 10, cut to a readable length. */
  readonly sampleKeys: readonly string[];
  /** The source position that both sides were compared at. */
  readonly position: Lsn;
}

/** Rows of one side whose hashes begin alike: how many, and the sum of their digests, which does not depend on their order. */
export interface Bucket {
  readonly name: string;
  readonly rows: number;
  readonly sum: string;
}

/** Names of the buckets that are not the same on both sides, with the rows to read for each. */
export function differingBuckets(source: readonly Bucket[], destination: readonly Bucket[]): readonly BucketSize[] {
  const others = new Map(destination.map((bucket) => [bucket.name, bucket]));
  const differing: BucketSize[] = [];
  for (const bucket of source) {
    const other = others.get(bucket.name);
    others.delete(bucket.name);
    if (other === undefined) differing.push({ name: bucket.name, rows: bucket.rows });
    else if (other.rows !== bucket.rows || other.sum !== bucket.sum) differing.push({ name: bucket.name, rows: bucket.rows + other.rows });
  }
  return [...differing, ...[...others.values()].map((bucket) => ({ name: bucket.name, rows: bucket.rows }))];
}

export interface BucketSize {
  readonly name: string;
  readonly rows: number;
}

/** Puts buckets together such that no portion has more than `maxRows` rows, unless a single bucket has. */
export function portionsOf(buckets: readonly BucketSize[], maxRows: number): readonly (readonly string[])[] {
  const portions: string[][] = [];
  let portion: string[] = [];
  let rows = 0;
  for (const bucket of buckets) {
    if (portion.length > 0 && rows + bucket.rows > maxRows) {
      portions.push(portion);
      portion = [];
      rows = 0;
    }
    portion.push(bucket.name);
    rows += bucket.rows;
  }
  if (portion.length > 0) portions.push(portion);
  return portions;
}

export function countRows(buckets: readonly Bucket[]): number {
  return buckets.reduce((sum, bucket) => sum + bucket.rows, 0);
}

/** Hexadecimal digits of a bucket's name: a bucket of a large table shall still fit into memory, and be worth reading. */
export function bucketDigits(estimatedRows: number): number {
  return estimatedRows > MANY_ROWS ? 4 : 3;
}

const MANY_ROWS = 5_000_000;

/** A key for people: its values, in parentheses when there are several, cut to `MAX_KEY_CHARS`. */
export function showKey(values: readonly string[]): string {
  const text = values.length === 1 ? (values[0] ?? '') : `(${values.join(', ')})`;
  const chars = [...text];
  return chars.length <= MAX_KEY_CHARS ? text : `${chars.slice(0, MAX_KEY_CHARS).join('')}…`;
}

const MAX_KEY_CHARS = 120;
