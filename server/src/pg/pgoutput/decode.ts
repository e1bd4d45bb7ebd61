// Decodes pgoutput's messages of protocol version 1: every field is checked against the message's end before it is read.
// Source of all forms: PostgreSQL manual, "54.9. Logical Replication Message Formats".
import { int16At, int32At, requireBytes, requireEnd, strictUtf8, stringEnd, uint8At, uint32At } from '../bytes.ts';
import type { Lsn } from '../lsn.ts';
import { LSN_ZERO, readLsn } from '../lsn.ts';
import { ProtocolError } from '../protocol-error.ts';
import type { PgoutputSink, RelationColumn, ReplicaIdentityLetter } from './messages.ts';
import { NO_TUPLE, OldKind } from './messages.ts';
import { skipTuple } from './tuple.ts';

/**
 * Decodes the one message `bytes[start, end)` and calls the method of `sink` that belongs to it. Throws a `ProtocolError`
 * on an unknown message, one that is cut off and one with bytes left over; `sink` is called only for a correct message.
 */
export function decodeMessage(bytes: Buffer, start: number, end: number, sink: PgoutputSink): void {
  requireBytes(start, 1, end, 'a message type');
  const at = start + 1;
  switch (uint8At(bytes, start)) {
    case MessageType.insert:
      return decodeInsert(bytes, at, end, sink);
    case MessageType.update:
      return decodeUpdate(bytes, at, end, sink);
    case MessageType.delete:
      return decodeDelete(bytes, at, end, sink);
    case MessageType.begin:
      return decodeBegin(bytes, at, end, sink);
    case MessageType.commit:
      return decodeCommit(bytes, at, end, sink);
    case MessageType.relation:
      return decodeRelation(bytes, at, end, sink);
    case MessageType.truncate:
      return decodeTruncate(bytes, at, end, sink);
    case MessageType.type:
      return decodeType(bytes, at, end, sink);
    case MessageType.origin:
      return decodeOrigin(bytes, at, end, sink);
    case MessageType.message:
      return decodeLogicalMessage(bytes, at, end, sink);
    default:
      throw new ProtocolError('a message has an unknown type', start);
  }
}

const MessageType = {
  begin: 0x42, // B
  commit: 0x43, // C
  delete: 0x44, // D
  insert: 0x49, // I
  message: 0x4d, // M
  origin: 0x4f, // O
  relation: 0x52, // R
  truncate: 0x54, // T
  update: 0x55, // U
  type: 0x59, // Y
} as const;

/** The kind byte before a new tuple. */
const NEW_TUPLE = 0x4e; // N
const OID_BYTES = 4;
const LSN_BYTES = 8;
const TIME_BYTES = 8;
/** Smaller numbers mark special transactions, which no row change can belong to. */
const FIRST_NORMAL_XID = 3;
const TRUNCATE_CASCADE = 1;
const TRUNCATE_RESTART_IDENTITY = 2;
const MESSAGE_TRANSACTIONAL = 1;

function decodeInsert(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, OID_BYTES + 1, end, 'an insert');
  const tuple = at + OID_BYTES + 1;
  if (uint8At(bytes, tuple - 1) !== NEW_TUPLE) throw new ProtocolError('an insert has no new tuple', tuple - 1);
  requireEnd(skipTuple(bytes, tuple, end), end, 'an insert');
  sink.insert(uint32At(bytes, at), bytes, tuple, end);
}

function decodeUpdate(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, OID_BYTES + 1, end, 'an update');
  const first = at + OID_BYTES + 1;
  const kind = uint8At(bytes, first - 1);
  let oldKind: OldKind = OldKind.absent;
  let oldTuple: number = NO_TUPLE;
  let newTuple = first;
  if (kind === OldKind.key || kind === OldKind.full) {
    oldKind = kind;
    oldTuple = first;
    newTuple = skipTuple(bytes, first, end) + 1;
    requireBytes(newTuple - 1, 1, end, 'an update');
  }
  if (uint8At(bytes, newTuple - 1) !== NEW_TUPLE) throw new ProtocolError('an update has no new tuple', newTuple - 1);
  requireEnd(skipTuple(bytes, newTuple, end), end, 'an update');
  sink.update(uint32At(bytes, at), bytes, oldKind, oldTuple, newTuple, end);
}

