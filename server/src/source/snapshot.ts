// Fixes the moment of a historical load: a snapshot that several sessions share, of relations that can't be changed under it.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession, Row } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel, type SourceColumn, type SourceLeaf, type SourceTable } from '../model/table.ts';
import { type Lsn, parseLsn } from '../pg/lsn.ts';
import { parseSnapshot, type Snapshot } from '../pg/snapshot.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { parseServerVersion, type ServerVersion } from '../pg/version.ts';
import type { CopyLeaf } from './chunks.ts';
import {
  BEGIN_SNAPSHOT,
  CANCEL_BACKENDS,
  COLUMNS,
  GUARD_SETTINGS,
  IS_IN_THE_WAY,
  lockTable,
  RELATIONS,
  TAKE_SNAPSHOT,
} from './snapshot.sql.ts';

export interface SnapshotOptions {
  /**
   * Whether the stream has passed the commit of a transaction that this snapshot does not see. A commit is in the WAL, and may have been
   * streamed, before other sessions see it: for a moment always, for long where it waits for a synchronous standby. Its change would
   * be in neither the copy nor the stream, so such a snapshot is dropped and taken again.
   */
  readonly hasStreamedInvisible: (snapshot: Snapshot) => boolean;
  /** How long to try for a snapshot without such transactions; half a minute when absent. */
  readonly settleTimeoutMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** An open snapshot. Its relations stay locked ACCESS SHARE until `close`. */
export class CopySnapshot {
  readonly #holder: PgSession;
  /** `pg_current_snapshot()` in Postgres' text form. */
  readonly text: string;
  readonly snapshot: Snapshot;
  /** A WAL position after the snapshot: the commits that it sees all lie before. */
  readonly endLsn: Lsn;
  /** When it was taken, by the source's clock, in Postgres' text form. */
  readonly takenAt: string;
  /** What `SET TRANSACTION SNAPSHOT` takes, until `close`. */
  readonly exportedName: string;
  readonly version: ServerVersion;
  /** The relations to read from. */
  readonly leaves: readonly CopyLeaf[];
  /** The table's leaves as the catalogue described them, with the files that they have now. */
  readonly physical: readonly SourceLeaf[];

  constructor(holder: PgSession, facts: SnapshotFacts, relations: SnapshotRelations) {
    this.#holder = holder;
    this.text = facts.text;
    this.snapshot = facts.snapshot;
    this.endLsn = facts.endLsn;
    this.takenAt = facts.takenAt;
    this.exportedName = facts.exportedName;
    this.version = facts.version;
    this.leaves = relations.leaves;
    this.physical = relations.physical;
  }

  /** Whether DDL or a TRUNCATE of the application waits for us to let the relations go. */
  async isInTheWay(): Promise<boolean> {
    const [row] = await this.#holder.query(IS_IN_THE_WAY);
    return row?.[0] === 't';
  }

  /** Ends what other sessions of ours are doing at the source; never throws. */
  async cancel(backendPids: readonly number[]): Promise<void> {
    if (backendPids.length === 0) return;
    await this.#holder.query(CANCEL_BACKENDS, [`{${backendPids.join(',')}}`]).catch(() => {});
  }

