// Looks at our replication slot on the source, and drops it: never one that is not ours.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession, Row } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { MillraceError } from '../model/error.ts';
import { type Lsn, parseLsn } from '../pg/lsn.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { parseServerVersion } from '../pg/version.ts';
import { SERVER_VERSION_SQL } from './catalog.sql.ts';
import { boolAt, optionalIntAt, optionalTextAt, textAt } from './catalog-row.ts';
import { DROP_SLOT_SQL, slotSql, TERMINATE_SQL } from './slot.sql.ts';

/**
 * - `missing`: no slot of this name.
 * - `foreign`: the name is taken by a slot that can't be ours (physical, of another plugin or database).
 * - `half_created`: its creation has not ended, or was cut short: it holds WAL and can't stream.
 * - `invalidated`: the server gave up what the slot needed; nothing brings it back.
 * - `healthy`: it can stream from `confirmedFlushLsn` on.
 */
export type SlotState =
  | { readonly kind: 'missing' }
  | { readonly kind: 'foreign'; readonly why: string }
  | { readonly kind: 'half_created'; readonly activePid: number | null }
  | { readonly kind: 'invalidated'; readonly why: string; readonly activePid: number | null }
  | HealthySlot;

export interface HealthySlot {
  readonly kind: 'healthy';
  readonly confirmedFlushLsn: Lsn;
  readonly restartLsn: Lsn;
  /** The process that streams from the slot now. */
  readonly activePid: number | null;
  /** `reserved`, `extended` or `unreserved` (about to be lost). */
  readonly walStatus: string;
  /** How much more WAL may be written before the slot is in danger; null without a limit. */
  readonly safeWalSizeBytes: number | null;
  /** WAL that the source keeps because of the slot. */
  readonly retainedBytes: number;
  /** Transactions that were decoded for the slot since it was made; null before 14. 0 tells a slot that nobody ever used. */
  readonly decodedTransactions: number | null;
}

/** What the slot of this name is now. */
export async function inspectSlot(session: PgSession, name: string): Promise<SlotState> {
  const [versionRow] = await session.query(SERVER_VERSION_SQL);
  const version = parseServerVersion(textAt(must(versionRow, 'the server version'), 0));
  const [row] = await session.query(slotSql(version), [name]);
  return row === undefined ? { kind: 'missing' } : classify(row);
}

/**
 * Drops our slot and returns whether there was one. A session that streams from it is ended first: it can only be one of ours.
 * Throws `slot_in_use` when it can't be ended in time, or when the slot is not ours.
 */
export async function dropSlot(session: PgSession, name: string, timeoutMs: number = DROP_TIMEOUT_MS): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let existed = false; ; existed = true) {
    const slot = await inspectSlot(session, name);
    if (slot.kind === 'missing') return existed;
    if (slot.kind === 'foreign') throw new MillraceError('slot_in_use', { cause: `slot ${name} ${slot.why}`, side: 'source' });
    if (slot.activePid !== null) await session.query(TERMINATE_SQL, [slot.activePid]);
    else if (await tryDrop(session, name)) return true;
    if (performance.now() >= deadline) {
      throw new MillraceError('slot_in_use', { cause: `slot ${name} is held by process ${slot.activePid ?? 'unknown'}`, side: 'source' });
    }
    await delay(POLL_MS);
  }
}

const DROP_TIMEOUT_MS = 10_000;
const POLL_MS = 20;

/** False when somebody took the slot, or dropped it, since we looked. */
async function tryDrop(session: PgSession, name: string): Promise<boolean> {
  try {
    await session.query(DROP_SLOT_SQL, [name]);
    return true;
  } catch (error) {
    const sqlstate = error instanceof MillraceError ? error.facts.sqlstate : undefined;
    if (sqlstate === SqlState.objectInUse || sqlstate === SqlState.undefinedObject) return false;
    throw error;
  }
}

function classify(row: Row): SlotState {
  const plugin = optionalTextAt(row, 1);
  if (plugin === null) return { kind: 'foreign', why: 'is a physical slot' };
  if (plugin !== 'pgoutput') return { kind: 'foreign', why: `uses the plugin ${plugin}` };
  if (!boolAt(row, 2)) return { kind: 'foreign', why: 'belongs to another database' };
  if (boolAt(row, 3)) return { kind: 'foreign', why: 'is temporary' };
  const activePid = optionalIntAt(row, 4);
  const why = invalidationOf(row);
  if (why !== null) return { kind: 'invalidated', why, activePid };
  const restartLsn = optionalTextAt(row, 5);
  const confirmedFlushLsn = optionalTextAt(row, 6);
  if (restartLsn === null || confirmedFlushLsn === null) return { kind: 'half_created', activePid };
  return {
    kind: 'healthy',
    confirmedFlushLsn: parseLsn(confirmedFlushLsn),
    restartLsn: parseLsn(restartLsn),
    activePid,
    walStatus: optionalTextAt(row, 7) ?? 'unknown',
    safeWalSizeBytes: optionalIntAt(row, 8),
    retainedBytes: optionalIntAt(row, 11) ?? 0,
    decodedTransactions: optionalIntAt(row, 12),
  };
}

/** Why the server invalidated the slot, in the server's words; null while it did not. */
function invalidationOf(row: Row): string | null {
  const reason = optionalTextAt(row, 9);
  if (reason !== null) return reason;
  if (boolAt(row, 10)) return 'conflict with recovery';
  return optionalTextAt(row, 7) === 'lost' ? 'wal_removed' : null;
}
