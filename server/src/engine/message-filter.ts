// Rewrites the messages of filtered relations before anybody else sees them: no value that is left out or masked gets behind this file.
import { createHash } from 'node:crypto';
import type { TransferFormat } from '../model/batch/row-format.ts';
import { becomesText, type Mask, type TableFilter } from '../model/object-filter.ts';
import { copyBytes, requireBytes, requireEnd, uint32At, uint8At, writeInt16, writeInt32 } from '../pg/bytes.ts';
import { TypeOid } from '../pg/oid.ts';
import { decodeMessage } from '../pg/pgoutput/decode.ts';
import { OldKind, type PgoutputSink, type RelationColumn, type RelationMessage } from '../pg/pgoutput/messages.ts';
import { skipColumn, TUPLE_HEADER_BYTES, tupleColumnCount, TupleKind, VALUE_HEADER_BYTES } from '../pg/pgoutput/tuple.ts';
import { ProtocolError } from '../pg/protocol-error.ts';

/** What of a filter concerns the stream. */
export type StreamFilter = Pick<TableFilter, 'columns' | 'masks' | 'known'>;

export interface MessageFilterOptions {
  readonly format: TransferFormat;
  /** The filter of the object that the relation's changes belong to; null: they are nobody's, or need none. */
  readonly filterOf: (relationOid: number) => StreamFilter | null;
  /** Gets every message, rewritten or as it is. The bytes are valid during the call only. */
  readonly next: (bytes: Buffer, start: number, end: number) => void;
}

/** See the file's first line. A relation without a filter costs one lookup for each message. */
export class MessageFilter {
  readonly #options: MessageFilterOptions;
  /** The relations as the source described them: an object may join the stream, with its filter, later than its description. */
  readonly #described = new Map<number, Buffer>();
  readonly #shapes = new Map<number, Shape>();
  #scratch: Buffer = Buffer.alloc(0);

  constructor(options: MessageFilterOptions) {
    this.#options = options;
  }

  /** Takes one message. Throws a `ProtocolError` where it, or its relation, makes no sense. */
  take(bytes: Buffer, start: number, end: number): void {
    requireBytes(start, 1, end, 'a message type');
    switch (uint8At(bytes, start)) {
      case RELATION:
        return this.#relation(bytes, start, end);
      case INSERT:
      case UPDATE:
      case DELETE:
        return this.#change(bytes, start, end);
      default:
        return this.#options.next(bytes, start, end);
    }
  }

  #relation(bytes: Buffer, start: number, end: number): void {
    requireBytes(start + 1, OID_BYTES, end, 'a relation');
    const oid = uint32At(bytes, start + 1);
    this.#described.set(oid, Buffer.from(bytes.subarray(start, end)));
    this.#shapes.delete(oid);
    const filter = this.#options.filterOf(oid);
    if (filter === null) this.#options.next(bytes, start, end);
    else this.#describe(oid, filter);
  }

  #change(bytes: Buffer, start: number, end: number): void {
    requireBytes(start + 1, OID_BYTES, end, 'a change');
    const oid = uint32At(bytes, start + 1);
    const filter = this.#options.filterOf(oid);
    if (filter === null) {
      if (this.#shapes.delete(oid)) this.#describeAsItIs(oid);
      return this.#options.next(bytes, start, end);
    }
    let shape = this.#shapes.get(oid);
    if (shape === undefined || shape.filter !== filter) shape = this.#describe(oid, filter);
    const out = this.#room(end - start + 2 * shape.growthBytes);
    const size = rewriteChange({ bytes, start, end }, shape, out);
    this.#options.next(out, 0, size);
  }

  /** Passes the relation's description on as its filter shows it. */
  #describe(oid: number, filter: StreamFilter): Shape {
    const raw = this.#described.get(oid);
    if (raw === undefined) throw new ProtocolError('a change came before the description of its relation', 0);
    const reader = new RelationReader();
    decodeMessage(raw, 0, raw.length, reader);
    const message = reader.required;
    const shape = shapeOf(message, filter, this.#options.format);
    this.#shapes.set(oid, shape);
    const described = encodeRelation(message, visibleColumns(message, filter));
    this.#options.next(described, 0, described.length);
    return shape;
  }

  #describeAsItIs(oid: number): void {
    const raw = this.#described.get(oid);
    if (raw !== undefined) this.#options.next(raw, 0, raw.length);
  }

  /** One buffer for all messages of an ordinary size; a huge one is not kept. */
  #room(sizeBytes: number): Buffer {
    if (sizeBytes > KEPT_SCRATCH_BYTES) return Buffer.allocUnsafeSlow(sizeBytes);
    if (this.#scratch.length < sizeBytes) this.#scratch = Buffer.allocUnsafeSlow(Math.max(sizeBytes, FIRST_SCRATCH_BYTES));
    return this.#scratch;
  }
}