function decodeDelete(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, OID_BYTES + 1, end, 'a delete');
  const tuple = at + OID_BYTES + 1;
  const kind = uint8At(bytes, tuple - 1);
  if (kind !== OldKind.key && kind !== OldKind.full) throw new ProtocolError('a delete has no old tuple', tuple - 1);
  requireEnd(skipTuple(bytes, tuple, end), end, 'a delete');
  sink.delete(uint32At(bytes, at), bytes, kind, tuple, end);
}

function decodeBegin(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, LSN_BYTES + TIME_BYTES + 4, end, 'a begin');
  requireEnd(at + LSN_BYTES + TIME_BYTES + 4, end, 'a begin');
  const finalLsn = requiredLsn(bytes, at, 'a begin');
  const xid = uint32At(bytes, at + LSN_BYTES + TIME_BYTES);
  if (xid < FIRST_NORMAL_XID) throw new ProtocolError('a begin has a reserved transaction id', at + LSN_BYTES + TIME_BYTES);
  sink.begin(finalLsn, bytes.readBigInt64BE(at + LSN_BYTES), xid);
}

function decodeCommit(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  const size = 1 + LSN_BYTES + LSN_BYTES + TIME_BYTES;
  requireBytes(at, size, end, 'a commit');
  requireEnd(at + size, end, 'a commit');
  if (uint8At(bytes, at) !== 0) throw new ProtocolError('a commit has unknown flags', at);
  const commitLsn = requiredLsn(bytes, at + 1, 'a commit');
  const endLsn = requiredLsn(bytes, at + 1 + LSN_BYTES, 'a commit');
  sink.commit(commitLsn, endLsn, bytes.readBigInt64BE(at + 1 + LSN_BYTES + LSN_BYTES));
}

function decodeRelation(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, OID_BYTES, end, 'a relation');
  const schemaEnd = stringEnd(bytes, at + OID_BYTES, end, 'a schema name');
  const nameEnd = stringEnd(bytes, schemaEnd + 1, end, 'a relation name');
  const identityAt = nameEnd + 1;
  requireBytes(identityAt, 1 + 2, end, 'a relation');
  const count = int16At(bytes, identityAt + 1);
  if (count < 0) throw new ProtocolError('a relation has a negative number of columns', identityAt + 1);
  const columns: RelationColumn[] = [];
  let next = identityAt + 1 + 2;
  for (let i = 0; i < count; i++) {
    requireBytes(next, 1, end, 'a relation column');
    const columnEnd = stringEnd(bytes, next + 1, end, 'a column name');
    const typeAt = columnEnd + 1;
    requireBytes(typeAt, OID_BYTES + 4, end, 'a relation column');
    columns.push({
      flags: uint8At(bytes, next),
      name: requiredName(bytes, next + 1, columnEnd, 'a column name'),
      typeOid: uint32At(bytes, typeAt),
      typmod: int32At(bytes, typeAt + OID_BYTES),
    });
    next = typeAt + OID_BYTES + 4;
  }
  requireEnd(next, end, 'a relation');
  sink.relation({
    oid: uint32At(bytes, at),
    schema: schemaName(bytes, at + OID_BYTES, schemaEnd),
    name: requiredName(bytes, schemaEnd + 1, nameEnd, 'a relation name'),
    replicaIdentity: replicaIdentity(bytes, identityAt),
    columns,
  });
}

