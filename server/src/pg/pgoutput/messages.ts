// What the pgoutput decoder hands out: one method per message, rows as offsets into the bytes they arrived in.
import type { Lsn } from '../lsn.ts';

/** How an UPDATE or DELETE carries the old row: not at all, its key columns, or all of it. */
export const OldKind = {
  absent: 0,
  /** The columns of the replica identity; the others are sent as NULL. */
  key: 0x4b, // K
  /** The whole row (REPLICA IDENTITY FULL). */
  full: 0x4f, // O
} as const;

export type OldKind = (typeof OldKind)[keyof typeof OldKind];

/** Offset of an old tuple that was not sent. */
export const NO_TUPLE = -1;

/**
 * Receives the messages of one stream in order. Tuple offsets point at the tuple's column count; every tuple has been
 * checked against the end of its message, so it can be walked with the unchecked readers of `tuple.ts`. The bytes are
 * valid during the call only.
 */
export interface PgoutputSink {
  /** `finalLsn` is the commit's position; the time is in microseconds since 2000; `xid` is the top-level transaction's. */
  begin(finalLsn: Lsn, commitTimeMicros: bigint, xid: number): void;
  commit(commitLsn: Lsn, endLsn: Lsn, commitTimeMicros: bigint): void;
  /** Comes before the first row of a relation in a session, and again after its definition may have changed. */
  relation(message: RelationMessage): void;
  /** `end` is the offset behind the new tuple. */
  insert(relationOid: number, bytes: Buffer, newTuple: number, end: number): void;
  /** The old tuple, if there is one, ends at `newTuple - 1`: between the two stands one kind byte. */
  update(relationOid: number, bytes: Buffer, oldKind: OldKind, oldTuple: number, newTuple: number, end: number): void;
  delete(relationOid: number, bytes: Buffer, oldKind: OldKind, oldTuple: number, end: number): void;
  /** All relations that one TRUNCATE names (and those that CASCADE added) come in one message. */
  truncate(relationOids: readonly number[], cascade: boolean, restartIdentity: boolean): void;
  type(typeOid: number, schema: string, name: string): void;
  /** The transaction came to the source by replication from elsewhere. */
  origin(commitLsn: Lsn, name: string): void;
  /** A message of `pg_logical_emit_message`; sent only when asked for. The content is `bytes[content, end)`. */
  message(transactional: boolean, lsn: Lsn, prefix: string, bytes: Buffer, content: number, end: number): void;
}

/** The letters of `pg_class.relreplident`. */
export type ReplicaIdentityLetter = 'd' | 'n' | 'f' | 'i';

export interface RelationMessage {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly replicaIdentity: ReplicaIdentityLetter;
  /** The columns that rows will carry, in the order they carry them. */
  readonly columns: readonly RelationColumn[];
}

export interface RelationColumn {
  /** Bit 0: the column is part of the key (the replica identity). */
  readonly flags: number;
  readonly name: string;
  readonly typeOid: number;
  /** `pg_attribute.atttypmod`; -1 for none. */
  readonly typmod: number;
}

/** The bit of `RelationColumn.flags` for a column of the replica identity. */
export const COLUMN_IS_KEY = 1;