const RELATION = 0x52; // R
const INSERT = 0x49; // I
const UPDATE = 0x55; // U
const DELETE = 0x44; // D
const NEW_TUPLE = 0x4e; // N
const OID_BYTES = 4;
const FIRST_SCRATCH_BYTES = 8 * 1024;
const KEPT_SCRATCH_BYTES = 1024 * 1024;
const SHA256_HEX_BYTES = 64;

/**
 * What becomes of a column's value. `withhold`: nobody has said yet whether it may be seen, because the table had no such column when the
 * filter was made; the description shows the column, so that the object stops for it.
 */
type ColumnRule =
  | { readonly kind: 'keep' | 'leave_out' | 'null' | 'withhold' }
  | { readonly kind: 'fixed'; readonly value: Buffer }
  | { readonly kind: 'sha256'; readonly salt: Buffer };

interface Shape {
  readonly filter: StreamFilter;
  readonly rules: readonly ColumnRule[];
  readonly visible: number;
  /** How much larger than before a tuple can become. */
  readonly growthBytes: number;
  /** The kind byte of a value of our own. */
  readonly ownKind: number;
}

function shapeOf(message: RelationMessage, filter: StreamFilter, format: TransferFormat): Shape {
  const rules = message.columns.map((column) => ruleOf(column.name, filter));
  return {
    filter,
    rules,
    visible: rules.filter((rule) => rule.kind !== 'leave_out').length,
    growthBytes: rules.reduce((sum, rule) => sum + growthOf(rule), 0),
    ownKind: format === 'binary' ? TupleKind.binary : TupleKind.text,
  };
}

function ruleOf(column: string, filter: StreamFilter): ColumnRule {
  if (filter.columns !== null && !filter.columns.has(column)) return LEAVE_OUT;
  const mask = filter.masks.get(column);
  if (mask !== undefined) return maskRule(mask);
  // A masked column that was renamed looks like this.
  return filter.masks.size > 0 && !filter.known.has(column) ? { kind: 'withhold' } : { kind: 'keep' };
}

const LEAVE_OUT: ColumnRule = { kind: 'leave_out' };

function maskRule(mask: Mask): ColumnRule {
  switch (mask.kind) {
    case 'null':
      return { kind: 'null' };
    case 'fixed':
      return { kind: 'fixed', value: Buffer.from(mask.text) };
    case 'sha256':
      return { kind: 'sha256', salt: Buffer.from(mask.salt.reveal()) };
  }
}

function growthOf(rule: ColumnRule): number {
  if (rule.kind === 'fixed') return VALUE_HEADER_BYTES + rule.value.length;
  return rule.kind === 'sha256' ? VALUE_HEADER_BYTES + SHA256_HEX_BYTES : 0;
}

function visibleColumns(message: RelationMessage, filter: StreamFilter): readonly RelationColumn[] {
  return message.columns
    .filter((column) => ruleOf(column.name, filter).kind !== 'leave_out')
    .map((column) => (becomesText(filter.masks.get(column.name)) ? { ...column, typeOid: TypeOid.text, typmod: -1 } : column));
}