function decodeTruncate(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, 4 + 1, end, 'a truncate');
  const count = int32At(bytes, at);
  if (count < 0) throw new ProtocolError('a truncate has a negative number of relations', at);
  const first = at + 4 + 1;
  requireBytes(first, count * OID_BYTES, end, 'a truncate');
  requireEnd(first + count * OID_BYTES, end, 'a truncate');
  const options = uint8At(bytes, at + 4);
  // An option that we don't know could change what is removed.
  if (options > (TRUNCATE_CASCADE | TRUNCATE_RESTART_IDENTITY)) throw new ProtocolError('a truncate has unknown options', at + 4);
  const oids: number[] = [];
  for (let i = 0; i < count; i++) oids.push(uint32At(bytes, first + i * OID_BYTES));
  sink.truncate(oids, (options & TRUNCATE_CASCADE) !== 0, (options & TRUNCATE_RESTART_IDENTITY) !== 0);
}

function decodeType(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, OID_BYTES, end, 'a type');
  const schemaEnd = stringEnd(bytes, at + OID_BYTES, end, 'a schema name');
  const nameEnd = stringEnd(bytes, schemaEnd + 1, end, 'a type name');
  requireEnd(nameEnd + 1, end, 'a type');
  const schema = schemaName(bytes, at + OID_BYTES, schemaEnd);
  sink.type(uint32At(bytes, at), schema, requiredName(bytes, schemaEnd + 1, nameEnd, 'a type name'));
}

function decodeOrigin(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, LSN_BYTES, end, 'an origin');
  const nameEnd = stringEnd(bytes, at + LSN_BYTES, end, 'an origin name');
  requireEnd(nameEnd + 1, end, 'an origin');
  sink.origin(readLsn(bytes, at), strictUtf8(bytes, at + LSN_BYTES, nameEnd, 'an origin name'));
}

function decodeLogicalMessage(bytes: Buffer, at: number, end: number, sink: PgoutputSink): void {
  requireBytes(at, 1 + LSN_BYTES, end, 'a logical message');
  const flags = uint8At(bytes, at);
  if (flags > MESSAGE_TRANSACTIONAL) throw new ProtocolError('a logical message has unknown flags', at);
  const prefixAt = at + 1 + LSN_BYTES;
  const prefixEnd = stringEnd(bytes, prefixAt, end, 'a message prefix');
  const lengthAt = prefixEnd + 1;
  requireBytes(lengthAt, 4, end, 'a logical message');
  const length = int32At(bytes, lengthAt);
  if (length < 0) throw new ProtocolError('a message length is negative', lengthAt);
  requireBytes(lengthAt + 4, length, end, 'a logical message');
  requireEnd(lengthAt + 4 + length, end, 'a logical message');
  const prefix = strictUtf8(bytes, prefixAt, prefixEnd, 'a message prefix');
  sink.message(flags === MESSAGE_TRANSACTIONAL, readLsn(bytes, at + 1), prefix, bytes, lengthAt + 4, end);
}

/** A transaction without a position could neither be confirmed nor resumed. */
function requiredLsn(bytes: Buffer, at: number, what: string): Lsn {
  const lsn = readLsn(bytes, at);
  if (lsn === LSN_ZERO) throw new ProtocolError(`${what} has no position`, at);
  return lsn;
}

function requiredName(bytes: Buffer, start: number, end: number, what: string): string {
  if (start === end) throw new ProtocolError(`${what} is empty`, start);
  return strictUtf8(bytes, start, end, what);
}

/** pgoutput sends the schema `pg_catalog` as an empty string. */
function schemaName(bytes: Buffer, start: number, end: number): string {
  return start === end ? 'pg_catalog' : strictUtf8(bytes, start, end, 'a schema name');
}

function replicaIdentity(bytes: Buffer, at: number): ReplicaIdentityLetter {
  const letter = String.fromCharCode(uint8At(bytes, at));
  if (letter === 'd' || letter === 'n' || letter === 'f' || letter === 'i') return letter;
  throw new ProtocolError('a relation has an unknown replica identity', at);
}
