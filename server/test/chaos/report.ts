// What was done and what came of it, as a table for people.

/** The figures of one lane, collected while it runs. */
export interface Tally {
  /** What was done how often, e.g. `kills: 100`. */
  readonly done: Map<string, number>;
  /** From a start, or from the end of a fault, until changes flowed again. */
  readonly resumeMs: number[];
  /** From the moment the source stood still until the destination had caught up. */
  readonly settleMs: number[];
  /** From a half-open connection's beginning until it was noticed. */
  readonly noticeMs: number[];
  checks: number;
  rowsCompared: number;
}

export function emptyTally(): Tally {
  return { done: new Map(), resumeMs: [], settleMs: [], noticeMs: [], checks: 0, rowsCompared: 0 };
}

/** Counts one more of `what`. */
export function count(tally: Tally, what: string): void {
  tally.done.set(what, (tally.done.get(what) ?? 0) + 1);
}

/** A lane that has ended. */
export interface LaneResult {
  readonly lane: string;
  readonly tally: Tally;
  readonly seconds: number;
  /** Null: everything held. */
  readonly failure: string | null;
}

/** Starts slower than this break the promise, on a machine that does nothing else. */
export const RESUME_LIMIT_MS = 10_000;
const NOTICE_LIMIT_MS = 60_000;

/** What is wrong with a lane's figures; empty when they keep the promises. */
export function brokenPromises(tally: Tally, limits: { readonly resumeMs: number }): readonly string[] {
  const slow = tally.resumeMs.filter((ms) => ms > limits.resumeMs);
  const late = tally.noticeMs.filter((ms) => ms > NOTICE_LIMIT_MS);
  return [
    ...(slow.length > 0 ? [`${slow.length} of ${tally.resumeMs.length} resumed later than ${limits.resumeMs} ms`] : []),
    ...(late.length > 0 ? [`${late.length} half-open connections were noticed later than ${NOTICE_LIMIT_MS} ms`] : []),
  ];
}

/** One line for each lane. */
export function renderLane(result: LaneResult): string {
  const { lane, tally, seconds, failure } = result;
  const done = [...tally.done].map(([what, times]) => `${times} ${what}`).join(', ');
  const parts = [
    `${lane.padEnd(11)} ${failure === null ? 'held  ' : 'FAILED'} ${seconds.toFixed(0).padStart(5)} s`,
    done,
    `resumed ${times(tally.resumeMs)}`,
    ...(tally.noticeMs.length > 0 ? [`noticed ${times(tally.noticeMs)}`] : []),
    `caught up ${times(tally.settleMs)}`,
    `${tally.checks} comparisons of ${tally.rowsCompared} rows`,
  ];
  return parts.filter((part) => part !== '').join(' · ');
}

/** `median / 90 % / most` of some times in seconds, and how many there are. */
function times(ms: readonly number[]): string {
  if (ms.length === 0) return '–';
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (part: number): string => ((sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0) / 1_000).toFixed(2);
  return `${at(0.5)} / ${at(0.9)} / ${at(1)} s (median, 90 %, most of ${ms.length})`;
}
