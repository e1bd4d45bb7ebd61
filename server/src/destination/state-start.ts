// Begins a pipeline's position anew: a slot was made, and everything is loaded again from there.
import type { PgSession } from '../db/session.ts';
import { quoteIdent } from '../pg/ident.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import { STATE_SCHEMA } from './names.ts';
import { fenced } from './state.ts';
import type { Fence } from './state-records.ts';

/** Where a new slot begins. */
export interface FreshStart {
  readonly slotName: string;
  readonly timeline: number;
  /** Every transaction that commits after this comes through the slot. */
  readonly checkpoint: Lsn;
}

/** Sets the checkpoint to a new slot's start, whatever it was. Throws `fenced`. */
export async function startAnew(session: PgSession, fence: Fence, start: FreshStart): Promise<void> {
  const rows = await session.query(START_ANEW, [fence.pipeline, fence.epoch, start.slotName, start.timeline, formatLsn(start.checkpoint)]);
  if (rows.length === 0) throw fenced(fence);
}

/** Lets a pipeline's state belong to another source: its objects are all to be loaded anew. */
export async function rebindPipeline(session: PgSession, pipeline: string, binding: { systemId: string; database: string }): Promise<void> {
  await session.query(REBIND, [pipeline, binding.systemId, binding.database]);
}

const S = quoteIdent(STATE_SCHEMA);

const START_ANEW = `
  UPDATE ${S}.pipeline
     SET slot_name = $3, timeline = $4::pg_catalog.int4, checkpoint_lsn = $5::pg_catalog.pg_lsn, confirmed_lsn = $5::pg_catalog.pg_lsn,
         checkpoint_commit_time = NULL, state = 'loading', reason = NULL, updated_at = pg_catalog.now()
   WHERE name = $1 AND epoch = $2::pg_catalog.int8
  RETURNING 1`;

const REBIND = `UPDATE ${S}.pipeline SET source_system_id = $2, source_database = $3 WHERE name = $1`;