interface Message {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Writes the whole change to `out` and returns its size. Source of the forms: manual, "54.9. Logical Replication Message Formats". */
function rewriteChange({ bytes, start, end }: Message, shape: Shape, out: Buffer): number {
  const first = start + 1 + OID_BYTES;
  requireBytes(first, 1, end, 'a change');
  let target = copyBytes(out, 0, bytes, start, first + 1);
  const cursor: Cursor = { bytes, at: first + 1, end };
  const type = uint8At(bytes, start);
  const kind = uint8At(bytes, first);
  if (kind === OldKind.key || kind === OldKind.full) {
    if (type === INSERT) throw new ProtocolError('an insert has no new tuple', first);
    target = rewriteTuple(cursor, shape, out, target);
    if (type === UPDATE) {
      requireBytes(cursor.at, 1, end, 'an update');
      if (uint8At(bytes, cursor.at) !== NEW_TUPLE) throw new ProtocolError('an update has no new tuple', cursor.at);
      out[target++] = NEW_TUPLE;
      cursor.at++;
      target = rewriteTuple(cursor, shape, out, target);
    }
  } else if (kind === NEW_TUPLE && type !== DELETE) {
    target = rewriteTuple(cursor, shape, out, target);
  } else {
    throw new ProtocolError('a change has an unknown kind of tuple', first);
  }
  requireEnd(cursor.at, end, 'a change');
  return target;
}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
}

function rewriteTuple(cursor: Cursor, shape: Shape, out: Buffer, start: number): number {
  const { bytes, end } = cursor;
  const { rules } = shape;
  if (tupleColumnCount(bytes, cursor.at, end) !== rules.length)
    throw new ProtocolError('a tuple has another number of columns than its relation', cursor.at);
  cursor.at += TUPLE_HEADER_BYTES;
  let target = writeInt16(out, start, shape.visible);
  for (const rule of rules) {
    const at = cursor.at;
    cursor.at = skipColumn(bytes, at, end);
    target = rewriteValue({ bytes, start: at, end: cursor.at }, rule, shape.ownKind, out, target);
  }
  return target;
}

function rewriteValue(value: Message, rule: ColumnRule, ownKind: number, out: Buffer, target: number): number {
  switch (rule.kind) {
    case 'keep':
      return copyBytes(out, target, value.bytes, value.start, value.end);
    case 'leave_out':
      return target;
    case 'null':
      out[target] = TupleKind.null;
      return target + 1;
    case 'withhold':
      out[target] = TupleKind.unchanged;
      return target + 1;
    case 'fixed':
      return writeValue(out, target, ownKind, rule.value);
    case 'sha256':
      return writeHash(value, rule.salt, out, target);
  }
}

function writeHash({ bytes, start, end }: Message, salt: Buffer, out: Buffer, target: number): number {
  const kind = uint8At(bytes, start);
  if (kind === TupleKind.null || kind === TupleKind.unchanged) {
    out[target] = kind;
    return target + 1;
  }
  // The digest of a binary form would be another one than that of the load.
  if (kind !== TupleKind.text) throw new ProtocolError('a masked value came in binary form', start);
  const hash = createHash('sha256').update(salt);
  hash.update(bytes.subarray(start + VALUE_HEADER_BYTES, end));
  return writeValue(out, target, TupleKind.text, Buffer.from(hash.digest('hex'), 'latin1'));
}

function writeValue(out: Buffer, target: number, kind: number, value: Buffer): number {
  out[target] = kind;
  return copyBytes(out, writeInt32(out, target + 1, value.length), value, 0, value.length);
}

function encodeRelation(message: RelationMessage, columns: readonly RelationColumn[]): Buffer {
  const head = Buffer.alloc(1 + OID_BYTES);
  head[0] = RELATION;
  head.writeUInt32BE(message.oid, 1);
  const counts = Buffer.alloc(3);
  counts[0] = message.replicaIdentity.charCodeAt(0);
  counts.writeInt16BE(columns.length, 1);
  const parts = columns.flatMap((column) => {
    const type = Buffer.alloc(OID_BYTES + 4);
    type.writeUInt32BE(column.typeOid, 0);
    type.writeInt32BE(column.typmod, OID_BYTES);
    return [Buffer.from([column.flags]), Buffer.from(`${column.name}\0`), type];
  });
  return Buffer.concat([head, Buffer.from(`${message.schema}\0${message.name}\0`), counts, ...parts]);
}

/** Takes the one relation message that it is given. */
class RelationReader implements PgoutputSink {
  #message: RelationMessage | null = null;

  get required(): RelationMessage {
    if (this.#message === null) throw new ProtocolError('a relation was expected', 0);
    return this.#message;
  }

  relation(message: RelationMessage): void {
    this.#message = message;
  }

  begin(): void {}
  commit(): void {}
  insert(): void {}
  update(): void {}
  delete(): void {}
  truncate(): void {}
  type(): void {}
  origin(): void {}
  message(): void {}
}
