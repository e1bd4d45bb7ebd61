// Creates the replication slot; where that hangs behind somebody's open transaction, gives up cleanly and says whose.
import type { PgSession, Row } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { MillraceError } from '../model/error.ts';
import type { ErrorName } from '../model/error-catalogue.ts';
import { type Lsn, parseLsn } from '../pg/lsn.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { parseServerVersion } from '../pg/version.ts';
import { SERVER_VERSION_SQL } from './catalog.sql.ts';
import { boolAt, optionalIntAt, optionalTextAt, textAt } from './catalog-row.ts';
import { dropSlot, inspectSlot } from './slot.ts';
import { CANCEL_SQL, createSlotCommand, SLOT_BLOCKERS_SQL, TERMINATE_SQL } from './slot.sql.ts';

export interface CreatedSlot {
  /** Every transaction that commits after this position is streamed. */
  readonly consistentPoint: Lsn;
  /** For SET TRANSACTION SNAPSHOT; lives until the next command on the session that created the slot. */
  readonly snapshotName: string;
}

export interface CreateSlotOptions {
  /** An ordinary session on the same server, as the same role: it watches, and cancels what hangs. */
  readonly monitor: PgSession;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Whether standbys may keep a copy of the slot (17 and later); absent: yes. */
  readonly failover?: boolean | undefined;
}

/**
 * Creates a logical slot and exports the snapshot of its first position. `replication` is a session with
 * `replication: 'database'`; do nothing else on it while the snapshot is needed.
 * A slot waits for every transaction that was open, prepared ones included, in whatever database. When that takes longer than
 * the timeout, nothing is left behind and `slot_creation_blocked` names the transaction.
 */
export async function createSlot(replication: PgSession, name: string, options: CreateSlotOptions): Promise<CreatedSlot> {
  options.signal.throwIfAborted();
  const [row] = await options.monitor.query(`${SERVER_VERSION_SQL}, pg_catalog.pg_is_in_recovery()`);
  const facts = must(row, 'the server version');
  const version = parseServerVersion(textAt(facts, 0));
  const inRecovery = boolAt(facts, 1);
  const command = createSlotCommand(name, version, (options.failover ?? true) && !inRecovery);
  const creation = replication.query(command).then(readCreated);
  const limit = startLimit(options);
  const outcome = await Promise.race([settle(creation), limit.reached]);
  limit.release();
  if (outcome.kind === 'created') return outcome.slot;
  if (outcome.kind === 'failed') throw creationError(outcome.error, name);

  const blockers = await options.monitor.query(SLOT_BLOCKERS_SQL, [replication.backendPid]);
  const late = await giveUp(replication, creation, options.monitor);
  if (late.kind === 'created' && outcome.kind === 'timeout') return late.slot;
  await dropLeftOver(options.monitor, name);
  options.signal.throwIfAborted();
  throw blockedError(blockers, { name, timeoutMs: options.timeoutMs, inRecovery });
}

type Creation = { readonly kind: 'created'; readonly slot: CreatedSlot } | { readonly kind: 'failed'; readonly error: unknown };

function readCreated(rows: readonly Row[]): CreatedSlot {
  const row = must(rows[0], 'the created slot');
  return { consistentPoint: parseLsn(textAt(row, 1)), snapshotName: textAt(row, 2) };
}

function settle(creation: Promise<CreatedSlot>): Promise<Creation> {
  return creation.then(
    (slot) => ({ kind: 'created', slot }),
    (error: unknown) => ({ kind: 'failed', error }),
  );
}

interface Limit {
  /** Resolves at the timeout or at the abort, whichever comes first. */
  readonly reached: Promise<{ readonly kind: 'timeout' | 'aborted' }>;
  /** Gives the timer and the listener back; the promise then never resolves. */
  release(): void;
}

function startLimit(options: CreateSlotOptions): Limit {
  let release = (): void => {};
  const reached = new Promise<{ readonly kind: 'timeout' | 'aborted' }>((resolve) => {
    const onAbort = (): void => resolve({ kind: 'aborted' });
    const timer = setTimeout(() => resolve({ kind: 'timeout' }), options.timeoutMs);
    options.signal.addEventListener('abort', onAbort, { once: true });
    release = () => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', onAbort);
    };
  });
  return { reached, release };
}

