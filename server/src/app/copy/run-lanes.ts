// Works through the pieces of one load with several lanes at once, and takes all of them down together when one fails.
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../../model/error.ts';
import type { CopySnapshot } from '../../source/snapshot.ts';
import type { CopyLane, CopySessions } from './sessions.ts';

export interface LaneWork<T> {
  readonly sessions: CopySessions;
  readonly snapshot: CopySnapshot;
  readonly items: readonly T[];
  /** How many lanes at most. */
  readonly lanes: number;
  /** How long the application's DDL may wait for the load's lock before the load gives way. */
  readonly yieldAfterMs: number;
  readonly signal: AbortSignal;
  readonly work: (lane: CopyLane, item: T) => Promise<void>;
}

/**
 * Resolves when every item is done. Throws the first error, after the servers were told to stop and all lanes in use were destroyed:
 * transactions that were open are rolled back. Throws `copy_interrupted` when the load gave way.
 */
export async function runLanes<T>(job: LaneWork<T>): Promise<void> {
  if (job.items.length === 0) return;
  const halt = new AbortController();
  const active = new Set<CopyLane>();
  let cancelled: Promise<void> = Promise.resolve();
  const stop = (reason: unknown): void => {
    if (halt.signal.aborted) return;
    halt.abort(reason);
    cancelled = job.snapshot.cancel([...active].map((lane) => lane.reader.backendPid));
    for (const lane of active) destroy(lane);
  };
  const onAbort = (): void => stop(job.signal.reason);
  job.signal.addEventListener('abort', onAbort, { once: true });
  if (job.signal.aborted) onAbort();
  const finished = new AbortController();
  const watch = watchLocks(job, finished.signal).catch(stop);
  const queue = job.items.values();
  const crew = Array.from({ length: Math.min(job.lanes, job.items.length) }, () =>
    runLane(job, queue, { active, halt: halt.signal }).catch(stop),
  );
  await Promise.all(crew);
  finished.abort();
  await watch;
  await cancelled;
  job.signal.removeEventListener('abort', onAbort);
  halt.signal.throwIfAborted();
}

interface Crew {
  readonly active: Set<CopyLane>;
  readonly halt: AbortSignal;
}

async function runLane<T>(job: LaneWork<T>, queue: Iterator<T>, { active, halt }: Crew): Promise<void> {
  if (halt.aborted) return;
  const lane = await job.sessions.borrowLane();
  active.add(lane);
  try {
    // The stop may have come while the lane was opened.
    halt.throwIfAborted();
    await lane.reader.begin(job.snapshot.exportedName);
    for (let next = queue.next(); next.done !== true && !halt.aborted; next = queue.next()) await job.work(lane, next.value);
    await lane.reader.end();
    active.delete(lane);
    job.sessions.returnLane(lane);
  } catch (error) {
    active.delete(lane);
    destroy(lane);
    throw error;
  }
}

/** Gives way to DDL: behind its waiting lock the application's own statements queue up. */
async function watchLocks<T>(job: LaneWork<T>, finished: AbortSignal): Promise<void> {
  let sinceMs: number | null = null;
  while (await pause(Math.min(WATCH_INTERVAL_MS, job.yieldAfterMs), finished)) {
    if (!(await job.snapshot.isInTheWay())) sinceMs = null;
    else sinceMs ??= performance.now();
    if (sinceMs !== null && performance.now() - sinceMs >= job.yieldAfterMs) throw gaveWay();
  }
}

const WATCH_INTERVAL_MS = 1_000;

/** False: stop waiting, everything is done. */
async function pause(timeMs: number, finished: AbortSignal): Promise<boolean> {
  return delay(timeMs, true, { signal: finished }).catch(() => false);
}

function destroy(lane: CopyLane): void {
  lane.reader.destroy();
  lane.writer.destroy();
}

function gaveWay(): MillraceError {
  return new MillraceError('copy_interrupted', {
    cause: 'DDL or a TRUNCATE of the application waited for the lock that the load held',
    side: 'source',
  });
}
