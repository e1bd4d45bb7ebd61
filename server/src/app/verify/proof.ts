// Takes rows that differ at first sight and finds out which of them are wrong, by reading them again at positions that prove it.
import { unreachable } from '../../lib/assert.ts';
import { keyId, type VerifyProgress } from '../../model/verify.ts';
import { doubtfulRows, judgeRunning, judgeStopped, type Reading, sameRows, type Verdict } from '../../model/verify-judge.ts';
import { formatLsn, type Lsn, maxLsn } from '../../pg/lsn.ts';
import { waitForCheckpoint, type WaitLimits } from './position.ts';
import type { Readings, RowKey, TableReader } from './table-reader.ts';
import type { Tally } from './tally.ts';

export interface ProofContext {
  readonly source: TableReader;
  readonly destination: TableReader;
  readonly isKeyed: boolean;
  readonly progress: VerifyProgress;
  readonly tally: Tally;
  readonly limits: WaitLimits & {
    /** How often a row that keeps changing is looked at before it is given up as unverified. */
    readonly rounds: number;
  };
}

/**
 * Judges every row of `suspects` into the tally: wrong, or unverified with the reason, or neither. Gives the position that was proved last.
 *
 * While the pipeline runs, a row is judged by four readings between which the checkpoint passes the source's position (`judgeRunning`
 * says why that proves it). When it is stopped, the source may be ahead: rows that the slot still holds changes of are unverified,
 * all others have not changed since the checkpoint, so that one reading of each side tells.
 */
export async function proveSuspects(context: ProofContext, suspects: readonly RowKey[], position: Lsn): Promise<Lsn> {
  let open: readonly Doubt[] = suspects.map((key) => ({ key, rows: 1 }));
  let proved = position;
  for (let round = 1; open.length > 0 && round <= context.limits.rounds; round++) {
    const keys = open.map((doubt) => doubt.key);
    const outcome = await runRound(context, keys);
    proved = maxLsn(proved, outcome.position);
    open = outcome.open;
    if (outcome.giveUp !== null) {
      for (const doubt of open) context.tally.doubtful(doubt.rows, outcome.giveUp);
      return proved;
    }
  }
  for (const doubt of open) context.tally.doubtful(doubt.rows, 'the rows change faster than they can be compared');
  return proved;
}

/** Rows that are not judged yet, and how many they are. */
interface Doubt {
  readonly key: RowKey;
  readonly rows: number;
}

interface Round {
  readonly open: readonly Doubt[];
  readonly position: Lsn;
  /** Why another round would not help; null when it may. */
  readonly giveUp: string | null;
}

async function runRound(context: ProofContext, keys: readonly RowKey[]): Promise<Round> {
  return (await context.progress.isRunning()) ? runningRound(context, keys) : stoppedRound(context, keys);
}

async function runningRound(context: ProofContext, keys: readonly RowKey[]): Promise<Round> {
  const { source, destination, progress, isKeyed } = context;
  const firstSource = await source.read(keys);
  const firstWait = await waitForSource(context);
  if (firstWait.outcome !== 'reached') return { ...notReached(firstWait), open: keys.map((key) => ({ key, rows: 1 })) };
  const firstDestination = await destination.read(keys);
  const unequal = keys.filter((key) => !sameRows(rowsOf(firstSource, key), rowsOf(firstDestination, key)));
  if (unequal.length === 0) return { open: [], position: firstWait.lsn, giveUp: null };
  const doubts = unequal.map((key) => ({ key, rows: doubtfulRows(rowsOf(firstSource, key), rowsOf(firstDestination, key), isKeyed) }));
  if (!(await progress.settled())) {
    return { open: doubts, position: firstWait.lsn, giveUp: 'transactions at the source wait for a synchronous standby' };
  }
  const secondSource = await source.read(unequal);
  const secondWait = await waitForSource(context);
  if (secondWait.outcome !== 'reached') return { ...notReached(secondWait), open: doubts };
  const secondDestination = await destination.read(unequal);
  const open = doubts.filter(({ key, rows }) => {
    const readings = {
      firstSource: rowsOf(firstSource, key),
      firstDestination: rowsOf(firstDestination, key),
      secondSource: rowsOf(secondSource, key),
      secondDestination: rowsOf(secondDestination, key),
    };
    return !record(context, { key, rows }, judgeRunning(readings, isKeyed));
  });
  return { open, position: secondWait.lsn, giveUp: null };
}

async function stoppedRound(context: ProofContext, keys: readonly RowKey[]): Promise<Round> {
  const { source, destination, progress, isKeyed } = context;
  const again = (position: Lsn): Round => ({ open: keys.map((key) => ({ key, rows: 1 })), position, giveUp: null });
  const checkpoint = await progress.checkpoint();
  if (!(await progress.settled())) return again(checkpoint);
  const sourceRows = await source.read(keys);
  const pending = await progress.pending(checkpoint, await progress.sourceLsn());
  const destinationRows = await destination.read(keys);
  if (pending.kind === 'running' || (await progress.checkpoint()) !== checkpoint) return again(checkpoint);
  const open = keys.flatMap((key): Doubt[] => {
    const ours = rowsOf(sourceRows, key);
    const theirs = rowsOf(destinationRows, key);
    const doubt = { key, rows: doubtfulRows(ours, theirs, isKeyed) };
    if (sameRows(ours, theirs)) return [];
    const mayHaveChanged = pending.kind === 'unknown' || pending.kind === 'everything' || pending.keys.has(keyId(key));
    if (!mayHaveChanged && record(context, doubt, judgeStopped(ours, theirs, isKeyed))) return [];
    return [doubt];
  });
  const reason =
    pending.kind === 'unknown'
      ? pending.reason
      : `the pipeline does not run, and the rows changed at the source after its checkpoint ${formatLsn(checkpoint)}`;
  return { open, position: checkpoint, giveUp: reason };
}

/** Whether the verdict is final; a wrong row goes into the tally. */
function record(context: ProofContext, doubt: Doubt, verdict: Verdict): boolean {
  switch (verdict.kind) {
    case 'equal':
      return true;
    case 'unsettled':
      return false;
    case 'differs':
      context.tally.wrong(doubt.key, verdict);
      return true;
    default:
      return unreachable(verdict);
  }
}

type Wait =
  | { readonly outcome: 'reached' | 'stopped'; readonly lsn: Lsn }
  | { readonly outcome: 'stalled'; readonly lsn: Lsn; readonly wanted: Lsn };

async function waitForSource(context: ProofContext): Promise<Wait> {
  const wanted = await context.progress.sourceLsn();
  const outcome = await waitForCheckpoint(context.progress, wanted, context.limits);
  if (outcome === 'reached') return { outcome, lsn: wanted };
  const lsn = await context.progress.checkpoint();
  return outcome === 'stopped' ? { outcome, lsn } : { outcome, lsn, wanted };
}

/** A pipeline that was stopped meanwhile is judged by other means in the next round; one that is stuck can't be judged at all. */
function notReached(wait: Wait): Pick<Round, 'position' | 'giveUp'> {
  if (wait.outcome !== 'stalled') return { position: wait.lsn, giveUp: null };
  const reason = `the pipeline runs, but its checkpoint stays at ${formatLsn(wait.lsn)} and does not reach the source's ${formatLsn(wait.wanted)}`;
  return { position: wait.lsn, giveUp: reason };
}

function rowsOf(readings: Readings, key: RowKey): Reading {
  return readings.get(keyId(key))?.rows ?? [];
}
