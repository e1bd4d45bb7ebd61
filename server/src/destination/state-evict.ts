// Ends what a predecessor still does at the destination: asleep inside a transaction, it would hold its locks until it wakes.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../db/session.ts';

/** Ours in `application_name`, after `millrace` and the pipeline's name; all that may hold locks. */
const ROLES = ['control', 'apply', 'watch', 'monitor', 'copy', 'copy writer'] as const;

/**
 * Ends the sessions of the same pipeline, database and role that are older than `session`. They are known by `application_name`, which
 * the server cuts at 63 bytes and keeps in ASCII: for a name that does not fit, nothing is ended, and a predecessor's locks are left to
 * time. Resolves when they are gone, or after some seconds.
 */
export async function evictPredecessors(session: PgSession, pipeline: string): Promise<void> {
  const names = ROLES.map((role) => `millrace ${pipeline} ${role}`).filter(isKeptWhole);
  if (names.length < ROLES.length) return;
  const deadlineMs = performance.now() + LEAVE_TIMEOUT_MS;
  while (performance.now() < deadlineMs) {
    if ((await session.query(EVICT, [names])).length === 0) return;
    await delay(POLL_MS);
  }
}

const LEAVE_TIMEOUT_MS = 5_000;
const POLL_MS = 20;
const NAME_BYTES = 63;

function isKeptWhole(name: string): boolean {
  return name.length <= NAME_BYTES && /^[\x20-\x7e]+$/.test(name);
}

/** $1 text[]: application names. Source: manual, "27.2.3. pg_stat_activity", "9.28.2. Server Signaling Functions". */
const EVICT = `
  SELECT pg_catalog.pg_terminate_backend(other.pid)
    FROM pg_catalog.pg_stat_activity AS other, pg_catalog.pg_stat_activity AS own
   WHERE own.pid = pg_catalog.pg_backend_pid() AND other.application_name = ANY ($1::pg_catalog.text[])
     AND other.datid = own.datid AND other.usesysid = own.usesysid AND other.pid <> own.pid AND other.backend_start < own.backend_start`;
