// Reads, without taking anything from the slot, which rows of one object a stopped pipeline has yet to apply.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { MillraceError } from '../model/error.ts';
import { keyId, type PendingChanges } from '../model/verify.ts';
import { quoteIdent } from '../pg/ident.ts';
import { formatLsn, type Lsn, parseLsn } from '../pg/lsn.ts';
import { decodeMessage } from '../pg/pgoutput/decode.ts';
import type { PgoutputSink, RelationMessage } from '../pg/pgoutput/messages.ts';
import {
  nextColumn,
  TUPLE_HEADER_BYTES,
  TupleKind,
  tupleColumnCount,
  VALUE_HEADER_BYTES,
  valueLengthBytes,
  columnKind,
} from '../pg/pgoutput/tuple.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { readSlotPosition } from './verify-position.ts';

export interface PendingRequest {
  readonly slot: string;
  readonly publications: readonly string[];
  /** OIDs of the table and of its leaves. */
  readonly oids: readonly number[];
  /** Names of the key's columns at the source; empty: rows have no key. */
  readonly key: readonly string[];
  /** Transactions that end at or before this position have been applied. */
  readonly from: Lsn;
  /** Transactions that end before this position are looked at. */
  readonly upTo: Lsn;
  /** Log that may be decoded at most: the server keeps what it decodes in temporary files. */
  readonly maxWalBytes: number;
}

/** What the slot still holds of the object. Needs the right to use the slot; whatever forbids it is a reason, not an error. */
export async function readPendingChanges(session: PgSession, request: PendingRequest): Promise<PendingChanges> {
  const { confirmed, isActive } = await readSlotPosition(session, request.slot);
  if (isActive) return { kind: 'running' };
  if (request.upTo - confirmed > BigInt(request.maxWalBytes)) {
    return {
      kind: 'unknown',
      reason: `the source has written more than ${request.maxWalBytes} bytes of log that the pipeline has yet to read`,
    };
  }
  const known = await session.query(PUBLICATIONS, [request.publications]);
  if (known.length < request.publications.length) {
    // PostgreSQL 18 leaves out the changes of a publication that is gone, and says so to nobody.
    return { kind: 'unknown', reason: `a publication of the pipeline is gone (it needs ${request.publications.join(', ')})` };
  }
  if (!(await waitForFlush(session, request.upTo))) {
    return { kind: 'unknown', reason: `the source does not write its log up to ${formatLsn(request.upTo)}` };
  }
  const collector = new KeyCollector(request);
  try {
    await session.transaction('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY', () => peek(session, request, collector));
  } catch (error) {
    return pendingFailure(error);
  }
  return collector.result;
}

const FETCH_ROWS = 2_000;
const MAX_KEYS = 1_000_000;
const FLUSH_TIMEOUT_MS = 5_000;
const FLUSH_INTERVAL_MS = 20;

async function peek(session: PgSession, request: PendingRequest, collector: KeyCollector): Promise<void> {
  await session.query(PEEK, [
    request.slot,
    formatLsn(request.upTo),
    request.publications.map((name) => quoteIdent(name)).join(','),
    request.oids.map((oid) => `\\x${oid.toString(16).padStart(8, '0')}`),
  ]);
  for (;;) {
    const rows = await session.query(`FETCH FORWARD ${FETCH_ROWS} FROM millrace_pending`);
    for (const [data] of rows) {
      const bytes = Buffer.from((data ?? '').slice(2), 'hex');
      decodeMessage(bytes, 0, bytes.length, collector);
    }
    if (rows.length < FETCH_ROWS) break;
  }
  await session.query('CLOSE millrace_pending');
}

function pendingFailure(error: unknown): PendingChanges {
  if (!(error instanceof MillraceError) || error.facts.sqlstate === undefined || error.errorName === 'connection_lost') throw error;
  // Somebody took the slot since we looked.
  if (error.facts.sqlstate === SqlState.objectInUse) return { kind: 'running' };
  return { kind: 'unknown', reason: `the slot's waiting changes can't be read (${error.message})` };
}

/** Decoding ends where the log is flushed; commits with `synchronous_commit = off` are flushed a little later. */
async function waitForFlush(session: PgSession, lsn: Lsn): Promise<boolean> {
  const deadline = Date.now() + FLUSH_TIMEOUT_MS;
  for (;;) {
    const [row] = await session.query(FLUSHED);
    if (parseLsn(must(row?.[0], 'the flushed position')) >= lsn) return true;
    if (Date.now() > deadline) return false;
    await delay(FLUSH_INTERVAL_MS);
  }
}

