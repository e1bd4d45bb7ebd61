// Notices that a server no longer answers: a connection whose other end is gone without a word stays open for ever.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../../db/session.ts';
import { MillraceError } from '../../model/error.ts';

/** How often is asked, and how long an answer may take. */
export interface LivenessTiming {
  readonly everyMs: number;
  readonly limitMs: number;
}

/** Together well below a minute, and the limit far above what a busy server needs for the simplest statement. */
const TIMING: LivenessTiming = { everyMs: 5_000, limitMs: 30_000 };

/**
 * Asks the server of `session` over and over until `signal` aborts. Rejects with `connection_lost` when an answer does not come in time, or
 * with what the question failed with. It stands for all connections to that server: a single one that breaks is found by TCP's own
 * keepalive, but data on its way when the network goes is sent again for a quarter of an hour first.
 */
export async function keepAsking(session: PgSession, signal: AbortSignal, timing: LivenessTiming = TIMING): Promise<void> {
  while (!signal.aborted) {
    await answer(session, timing.limitMs);
    await delay(timing.everyMs, undefined, { signal }).catch(() => {});
  }
}

async function answer(session: PgSession, limitMs: number): Promise<void> {
  const answered = session.query('SELECT').then(() => 'answered' as const);
  const waiting = new AbortController();
  const silence = pause(limitMs, waiting.signal)
    // After a sleep of this process the timer comes first, though the answer has been here for long.
    .then(() => pause(GRACE_MS, waiting.signal))
    .then(() => 'silence' as const);
  try {
    if ((await Promise.race([answered, silence])) === 'answered') return;
  } finally {
    waiting.abort();
  }
  answered.catch(() => {});
  const { side } = session;
  throw new MillraceError('connection_lost', { cause: `${side}: no answer for ${Math.round(limitMs / 1_000)} s`, side });
}

async function pause(timeMs: number, signal: AbortSignal): Promise<void> {
  await delay(timeMs, undefined, { signal }).catch(() => {});
}

const GRACE_MS = 1_000;
