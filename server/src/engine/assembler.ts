// Turns decoded messages into batches: decides for every change whose it is, and collects it, keeps it aside or drops it.
import type { AnyBatch } from '../model/batch/any-batch.ts';
import type { ChangeOrigin } from '../model/batch/change-origin.ts';
import type { RowFormat, RowSlice, TupleSlice } from '../model/batch/row-format.ts';
import type { ChangeOutcome } from '../model/batch/object-batch.ts';
import { MillraceError } from '../model/error.ts';
import type { ErrorName } from '../model/error-catalogue.ts';
import { objectLabel } from '../model/table.ts';
import { type Lsn, LSN_ZERO } from '../pg/lsn.ts';
import { decodeMessage } from '../pg/pgoutput/decode.ts';
import { COLUMN_IS_KEY, type OldKind, type PgoutputSink, type RelationColumn, type RelationMessage } from '../pg/pgoutput/messages.ts';
import { type ExpectedColumn, type LiveObject, overlaps, owns, type StreamTransaction } from './live-object.ts';
import { type CommitPoint, StreamBatch } from './stream-batch.ts';

/** One object can't go on, and the others should: carries whose fault it is. */
export class ObjectHalt extends Error {
  override readonly name = 'ObjectHalt';
  readonly object: LiveObject;
  readonly reason: MillraceError;
  /** `reload`: loading the object again mends it without anybody's help. */
  readonly remedy: 'reload' | 'user';

  constructor(object: LiveObject, reason: MillraceError, remedy: 'reload' | 'user') {
    super(reason.message, { cause: reason });
    this.object = object;
    this.reason = reason;
    this.remedy = remedy;
  }
}

/** What the assembler asks and tells its surroundings. */
export interface AssemblerHost {
  readonly format: RowFormat;
  /** The object whose changes this relation's are, or null for one that is not ours to follow. */
  objectOf(relationOid: number): LiveObject | null;
  /** `batch`: apply with the stream. `aside`: keep the raw message for later. */
  route(object: LiveObject): 'batch' | 'aside' | 'drop';
  /** A raw message of an object whose changes are kept aside. Begin and Commit come around its changes. */
  keepAside(object: LiveObject, bytes: Buffer, start: number, end: number): void;
  /** A transaction began, whether or not anything in it is ours. */
  began(transaction: StreamTransaction): void;
  /** A whole transaction is in; the host may take the batch now. */
  committed(point: CommitPoint): void;
  nowMs(): number;
}

/** An object whose rows look otherwise from here on: its destination table must follow before anything else is taken in. */
export interface PendingReshape {
  readonly object: LiveObject;
  readonly relation: RelationMessage;
}

/** Feeds on pgoutput messages in stream order. Throws `ObjectHalt`, or a `ProtocolError` when a message makes no sense. */
export class Assembler implements PgoutputSink {
  batch = new StreamBatch();
  readonly #host: AssemblerHost;
  readonly #relations = new Map<number, RelationMessage>();
  /** Relations whose replica identity changed while we listened. (What a partitioned root says of its own identity proves nothing.) */
  readonly #reidentified = new Set<number>();
  readonly #oldTuple: TupleSlice = { bytes: NOTHING, at: 0, end: 0 };
  readonly #newTuple: TupleSlice = { bytes: NOTHING, at: 0, end: 0 };
  #transaction: StreamTransaction = { finalLsn: LSN_ZERO, xid: 0 };
  #commitTimeMicros = 0n;
  /** Of the running transaction, for objects that keep more than rows: their changes may come in several batches. */
  readonly #origins = new Map<LiveObject, ChangeOrigin>();
  #inTransaction = false;
  #pending: PendingReshape | null = null;
  /** Messages that came while a table had to follow: no more than what is under way when the feed is paused. */
  readonly #waiting: Buffer[] = [];
  /** The raw message being decoded, for those who keep it aside. */
  #raw: RowSlice = { bytes: NOTHING, start: 0, end: 0 };
  #begin: Buffer = NOTHING;
  readonly #asideInTransaction = new Set<LiveObject>();
  readonly #asideRelations = new Map<LiveObject, RelationMessage>();
  readonly #rawRelations = new Map<number, Buffer>();

