// Positions of the source that a comparison waits for: where its log ends, where a slot stands, and which transactions are about to end.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { MillraceError } from '../model/error.ts';
import { type Lsn, parseLsn } from '../pg/lsn.ts';

/**
 * A position behind every transaction that a query could see before this call. The insert position counts, not the write position:
 * a transaction with `synchronous_commit = off` is visible before its commit is written.
 */
export async function readSourceLsn(session: PgSession): Promise<Lsn> {
  const [row] = await session.query(SOURCE_LSN);
  const [lsn, blockBytes, segmentBytes] = must(row, 'the position of the source');
  return endOfRecords(parseLsn(must(lsn, 'a position')), Number(blockBytes), Number(segmentBytes));
}

/**
 * The end of the last record before an insert position. When a record ends with its page, the insert position is behind the next page's
 * header, where nothing stands yet: nobody would ever reach it on an idle server. Header sizes as in `access/xlog_internal.h`.
 */
export function endOfRecords(insertLsn: Lsn, blockBytes: number, segmentBytes: number): Lsn {
  const inSegment = insertLsn % BigInt(segmentBytes);
  if (inSegment === LONG_HEADER_BYTES) return (insertLsn - LONG_HEADER_BYTES) as Lsn;
  const inPage = insertLsn % BigInt(blockBytes);
  return inPage === SHORT_HEADER_BYTES && inSegment !== inPage ? ((insertLsn - SHORT_HEADER_BYTES) as Lsn) : insertLsn;
}

const LONG_HEADER_BYTES = 40n;
const SHORT_HEADER_BYTES = 24n;

/** Where a slot stands. */
export interface SlotPosition {
  readonly isActive: boolean;
  readonly confirmed: Lsn;
}

/** Throws `slot_lost` when there is no such slot in this database. */
export async function readSlotPosition(session: PgSession, slot: string): Promise<SlotPosition> {
  const [row] = await session.query(SLOT_POSITION, [slot]);
  const [active, confirmed] = row ?? [];
  if (confirmed === undefined || confirmed === null) {
    throw new MillraceError('slot_lost', { cause: `there is no replication slot ${slot} in this database`, side: 'source' });
  }
  return { isActive: active === 't', confirmed: parseLsn(confirmed) };
}

export interface SettleLimits {
  /** How long to wait at most for transactions that were open at the start. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until every transaction that was sent to the destination before this call can be seen at the source too. A commit is in the log,
 * and may be applied elsewhere, a moment before queries at the source see it. Without a synchronous standby that moment is short, so
 * a transaction that stays open simply has not committed; with one, only the end of the transaction tells. False: it did not end in time.
 */
export async function waitForOpenTransactions(session: PgSession, limits: SettleLimits): Promise<boolean> {
  const start = await openTransactions(session);
  let open = start.xids;
  const deadline = Date.now() + (start.hasSynchronousStandby ? limits.timeoutMs : Math.min(limits.timeoutMs, VISIBILITY_DELAY_MS));
  for (let intervalMs = FIRST_INTERVAL_MS; open.size > 0; intervalMs = Math.min(2 * intervalMs, LAST_INTERVAL_MS)) {
    if (Date.now() > deadline) return !start.hasSynchronousStandby;
    await delay(intervalMs, undefined, { signal: limits.signal });
    const now = await openTransactions(session);
    open = new Set([...open].filter((xid) => now.xids.has(xid)));
  }
  return true;
}

/** Far more than a busy server needs between writing a commit and showing it. */
const VISIBILITY_DELAY_MS = 2_000;
const FIRST_INTERVAL_MS = 5;
const LAST_INTERVAL_MS = 50;

interface OpenTransactions {
  readonly xids: ReadonlySet<string>;
  readonly hasSynchronousStandby: boolean;
}

async function openTransactions(session: PgSession): Promise<OpenTransactions> {
  const rows = await session.query(OPEN_TRANSACTIONS);
  return {
    xids: new Set(rows.flatMap(([xid]) => (xid ? [xid] : []))),
    hasSynchronousStandby: rows.some(([, standbys]) => standbys !== ''),
  };
}

/** Source: manual, "9.28.3. Backup Control Functions" and "9.28.4. Recovery Control Functions". */
const SOURCE_LSN = `
  SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
              ELSE pg_catalog.pg_current_wal_insert_lsn() END,
         pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_block_size')),
         pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))`;

const SLOT_POSITION = `
  SELECT s.active, s.confirmed_flush_lsn
  FROM pg_catalog.pg_replication_slots AS s
  WHERE s.slot_name = $1 AND s.database = pg_catalog.current_database()`;

/**
 * One row for each open transaction that has written, or one without any. A transaction holds the lock on its own id until others can see
 * what it did (a snapshot's list would not do: it ends at the newest transaction that has ended).
 */
const OPEN_TRANSACTIONS = `
  SELECT l.transactionid, pg_catalog.current_setting('synchronous_standby_names')
  FROM (SELECT true) AS one (row)
  LEFT JOIN pg_catalog.pg_locks AS l ON l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted`;
