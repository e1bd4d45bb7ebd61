// Asks a source which system it is, on which timeline, and where its log stands: what continuity is proved by.
import type { PgSession } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { MillraceError } from '../model/error.ts';
import { type Lsn, parseLsn } from '../pg/lsn.ts';
import { boolAt, intAt, optionalTextAt, textAt } from './catalog-row.ts';
import { CURRENT_LSN } from './slot.sql.ts';

export interface SystemIdentity {
  /** Unique per cluster; survives restarts and promotions, not initdb or pg_upgrade. */
  readonly systemId: string;
  readonly timeline: number;
  /** What the server has flushed (or, on a standby, replayed). */
  readonly currentLsn: Lsn;
  readonly database: string;
}

/** Where one timeline ended and the next began. */
export interface TimelineSwitch {
  readonly timeline: number;
  readonly endLsn: Lsn;
}

/**
 * IDENTIFY_SYSTEM on a session with `replication: 'database'`: the only place that tells the timeline right after a promotion.
 * Source: PostgreSQL manual, "53.4. Streaming Replication Protocol".
 */
export async function identifySystem(replication: PgSession): Promise<SystemIdentity> {
  const [row] = await replication.query('IDENTIFY_SYSTEM');
  const facts = must(row, 'the answer to IDENTIFY_SYSTEM');
  return {
    systemId: textAt(facts, 0),
    timeline: intAt(facts, 1),
    currentLsn: parseLsn(textAt(facts, 2)),
    database: optionalTextAt(facts, 3) ?? '',
  };
}

/** Why a standby is no source, whether or not it can decode. */
export const STANDBY_CAUSE =
  'the source is a standby: its snapshots do not say which transactions were running, so a historical load could lose rows';

/** Throws `source_in_recovery` on a standby. On an ordinary session. */
export async function requirePrimary(session: PgSession): Promise<void> {
  const [row] = await session.query('SELECT pg_catalog.pg_is_in_recovery()');
  if (boolAt(must(row, 'the recovery state'), 0)) throw new MillraceError('source_in_recovery', { cause: STANDBY_CAUSE, side: 'source' });
}

/** The system identifier, on an ordinary session. */
export async function readSystemId(session: PgSession): Promise<string> {
  const [row] = await session.query('SELECT c.system_identifier FROM pg_catalog.pg_control_system() AS c');
  return textAt(must(row, 'the system identifier'), 0);
}

/** The end of what the server has flushed (or, on a standby, replayed), on an ordinary session. */
export async function currentWalLsn(session: PgSession): Promise<Lsn> {
  const [row] = await session.query(`SELECT ${CURRENT_LSN}`);
  return parseLsn(textAt(must(row, 'the current WAL position'), 0));
}

/**
 * A position behind every commit that this session can see, on an ordinary session of a primary: commits may be visible before they are
 * flushed. Behind a page's end the next record begins after the page's header, which nobody has to wait for.
 */
export async function visibleWalLsn(session: PgSession): Promise<Lsn> {
  const [row] = await session.query('SELECT pg_catalog.pg_current_wal_insert_lsn()');
  const lsn = parseLsn(textAt(must(row, 'the position of the next WAL record'), 0));
  const offset = lsn % WAL_PAGE_BYTES;
  return (WAL_HEADER_BYTES.includes(offset) ? lsn - offset : lsn) as Lsn;
}

const WAL_PAGE_BYTES = 8192n;
/** Of a page, and of a segment's first page. */
const WAL_HEADER_BYTES: readonly bigint[] = [24n, 40n];

/** The timelines before this one, oldest first; on a session with `replication: 'database'`. The first timeline has none. */
export async function readTimelineHistory(replication: PgSession, timeline: number): Promise<readonly TimelineSwitch[]> {
  if (timeline === 1) return [];
  const [row] = await replication.query(`TIMELINE_HISTORY ${timeline}`);
  return parseTimelineHistory(textAt(must(row, 'the timeline history'), 1));
}

/** Reads a timeline history file: `timeline TAB position TAB reason` per line, with comments. */
export function parseTimelineHistory(text: string): readonly TimelineSwitch[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    return match?.[1] === undefined || match[2] === undefined ? [] : [{ timeline: Number(match[1]), endLsn: parseLsn(match[2]) }];
  });
}