  constructor(host: AssemblerHost) {
    this.#host = host;
  }

  /** Inside a source transaction, or where nothing may be taken in: what waits here is not with us yet. */
  get inTransaction(): boolean {
    return this.#inTransaction || this.#pending !== null;
  }

  /** The table that must follow now; null when the stream can go on. Flush the batch, bring the table there, and call `goOn`. */
  get pending(): PendingReshape | null {
    return this.#pending;
  }

  /** Decodes and takes in one message; keeps it for `goOn` where a table must follow first. */
  take(bytes: Buffer, start: number, end: number): void {
    if (this.#pending === null) this.#decode(bytes, start, end);
    else this.#waiting.push(Buffer.from(bytes.subarray(start, end)));
  }

  /** Whether the stream's description of an object is what its destination table was made for. */
  isAsExpected({ object, relation }: PendingReshape): boolean {
    return matches(object.expected, relation.columns);
  }

  /** Between two transactions: has the object's table follow although no row has come by the new shape. */
  await(pending: PendingReshape): void {
    if (this.inTransaction) throw new Error('expected to stand between two transactions');
    this.#pending = pending;
  }

  /** The table of `pending` has followed: takes in what waits, until another one must. */
  goOn(shape: Pick<LiveObject, 'expected' | 'identity'>): void {
    if (this.#pending === null) throw new Error('expected a table that had to follow');
    const { object, relation } = this.#pending;
    // Asked again and again it would never end.
    if (!matches(shape.expected, relation.columns)) throw halt(object, 'object_schema_changed', describeMismatch(object), 'user');
    object.describedAt = this.#transaction.finalLsn;
    object.expected = shape.expected;
    object.identity = shape.identity;
    object.shape = null;
    this.#pending = null;
    const waiting = this.#waiting.splice(0);
    for (const message of waiting) this.take(message, 0, message.length);
  }

  #decode(bytes: Buffer, start: number, end: number): void {
    this.#raw.bytes = bytes;
    this.#raw.start = start;
    this.#raw.end = end;
    decodeMessage(bytes, start, end, this);
  }

  /** Hands the collected changes over and begins a new batch. */
  closeBatch(): StreamBatch {
    const closed = this.batch;
    closed.endsInside = this.inTransaction;
    const position = this.inTransaction ? this.#transaction.finalLsn : (closed.lastCommit?.endLsn ?? LSN_ZERO);
    for (const part of closed.objects.values()) part.position = position;
    this.batch = new StreamBatch();
    return closed;
  }

  /** Forgets what it knows of an object's rows; they are described again by the last relation message. */
  forgetShape(object: LiveObject): void {
    object.shape = null;
    this.#asideRelations.delete(object);
  }

  begin(finalLsn: Lsn, commitTimeMicros: bigint, xid: number): void {
    this.#inTransaction = true;
    this.#transaction = { finalLsn, xid };
    this.#commitTimeMicros = commitTimeMicros;
    this.#origins.clear();
    this.#begin = Buffer.from(this.#raw.bytes.subarray(this.#raw.start, this.#raw.end));
    this.#host.began(this.#transaction);
  }

  commit(_commitLsn: Lsn, endLsn: Lsn, commitTimeMicros: bigint): void {
    this.#inTransaction = false;
    for (const object of this.#asideInTransaction) {
      // One that was given up in the middle of the transaction has no place to keep anything any more.
      if (this.#host.objectOf(object.sourceOid) === object) this.#host.keepAside(object, this.#raw.bytes, this.#raw.start, this.#raw.end);
    }
    this.#asideInTransaction.clear();
    const point = { endLsn, commitTimeMicros };
    this.batch.lastCommit = point;
    if (!this.batch.isEmpty) this.batch.firstCommitTimeMicros ??= commitTimeMicros;
    this.batch.transactions++;
    this.#host.committed(point);
  }

  relation(message: RelationMessage): void {
    const former = this.#relations.get(message.oid);
    if (former !== undefined && identityText(former) !== identityText(message)) this.#reidentified.add(message.oid);
    this.#relations.set(message.oid, message);
    this.#rawRelations.set(message.oid, Buffer.from(this.#raw.bytes.subarray(this.#raw.start, this.#raw.end)));
    const object = this.#host.objectOf(message.oid);
    if (object !== null) object.shape = null;
  }

  insert(relationOid: number, bytes: Buffer, newTuple: number, end: number): void {
    const object = this.#ownerInBatch(relationOid);
    if (object === null) return;
    const batch = this.#part(object);
    const before = batch.sizeBytes;
    const outcome = batch.insert(at(this.#newTuple, bytes, newTuple, end));
    this.#grew(batch.sizeBytes - before);
    if (outcome !== 'done') throw halt(object, 'filter_impossible', describeIncomplete(object), 'reload');
  }

  update(relationOid: number, bytes: Buffer, oldKind: OldKind, oldTuple: number, newTuple: number, end: number): void {
    const object = this.#ownerInBatch(relationOid);
    if (object === null) return;
    const batch = this.#part(object);
    const before = batch.sizeBytes;
    const outcome = batch.update(oldKind, at(this.#oldTuple, bytes, oldTuple, end), at(this.#newTuple, bytes, newTuple, end));
    this.#grew(batch.sizeBytes - before);
    this.#check(object, outcome);
  }

  delete(relationOid: number, bytes: Buffer, oldKind: OldKind, oldTuple: number, end: number): void {
    const object = this.#ownerInBatch(relationOid);
    if (object === null) return;
    const batch = this.#part(object);
    const before = batch.sizeBytes;
    const outcome = batch.delete(oldKind, at(this.#oldTuple, bytes, oldTuple, end));
    this.#grew(batch.sizeBytes - before);
    this.#check(object, outcome);
  }

  truncate(relationOids: readonly number[]): void {
    for (const oid of relationOids) {
      this.#ownerInBatch(oid, 'look');
      // The message comes again: none of its tables may have been emptied by then.
      if (this.#pending !== null) return;
    }
    for (const oid of relationOids) {
      const object = this.#ownerInBatch(oid);
      if (object === null) continue;
      this.#part(object).truncate();
      this.#grew(1);
    }
  }

  type(): void {}

  origin(): void {}

  message(): void {}

  /** The object that the running change is to be applied to with this batch; null when it is dropped or kept aside. */
  #ownerInBatch(relationOid: number, how: 'take' | 'look' = 'take'): LiveObject | null {
    const object = this.#host.objectOf(relationOid);
    if (object === null) return null;
    const route = this.#host.route(object);
    if (route === 'drop' || !owns(object, this.#transaction)) return null;
    if (route === 'aside') {
      if (how === 'take') this.#keepAside(object, relationOid);
      return null;
    }
    if (object.shape === null) this.#describe(object, relationOid);
    if (this.#pending === null) return object;
    this.#waiting.push(Buffer.from(this.#raw.bytes.subarray(this.#raw.start, this.#raw.end)));
    return null;
  }

  /** The object's part of the batch, ready for a change of the running transaction. */
  #part(object: LiveObject): AnyBatch {
    const { finalLsn } = this.#transaction;
    const part = this.batch.of(object, overlaps(object, finalLsn));
    if (part.keeps === 'rows') return part;
    let origin = this.#origins.get(object);
    if (origin === undefined) {
      origin = { lsn: finalLsn, commitTimeMicros: this.#commitTimeMicros, sequence: 0 };
      this.#origins.set(object, origin);
    }
    part.origin = origin;
    return part;
  }

  #keepAside(object: LiveObject, relationOid: number): void {
    if (!this.#asideInTransaction.has(object)) {
      this.#asideInTransaction.add(object);
      this.#host.keepAside(object, this.#begin, 0, this.#begin.length);
    }
    const relation = this.#relations.get(relationOid);
    const raw = this.#rawRelations.get(relationOid);
    if (relation !== undefined && raw !== undefined && this.#asideRelations.get(object) !== relation) {
      this.#asideRelations.set(object, relation);
      this.#host.keepAside(object, raw, 0, raw.length);
    }
    this.#host.keepAside(object, this.#raw.bytes, this.#raw.start, this.#raw.end);
  }

  /** Compares what the stream says of the rows with what the destination table was made for. */
  #describe(object: LiveObject, relationOid: number): void {
    const message = this.#relations.get(relationOid);
    if (message === undefined) throw halt(object, 'protocol_violation', 'a change came before the description of its table', 'user');
    if (!matches(object.expected, message.columns)) {
      this.#pending = { object, relation: message };
      return;
    }
    if (this.#reidentified.has(relationOid) && !carriesIdentity(object, message))
      throw halt(object, 'object_schema_changed', describeIdentity(object), 'reload');
    // A batch that holds rows of the former shape keeps it; only equal columns get here, so the rows agree.
    const columns = message.columns.map((column) => column.name);
    const { deletes, keeps } = object;
    object.shape = { format: this.#host.format, columns, identity: identityOf(object, columns), deletes, keeps };
  }

  #check(object: LiveObject, outcome: ChangeOutcome): void {
    switch (outcome) {
      case 'done':
        return;
      case 'hole':
        throw halt(object, 'object_copy_failed', 'a row changed its key between the parts of a resumed load', 'reload');
      case 'unmatched':
        throw halt(object, 'identity_missing', `a change of ${objectLabel(object.source)} carries no usable row identity`, 'user');
    }
  }

  #grew(bytes: number): void {
    if (this.batch.startedAtMs === 0) this.batch.startedAtMs = this.#host.nowMs();
    this.batch.grew(bytes);
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

function at(slice: TupleSlice, bytes: Buffer, offset: number, end: number): TupleSlice {
  slice.bytes = bytes;
  slice.at = offset;
  slice.end = end;
  return slice;
}

function identityOf(object: LiveObject, columns: readonly string[]) {
  if (object.identity === null) return { kind: 'full' } as const;
  if (object.identity.length === 0) return { kind: 'none' } as const;
  const wanted = new Set(object.identity);
  return { kind: 'key', columns: columns.flatMap((name, index) => (wanted.has(name) ? [index] : [])) } as const;
}

/**
 * Whether old rows bring the columns that we find rows by. With another index as replica identity, an update of these would look like one
 * that leaves the key alone, and its old row would stay at the destination for ever.
 */
function carriesIdentity({ identity }: LiveObject, message: RelationMessage): boolean {
  if (identity === null) return message.replicaIdentity === 'f';
  const carried = new Set(message.columns.filter((column) => (column.flags & COLUMN_IS_KEY) !== 0).map((column) => column.name));
  return identity.every((name) => carried.has(name));
}

/** Of the key's columns alone: a filter may begin to hide others while we listen. */
function identityText(message: RelationMessage): string {
  const key = message.columns.filter((column) => (column.flags & COLUMN_IS_KEY) !== 0);
  return JSON.stringify([message.replicaIdentity, key.map((column) => column.name)]);
}

function describeIdentity(object: LiveObject): string {
  const wanted = object.identity === null ? 'whole rows' : object.identity.join(', ');
  return `the replica identity of ${objectLabel(object.source)} changed: updates and deletes no longer carry ${wanted}`;
}

/** A value of another precision would be rounded to the destination's column without a word: the type modifier counts as the type does. */
function matches(expected: readonly ExpectedColumn[], found: readonly RelationColumn[]): boolean {
  return (
    found.length === expected.length &&
    expected.every((column, index) => {
      const other = found[index];
      return other !== undefined && column.name === other.name && sameColumn(column, other);
    })
  );
}

function sameColumn(expected: ExpectedColumn, found: RelationColumn): boolean {
  return expected.typeOid === found.typeOid && (expected.typmod === null || expected.typmod === found.typmod);
}

function describeMismatch(object: LiveObject): string {
  return `the columns of ${objectLabel(object.source)} changed, and its destination table did not follow`;
}

/**
 * An update that brings a row into a publication's row filter comes as an insert, and brings large values only if they changed, or the
 * old row has them.
 */
function describeIncomplete(object: LiveObject): string {
  return `a row came into the condition of ${objectLabel(object.source)} without its large values, which the source did not send`;
}

function halt(object: LiveObject, name: ErrorName, cause: string, remedy: 'reload' | 'user'): ObjectHalt {
  return new ObjectHalt(object, new MillraceError(name, { cause, object: objectLabel(object.source), side: 'source' }), remedy);
}