/** Collects the keys of changed rows: of a transaction when it ends, if it has not been applied already. */
class KeyCollector implements PgoutputSink {
  readonly #request: PendingRequest;
  readonly #oids: ReadonlySet<number>;
  readonly #relations = new Map<number, readonly number[]>();
  readonly #keys = new Set<string>();
  #transaction = new Set<string>();
  #transactionTouchesAll = false;
  #touchesAll = false;

  constructor(request: PendingRequest) {
    this.#request = request;
    this.#oids = new Set(request.oids);
  }

  get result(): PendingChanges {
    return this.#touchesAll ? { kind: 'everything' } : { kind: 'keys', keys: this.#keys };
  }

  begin(): void {
    this.#transaction = new Set();
    this.#transactionTouchesAll = false;
  }

  commit(_commitLsn: Lsn, endLsn: Lsn): void {
    if (endLsn <= this.#request.from) return;
    if (this.#transactionTouchesAll) this.#touchesAll = true;
    for (const key of this.#transaction) this.#keys.add(key);
  }

  relation(message: RelationMessage): void {
    if (!this.#oids.has(message.oid)) return;
    const places = this.#request.key.map((name) => message.columns.findIndex((column) => column.name === name));
    this.#relations.set(message.oid, places);
  }

  insert(oid: number, bytes: Buffer, newTuple: number, end: number): void {
    this.#touch(oid, bytes, newTuple, end);
  }

  update(oid: number, bytes: Buffer, _oldKind: number, oldTuple: number, newTuple: number, end: number): void {
    if (oldTuple >= 0) this.#touch(oid, bytes, oldTuple, newTuple - 1);
    this.#touch(oid, bytes, newTuple, end);
  }

  delete(oid: number, bytes: Buffer, _oldKind: number, oldTuple: number, end: number): void {
    this.#touch(oid, bytes, oldTuple, end);
  }

  truncate(oids: readonly number[]): void {
    if (oids.some((oid) => this.#oids.has(oid))) this.#transactionTouchesAll = true;
  }

  type(): void {}
  origin(): void {}
  message(): void {}

  #touch(oid: number, bytes: Buffer, tuple: number, end: number): void {
    if (!this.#oids.has(oid)) return;
    const key = keyOf(bytes, tuple, end, this.#relations.get(oid) ?? []);
    if (key === null || this.#keys.size + this.#transaction.size >= MAX_KEYS) this.#transactionTouchesAll = true;
    else this.#transaction.add(key);
  }
}

/** The key's values as text, or null where the tuple does not tell them all. */
function keyOf(bytes: Buffer, tuple: number, end: number, places: readonly number[]): string | null {
  if (places.length === 0) return null;
  const values = new Map<number, string>();
  const count = tupleColumnCount(bytes, tuple, end);
  let at = tuple + TUPLE_HEADER_BYTES;
  for (let column = 0; column < count; column++, at = nextColumn(bytes, at)) {
    if (!places.includes(column) || columnKind(bytes, at) !== TupleKind.text) continue;
    const start = at + VALUE_HEADER_BYTES;
    values.set(column, bytes.toString('utf8', start, start + valueLengthBytes(bytes, at)));
  }
  const key = places.flatMap((place) => values.get(place) ?? []);
  return key.length === places.length ? keyId(key) : null;
}

/**
 * Changes come as messages of pgoutput (manual, "54.9. Logical Replication Message Formats"): only begins (B), commits (C), truncates (T)
 * and what is about the relations `$4` leave the server. Peeking confirms nothing (manual, "9.28.6. Replication Management Functions").
 */
const PEEK = `
  DECLARE millrace_pending NO SCROLL CURSOR WITHOUT HOLD FOR
  SELECT m.data
  FROM pg_catalog.pg_logical_slot_peek_binary_changes(
    $1::pg_catalog.name, $2::pg_catalog.pg_lsn, NULL, 'proto_version', '1', 'publication_names', $3::pg_catalog.text) AS m (lsn, xid, data)
  WHERE pg_catalog.get_byte(m.data, 0) IN (66, 67, 84)
     OR (pg_catalog.get_byte(m.data, 0) IN (68, 73, 82, 85) AND pg_catalog.substr(m.data, 2, 4) = ANY ($4::pg_catalog.bytea[]))`;

const PUBLICATIONS = 'SELECT p.pubname FROM pg_catalog.pg_publication AS p WHERE p.pubname = ANY ($1::pg_catalog.text[])';

const FLUSHED = `
  SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
              ELSE pg_catalog.pg_current_wal_flush_lsn() END`;
