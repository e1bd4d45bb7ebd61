// What people ask of a pipeline that may be running elsewhere: it is written beside the state, and the running process acts on it.
import type { PgSession } from '../db/session.ts';
import type { QualifiedName } from '../pg/ident.ts';
import * as sql from './state.sql.ts';
import type { EventRecord } from './state-records.ts';

/** What `millrace objects` can ask for. */
export type ObjectRequest = 'include' | 'skip' | 'pause' | 'resume' | 'restart';

/**
 * Writes the request for the named objects (null: all of the pipeline). No epoch is needed: it changes only what is wanted, never what is.
 * Returns the source names that it reached; a name that is missing there is no object of the pipeline.
 */
export async function requestObjectChange(
  session: PgSession,
  pipeline: string,
  request: { readonly change: ObjectRequest; readonly objects: readonly QualifiedName[] | null },
): Promise<readonly QualifiedName[]> {
  const names = request.objects === null ? null : JSON.stringify(request.objects.map(({ schema, name }) => [schema, name]));
  const rows = await session.query(sql.requestChange(ASSIGNMENTS[request.change]), [pipeline, names]);
  return rows.map((row) => ({ schema: row[0] ?? '', name: row[1] ?? '' }));
}

/** Adds an event to the pipeline's log and forgets all but the last ones. `text` never holds a row's values. */
export async function addEvent(
  session: PgSession,
  pipeline: string,
  event: { readonly object: string | null; readonly code: string; readonly text: string },
): Promise<void> {
  await session.query(sql.INSERT_EVENT, [pipeline, event.object, event.code, event.text]);
  await session.query(sql.TRIM_EVENTS, [pipeline, KEPT_EVENTS]);
}

/** The last `limit` events, the oldest first. */
export async function loadEvents(session: PgSession, pipeline: string, limit: number = KEPT_EVENTS): Promise<readonly EventRecord[]> {
  const rows = await session.query(sql.SELECT_EVENTS, [pipeline, limit]);
  return rows.map((row) => ({ at: row[0] ?? '', object: row[1] ?? null, code: row[2] ?? '', text: row[3] ?? '' }));
}

/** How many events of a pipeline are kept. */
export const KEPT_EVENTS = 1_000;

/** `include` and `restart` also end an operator's pause; `resume` also retries what failed. */
const ASSIGNMENTS: Readonly<Record<ObjectRequest, string>> = {
  include: "desired = 'included'",
  skip: "desired = 'skipped', restart_requested = false, resume_requested = false",
  pause: "desired = 'paused', resume_requested = false",
  resume: "desired = 'included', resume_requested = true",
  restart: "desired = 'included', restart_requested = true, resume_requested = false",
};
