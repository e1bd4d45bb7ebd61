// Waits for transactions that began to write to a table before it was published: their earlier changes are not in the stream.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession, Row } from '../db/session.ts';
import { optionalIntAt, optionalTextAt, textAt } from './catalog-row.ts';

/** A transaction that held a writer's lock when the wait began, and still does. */
export interface Writer {
  /** Null when it has written nothing at all yet. */
  readonly xid: string | null;
  /** Null for a prepared transaction. */
  readonly pid: number | null;
  /** The name of a prepared transaction. */
  readonly gid: string | null;
  /** Seconds since it began (or was prepared); null when the role may not see it. */
  readonly ageSeconds: number | null;
}

export type WaitOutcome = { readonly kind: 'clear' } | { readonly kind: 'timeout'; readonly writers: readonly Writer[] };

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly pollMs?: number | undefined;
}

/**
 * Resolves once no transaction is left that holds a writer's lock on one of these tables now (give the leaves too). Those that
 * begin later write under the new publication and are not waited for. Takes no lock itself. After a timeout the writers that
 * remain are named. Throws the signal's reason when aborted.
 */
export async function waitForWriters(session: PgSession, tableOids: Iterable<number>, options: WaitOptions): Promise<WaitOutcome> {
  const deadline = performance.now() + options.timeoutMs;
  const oids = [...tableOids].map(String);
  let holders: readonly Holder[] = (await session.query(WRITERS_SQL, [oids])).map(readHolder);
  while (holders.length > 0) {
    options.signal.throwIfAborted();
    if (performance.now() >= deadline) return { kind: 'timeout', writers: await describeHolders(session, holders) };
    await delay(options.pollMs ?? DEFAULT_POLL_MS, undefined, { signal: options.signal });
    holders = await stillOpen(session, holders);
  }
  return { kind: 'clear' };
}

/** One sentence about a writer, for people. */
export function describeWriter(writer: Writer): string {
  const who = writer.gid === null ? `process ${writer.pid ?? 'unknown'}` : `prepared transaction ${JSON.stringify(writer.gid)}`;
  const xid = writer.xid === null ? '' : `, transaction ${writer.xid}`;
  const age = writer.ageSeconds === null ? '' : `, open for ${writer.ageSeconds} s`;
  return `${who}${xid}${age}`;
}

interface Holder {
  /** `pg_locks.virtualtransaction`: ends with the transaction, and with PREPARE. */
  readonly virtualTransaction: string;
  readonly pid: number | null;
  /** Its transaction ids, those of subtransactions included: what a PREPARE keeps. */
  readonly xids: readonly string[];
}

/**
 * INSERT, UPDATE, DELETE, MERGE and COPY take ROW EXCLUSIVE, TRUNCATE takes ACCESS EXCLUSIVE, and both are kept to the end of
 * the transaction. The modes in between are VACUUM's, CREATE INDEX's and the like, which can last for hours and write no row.
 * Source: PostgreSQL manual, "13.3.1. Table-Level Locks" and "54.12. pg_locks".
 */
const WRITERS_SQL = `
WITH locks AS MATERIALIZED (
  SELECT l.virtualtransaction, l.pid, l.locktype, l.database, l.relation, l.mode, l.transactionid
  FROM pg_catalog.pg_locks AS l
  WHERE l.granted AND l.locktype IN ('relation', 'transactionid')
)
SELECT w.virtualtransaction, w.pid,
       pg_catalog.array_to_string(
         ARRAY(SELECT x.transactionid::pg_catalog.text FROM locks AS x
               WHERE x.locktype = 'transactionid' AND x.virtualtransaction = w.virtualtransaction), ',') AS xids
FROM (
  SELECT DISTINCT l.virtualtransaction, l.pid
  FROM locks AS l
  WHERE l.locktype = 'relation'
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    AND l.relation = ANY ($1::pg_catalog.oid[])
    AND l.mode IN ('RowExclusiveLock', 'AccessExclusiveLock')
) AS w
ORDER BY w.virtualtransaction`;

/**
 * $1 text[]: virtual transactions, $2 text[]: transaction ids. One scan, so that a transaction that is being prepared is seen
 * on one side or the other.
 */
const STILL_OPEN_SQL = `
SELECT DISTINCT l.virtualtransaction, CASE WHEN l.locktype = 'transactionid' THEN l.transactionid::pg_catalog.text END
FROM pg_catalog.pg_locks AS l
WHERE l.granted
  AND (l.virtualtransaction = ANY ($1::pg_catalog.text[])
       OR l.locktype = 'transactionid' AND l.transactionid::pg_catalog.text = ANY ($2::pg_catalog.text[]))`;

/** $1 text[]: process ids, $2 text[]: transaction ids. */
const DETAILS_SQL = `
SELECT a.pid::pg_catalog.text, NULL, NULL,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8
FROM pg_catalog.pg_stat_activity AS a
WHERE a.pid::pg_catalog.text = ANY ($1::pg_catalog.text[])
UNION ALL
SELECT NULL, p.transaction::pg_catalog.text, p.gid,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - p.prepared)::pg_catalog.int8
FROM pg_catalog.pg_prepared_xacts AS p
WHERE p.transaction::pg_catalog.text = ANY ($2::pg_catalog.text[])`;

const DEFAULT_POLL_MS = 200;

function readHolder(row: Row): Holder {
  return {
    virtualTransaction: textAt(row, 0),
    pid: optionalIntAt(row, 1),
    xids: textAt(row, 2)
      .split(',')
      .filter((xid) => xid !== ''),
  };
}

async function stillOpen(session: PgSession, holders: readonly Holder[]): Promise<readonly Holder[]> {
  const rows = await session.query(STILL_OPEN_SQL, [
    holders.map((holder) => holder.virtualTransaction),
    holders.flatMap((holder) => holder.xids),
  ]);
  const open = new Set(rows.flat());
  return holders.filter((holder) => open.has(holder.virtualTransaction) || holder.xids.some((xid) => open.has(xid)));
}

async function describeHolders(session: PgSession, holders: readonly Holder[]): Promise<readonly Writer[]> {
  const pids = holders.flatMap((holder) => (holder.pid === null ? [] : [String(holder.pid)]));
  const rows = await session.query(DETAILS_SQL, [pids, holders.flatMap((holder) => holder.xids)]);
  return holders.map((holder) => {
    const prepared = rows.find((row) => row[1] !== null && holder.xids.includes(textAt(row, 1)));
    const details = prepared ?? rows.find((row) => row[0] !== null && textAt(row, 0) === String(holder.pid));
    return {
      xid: holder.xids[0] ?? null,
      pid: prepared === undefined ? holder.pid : null,
      gid: prepared === undefined ? null : optionalTextAt(prepared, 2),
      ageSeconds: details === undefined ? null : optionalIntAt(details, 3),
    };
  });
}