/** Cancels the command; a server that does not obey loses the connection. */
async function giveUp(replication: PgSession, creation: Promise<CreatedSlot>, monitor: PgSession): Promise<Creation> {
  await monitor.query(CANCEL_SQL, [replication.backendPid]);
  const force = setTimeout(() => {
    monitor.query(TERMINATE_SQL, [replication.backendPid]).catch(() => {});
    replication.destroy();
  }, CANCEL_TIMEOUT_MS);
  const outcome = await settle(creation);
  clearTimeout(force);
  return outcome;
}

const CANCEL_TIMEOUT_MS = 5_000;

/** The server drops a slot whose creation failed by itself; this is for the case that it did not, or that it was done after all. */
async function dropLeftOver(monitor: PgSession, name: string): Promise<void> {
  const slot = await inspectSlot(monitor, name);
  if (slot.kind === 'half_created' || slot.kind === 'healthy') await dropSlot(monitor, name);
}

interface BlockedFacts {
  readonly name: string;
  readonly timeoutMs: number;
  readonly inRecovery: boolean;
}

function blockedError(blockers: readonly Row[], facts: BlockedFacts): MillraceError {
  const waited = `slot ${facts.name} could not be made within ${Math.round(facts.timeoutMs / 1000)} s`;
  const [first] = blockers;
  if (first === undefined) {
    const fix = facts.inRecovery ? 'On the primary: SELECT pg_catalog.pg_log_standby_snapshot();' : undefined;
    const why = facts.inRecovery
      ? 'a standby waits for the primary to log its open transactions'
      : 'the server did not say what it waits for';
    return new MillraceError('slot_creation_blocked', { cause: `${waited}: ${why}`, fix, side: 'source' });
  }
  const gid = optionalTextAt(first, 2);
  const pid = optionalIntAt(first, 1);
  const fix =
    gid === null
      ? `SELECT pg_catalog.pg_terminate_backend(${pid}); (or wait until that transaction has ended)`
      : `COMMIT PREPARED or ROLLBACK PREPARED in database ${optionalTextAt(first, 4)}; its name is ${JSON.stringify(gid)}.`;
  return new MillraceError('slot_creation_blocked', {
    cause: `${waited}: it waits for ${blockers.map(describeBlocker).join(', and for ')}`,
    fix,
    side: 'source',
  });
}

function describeBlocker(row: Row): string {
  const gid = optionalTextAt(row, 2);
  const age = optionalIntAt(row, 3);
  const application = optionalTextAt(row, 6);
  const state = optionalTextAt(row, 7);
  const who = gid === null ? `process ${optionalIntAt(row, 1) ?? 'unknown'}` : `prepared transaction ${JSON.stringify(gid)}`;
  const details = [
    `transaction ${textAt(row, 0)}`,
    ...(age === null ? [] : [`open for ${age} s`]),
    ...(optionalTextAt(row, 4) === null ? [] : [`database ${optionalTextAt(row, 4)}`]),
    ...(optionalTextAt(row, 5) === null ? [] : [`role ${optionalTextAt(row, 5)}`]),
    ...(application === null || application === '' ? [] : [`application ${JSON.stringify(application)}`]),
    ...(state === null ? [] : [state]),
  ];
  return `${who} (${details.join(', ')})`;
}

/** Says which prerequisite is missing, by SQLSTATE. */
function creationError(error: unknown, name: string): unknown {
  if (!(error instanceof MillraceError)) return error;
  const errorName = prerequisiteOf(error.facts.sqlstate, error.message);
  if (errorName === null) return error;
  return new MillraceError(errorName, { cause: `slot ${name}: ${error.message}`, sqlstate: error.facts.sqlstate, side: 'source' }, error);
}

function prerequisiteOf(sqlstate: string | undefined, message: string): ErrorName | null {
  switch (sqlstate) {
    case SqlState.duplicateObject:
      return 'slot_in_use';
    case SqlState.configurationLimitExceeded:
      return 'no_free_slot';
    case SqlState.objectNotInPrerequisiteState:
      // "replication slots can only be used if max_replication_slots > 0": the setting's name stands in every translation.
      return message.includes('max_replication_slots') ? 'no_free_slot' : 'wal_level_not_logical';
    case SqlState.insufficientPrivilege:
      return 'replication_role_missing';
    default:
      return null;
  }
}
