// Frees our slot from the session of a process that no longer runs the pipeline: asleep or cut off, it would hold it for a minute or for ever.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { inspectSlot } from './slot.ts';
import { TERMINATE_SQL } from './slot.sql.ts';

/**
 * Ends the session that streams from the slot, if there is one. Call it only as the pipeline's writer: whoever streams is not, then.
 * Resolves to whether the slot is free; without the right to end the session (it is of another role) that is left to time.
 */
export async function releaseSlot(session: PgSession, name: string, timeoutMs: number = RELEASE_TIMEOUT_MS): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const slot = await inspectSlot(session, name);
    if (slot.kind !== 'healthy' || slot.activePid === null) return true;
    if (!(await mayTerminate(session, slot.activePid)) || performance.now() >= deadlineMs) return false;
    await delay(POLL_MS);
  }
}

const RELEASE_TIMEOUT_MS = 5_000;
const POLL_MS = 20;

async function mayTerminate(session: PgSession, pid: number): Promise<boolean> {
  try {
    await session.query(TERMINATE_SQL, [pid]);
    return true;
  } catch (error) {
    if (error instanceof MillraceError && error.facts.sqlstate === SqlState.insufficientPrivilege) return false;
    throw error;
  }
}
