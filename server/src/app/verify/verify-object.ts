// Compares one object's rows at source and destination at one position, while both may be written: the core of `millrace verify`.
import type { PgSession } from '../../db/session.ts';
import {
  type BucketSize,
  bucketDigits,
  countRows,
  differingBuckets,
  portionsOf,
  type VerifyPlan,
  type VerifyProgress,
  type VerifyResult,
} from '../../model/verify.ts';
import { sameRows } from '../../model/verify-judge.ts';
import { minLsn } from '../../pg/lsn.ts';
import { waitForCheckpoint } from './position.ts';
import { type ProofContext, proveSuspects } from './proof.ts';
import { openTableReader, type Readings, type RowKey } from './table-reader.ts';
import { Tally } from './tally.ts';

export interface VerifyOptions {
  readonly plan: VerifyPlan;
  /** Idle sessions of one's own, opened with `VERIFY_SETTINGS`. To give up in the middle of a query, destroy them. */
  readonly source: PgSession;
  readonly destination: PgSession;
  readonly progress: VerifyProgress;
  /** Rows that only the destination has are as they should be: deletes are ignored there. */
  readonly allowsExtra: boolean;
  /** The planner's estimate for the source table; -1 when unknown. */
  readonly estimatedRows: number;
  readonly limits?: Partial<VerifyLimits> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VerifyLimits {
  /** Rows of both sides together that are compared in memory at once. */
  readonly portionRows: number;
  /** How often a row that keeps changing is looked at before it counts as unverified. */
  readonly rounds: number;
  /** How long the checkpoint of a running pipeline may stand still. */
  readonly stallTimeoutMs: number;
}

/** For the sessions: reading whole tables must not take the workers of the application's own queries. */
export const VERIFY_SETTINGS: Readonly<Record<string, string>> = { max_parallel_workers_per_gather: '0', jit: 'off' };

/**
 * Both tables are read once and compared by the hashes of buckets; only rows of unequal buckets are looked at one by one, and only what
 * `proveSuspects` proves to be wrong is reported. Throws what the sessions throw.
 *
 * When the pipeline is stopped, `position` is its checkpoint, and rows that changed at the source since then are unverified.
 */
export async function verifyObject(options: VerifyOptions): Promise<VerifyResult> {
  const { plan, progress } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits, signal: options.signal };
  const source = await openTableReader(options.source, plan.source);
  const destination = await openTableReader(options.destination, plan.destination);
  const isKeyed = plan.source.key.length > 0;
  const tally = new Tally(isKeyed, options.allowsExtra);
  const context: ProofContext = { source, destination, isKeyed, progress, tally, limits };
  // Not needed for the proof: a destination that is behind by hours would only make every bucket differ.
  const start = await progress.sourceLsn();
  await waitForCheckpoint(progress, start, limits);
  let position = minLsn(start, await progress.checkpoint());
  const digits = bucketDigits(options.estimatedRows);
  const [sourceBuckets, destinationBuckets] = await Promise.all([source.buckets(digits), destination.buckets(digits)]);
  const differing = differingBuckets(sourceBuckets, destinationBuckets);
  for (const portion of portionsOf(differing, limits.portionRows)) {
    options.signal?.throwIfAborted();
    const [ours, theirs] = await Promise.all([source.list(portion, digits), destination.list(portion, digits)]);
    position = await proveSuspects(context, unequalKeys(ours, theirs), position);
  }
  const counts = { source: countRows(sourceBuckets), destination: countRows(destinationBuckets) };
  return { ...resultOf(tally, counts, differing, options.allowsExtra), position };
}

const DEFAULT_LIMITS: VerifyLimits = { portionRows: 200_000, rounds: 8, stallTimeoutMs: 20_000 };

function unequalKeys(ours: Readings, theirs: Readings): readonly RowKey[] {
  const keys: RowKey[] = [];
  for (const [id, { key, rows }] of ours) if (!sameRows(rows, theirs.get(id)?.rows ?? [])) keys.push(key);
  for (const [id, { key }] of theirs) if (!ours.has(id)) keys.push(key);
  return keys;
}

/**
 * The two countings are of different moments. Once every difference is judged, the destination's rows at the moment of the source's
 * counting are known; as long as one is not, both counts stay as they were read.
 */
function resultOf(
  tally: Tally,
  counts: { readonly source: number; readonly destination: number },
  differing: readonly BucketSize[],
  allowsExtra: boolean,
): Omit<VerifyResult, 'position'> {
  const { missing, extra } = tally.mismatches;
  const isJudged = differing.length > 0 && tally.unverifiedRows === 0 && !allowsExtra;
  return {
    ...tally.mismatches,
    sourceRows: counts.source,
    destinationRows: isJudged ? counts.source - missing + extra : counts.destination,
    unverifiedRows: tally.unverifiedRows,
    unverifiedReason: tally.unverifiedReason,
    sampleKeys: tally.sampleKeys,
  };
}
