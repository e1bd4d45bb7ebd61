// Waits until the destination has everything that the source had, and tells a pipeline that is behind from one that stands still.
import { setTimeout as delay } from 'node:timers/promises';
import type { VerifyProgress } from '../../model/verify.ts';
import type { Lsn } from '../../pg/lsn.ts';

export interface WaitLimits {
  /** How long the checkpoint may stand still before the pipeline counts as stalled. */
  readonly stallTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** `stopped`: nobody runs the pipeline. `stalled`: it runs, but its checkpoint does not move. */
export type WaitOutcome = 'reached' | 'stopped' | 'stalled';

/** Waits for the checkpoint to reach `lsn`; a pipeline that moves gets all the time it needs. */
export async function waitForCheckpoint(progress: VerifyProgress, lsn: Lsn, limits: WaitLimits): Promise<WaitOutcome> {
  let best = await progress.checkpoint();
  let deadline = Date.now() + limits.stallTimeoutMs;
  for (let intervalMs = FIRST_INTERVAL_MS; best < lsn; intervalMs = Math.min(2 * intervalMs, LAST_INTERVAL_MS)) {
    if (!(await progress.isRunning())) return (await progress.checkpoint()) >= lsn ? 'reached' : 'stopped';
    if (Date.now() > deadline) return 'stalled';
    await delay(intervalMs, undefined, { signal: limits.signal });
    const now = await progress.checkpoint();
    if (now > best) deadline = Date.now() + limits.stallTimeoutMs;
    best = now;
  }
  limits.signal?.throwIfAborted();
  return 'reached';
}

const FIRST_INTERVAL_MS = 10;
const LAST_INTERVAL_MS = 250;