  /** Ends the snapshot and releases the locks; never throws. */
  async close(): Promise<void> {
    await this.#holder.query('ROLLBACK').catch(() => {});
  }
}

/**
 * Opens a snapshot of `table` in `holder`, an idle session that is nothing else until `close`. The relations are locked first and
 * compared with what the catalogue said of them. Throws `object_vanished` when the name leads to something else now,
 * `partitions_changed` when the tree has other leaves or other files, `object_schema_changed` when columns differ,
 * `copy_interrupted` when the lock or a settled snapshot can't be had in time.
 */
export async function openCopySnapshot(holder: PgSession, table: SourceTable, options: SnapshotOptions): Promise<CopySnapshot> {
  const deadlineMs = performance.now() + (options.settleTimeoutMs ?? DEFAULT_SETTLE_TIMEOUT_MS);
  for (;;) {
    options.signal.throwIfAborted();
    await holder.query(BEGIN_SNAPSHOT);
    try {
      await lock(holder, table);
      const facts = readFacts(must((await holder.query(TAKE_SNAPSHOT))[0], 'the snapshot'));
      if (!options.hasStreamedInvisible(facts.snapshot)) return new CopySnapshot(holder, facts, await readLeaves(holder, table));
      if (performance.now() > deadlineMs) throw unsettled(table);
      await holder.query('ROLLBACK');
    } catch (error) {
      await holder.query('ROLLBACK').catch(() => {});
      throw error;
    }
    await delay(SETTLE_RETRY_MS, undefined, { signal: options.signal });
  }
}

/** Prepares a session of a historical load: call it once, while no transaction is open. */
export async function guardCopySession(session: PgSession): Promise<void> {
  await session.query(GUARD_SETTINGS);
}

const DEFAULT_SETTLE_TIMEOUT_MS = 30_000;
const SETTLE_RETRY_MS = 20;

interface SnapshotFacts {
  readonly text: string;
  readonly snapshot: Snapshot;
  readonly endLsn: Lsn;
  readonly exportedName: string;
  readonly version: ServerVersion;
  readonly takenAt: string;
}

interface SnapshotRelations {
  readonly leaves: readonly CopyLeaf[];
  readonly physical: readonly SourceLeaf[];
}

async function lock(holder: PgSession, table: SourceTable): Promise<void> {
  try {
    await holder.query(lockTable(table, table.relkind));
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    switch (error.facts.sqlstate) {
      case SqlState.undefinedTable:
      case UNDEFINED_SCHEMA:
      case WRONG_OBJECT_TYPE:
        throw vanished(table, 'no table of this name is there any more', error);
      case SqlState.lockNotAvailable:
        throw interrupted(table, 'the table is locked by another session', error);
      default:
        throw error;
    }
  }
}

function readFacts(row: Row): SnapshotFacts {
  const text = must(row[0], 'the snapshot');
  return {
    text,
    snapshot: parseSnapshot(text),
    endLsn: parseLsn(must(row[1], 'the WAL position')),
    exportedName: must(row[2], 'the exported snapshot'),
    version: parseServerVersion(must(row[3], 'the version')),
    takenAt: must(row[4], 'the time'),
  };
}

/** A relation of the tree, as it is under our lock. */
interface LockedRelation {
  readonly relkind: string;
  readonly leaf: CopyLeaf;
  readonly columnsVersion: string | undefined;
}

async function readLeaves(holder: PgSession, table: SourceTable): Promise<SnapshotRelations> {
  const relations = (await holder.query(RELATIONS, [table.oid])).map((row) => readRelation(row, table.relkind === 'r'));
  const root = relations.find(({ leaf }) => leaf.oid === table.oid);
  if (root === undefined || root.relkind !== table.relkind || root.leaf.schema !== table.schema || root.leaf.name !== table.name) {
    throw vanished(table, 'the name belongs to another relation now');
  }
  if (!sameColumns(table.columns, await holder.query(COLUMNS, [table.oid]))) {
    throw new MillraceError('object_schema_changed', {
      cause: `the columns of ${objectLabel(table)} changed before its rows could be copied`,
      object: objectLabel(table),
      side: 'source',
    });
  }
  if (table.relkind === 'r') return { leaves: [root.leaf], physical: asLocked(table.leaves, relations) };
  const leaves = relations.filter(({ relkind }) => relkind !== 'p').map(({ leaf }) => leaf);
  requireSameLeaves(table, leaves);
  const physical = asLocked(table.leaves, relations);
  const isReadable = table.leaves.every((leaf) => (leaf.access ?? 'ok') === 'ok');
  return { leaves: isReadable ? leaves : [throughRoot(root.leaf, leaves)], physical };
}

function readRelation(row: Row, only: boolean): LockedRelation {
  const [oid, relkind, schema, name, filenode, pages, sizeBytes, isHeap, columnsVersion] = row;
  return {
    relkind: must(relkind, 'relkind'),
    columnsVersion: columnsVersion ?? undefined,
    leaf: {
      oid: Number(oid),
      schema: must(schema, 'a schema'),
      name: must(name, 'a name'),
      relfilenode: Number(filenode),
      pages: Number(pages),
      sizeBytes: Number(sizeBytes),
      byPages: isHeap === 't',
      only: only || relkind !== 'p',
    },
  };
}

/** A column that was dropped and made anew under its name has another `attnum`: its values must not go into the old one's column. */
function sameColumns(expected: readonly SourceColumn[], rows: readonly Row[]): boolean {
  return (
    expected.length === rows.length &&
    expected.every((column, index) => {
      const [attnum, name, typeOid, typmod] = rows[index] ?? [];
      return (
        Number(attnum) === column.attnum && name === column.name && Number(typeOid) === column.typeOid && Number(typmod) === column.typmod
      );
    })
  );
}

/** The leaves with the files and descriptions that they have under our lock. */
function asLocked(described: readonly SourceLeaf[], relations: readonly LockedRelation[]): readonly SourceLeaf[] {
  const now = new Map(relations.map((relation) => [relation.leaf.oid, relation]));
  return described.map((leaf) => {
    const locked = now.get(leaf.oid);
    return locked === undefined ? leaf : { ...leaf, relfilenode: locked.leaf.relfilenode, columnsVersion: locked.columnsVersion };
  });
}

/** A leaf that was attached or rewritten since the catalogue was read may hold, or lack, rows that the stream says nothing of. */
function requireSameLeaves(table: SourceTable, leaves: readonly CopyLeaf[]): void {
  const filenodes = new Map(table.leaves.map((leaf) => [leaf.oid, leaf.relfilenode]));
  if (leaves.length === filenodes.size && leaves.every((leaf) => filenodes.get(leaf.oid) === leaf.relfilenode)) return;
  throw new MillraceError('partitions_changed', {
    cause: `the partitions of ${objectLabel(table)} changed before its rows could be copied`,
    object: objectLabel(table),
    side: 'source',
  });
}

/** Privileges of the root let us read its rows through it, but not a leaf by its own name. */
function throughRoot(root: CopyLeaf, leaves: readonly CopyLeaf[]): CopyLeaf {
  const sum = (of: (leaf: CopyLeaf) => number): number => leaves.reduce((total, leaf) => total + of(leaf), 0);
  return { ...root, pages: sum((leaf) => leaf.pages), sizeBytes: sum((leaf) => leaf.sizeBytes), byPages: false, only: false };
}

const UNDEFINED_SCHEMA = '3F000';
const WRONG_OBJECT_TYPE = '42809';

function vanished(table: SourceTable, what: string, underlying?: unknown): MillraceError {
  const facts = { cause: `${objectLabel(table)}: ${what}`, object: objectLabel(table), side: 'source' } as const;
  return new MillraceError('object_vanished', facts, underlying);
}

function unsettled(table: SourceTable): MillraceError {
  return interrupted(
    table,
    'a transaction was streamed before it became visible, and still is not: does it wait for a synchronous standby?',
  );
}

function interrupted(table: SourceTable, what: string, underlying?: unknown): MillraceError {
  const facts = { cause: `${objectLabel(table)}: ${what}`, object: objectLabel(table), side: 'source' } as const;
  return new MillraceError('copy_interrupted', facts, underlying);
}
