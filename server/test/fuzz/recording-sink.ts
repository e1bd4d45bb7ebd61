// Turns what the decoder reports back into message values, walking every row: what a round trip compares.
import type { PgoutputSink } from '../../src/pg/pgoutput/messages.ts';
import { NO_TUPLE } from '../../src/pg/pgoutput/messages.ts';
import {
  columnKind,
  nextColumn,
  TUPLE_HEADER_BYTES,
  TupleKind,
  tupleColumnCount,
  VALUE_HEADER_BYTES,
  valueLengthBytes,
} from '../../src/pg/pgoutput/tuple.ts';
import type { Message, OldRow, Value } from './encode-pgoutput.ts';
import { OLD_KIND_NAME } from './encode-pgoutput.ts';

/** A sink that keeps every message in `messages`, with copies of the bytes. */
export class RecordingSink implements PgoutputSink {
  readonly messages: Message[] = [];

  begin: PgoutputSink['begin'] = (finalLsn, commitTimeMicros, xid) => this.#add({ tag: 'begin', finalLsn, commitTimeMicros, xid });
  commit: PgoutputSink['commit'] = (commitLsn, endLsn, commitTimeMicros) =>
    this.#add({ tag: 'commit', commitLsn, endLsn, commitTimeMicros });
  relation: PgoutputSink['relation'] = (relation) => this.#add({ tag: 'relation', relation });
  insert: PgoutputSink['insert'] = (oid, bytes, newTuple, end) => this.#add({ tag: 'insert', oid, row: readTuple(bytes, newTuple, end) });
  update: PgoutputSink['update'] = (oid, bytes, oldKind, oldTuple, newTuple, end) => {
    const old = readOld(OLD_KIND_NAME[oldKind], bytes, oldTuple, newTuple - 1);
    this.#add({
      tag: 'update',
      oid,
      old,
      row: readTuple(bytes, newTuple, end),
    });
  };
  delete: PgoutputSink['delete'] = (oid, bytes, oldKind, oldTuple, end) => {
    const old = readOld(OLD_KIND_NAME[oldKind], bytes, oldTuple, end);
    if (old.kind === 'absent') throw new Error('the decoder reported a delete without an old row');
    this.#add({ tag: 'delete', oid, old });
  };
  truncate: PgoutputSink['truncate'] = (oids, cascade, restartIdentity) => this.#add({ tag: 'truncate', oids, cascade, restartIdentity });
  type: PgoutputSink['type'] = (oid, schema, name) => this.#add({ tag: 'type', oid, schema, name });
  origin: PgoutputSink['origin'] = (commitLsn, name) => this.#add({ tag: 'origin', commitLsn, name });
  message: PgoutputSink['message'] = (transactional, lsn, prefix, bytes, content, end) =>
    this.#add({
      tag: 'message',
      transactional,
      lsn,
      prefix,
      content: Buffer.from(bytes.subarray(content, end)),
    });

  #add(message: Message): void {
    this.messages.push(message);
  }
}

function readOld(kind: OldRow['kind'], bytes: Buffer, at: number, end: number): OldRow {
  if ((kind === 'absent') !== (at === NO_TUPLE)) throw new Error('old kind and old offset disagree');
  return kind === 'absent' ? { kind } : { kind, values: readTuple(bytes, at, end) };
}

/** The values of a tuple that the decoder has checked; throws when walking it does not end exactly at `end`. */
function readTuple(bytes: Buffer, at: number, end: number): Value[] {
  const values: Value[] = [];
  const count = tupleColumnCount(bytes, at, end);
  let next = at + TUPLE_HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    values.push(readValue(bytes, next));
    next = nextColumn(bytes, next);
  }
  if (next !== end) throw new Error(`walking a tuple ended at ${next} instead of ${end}`);
  return values;
}

function readValue(bytes: Buffer, at: number): Value {
  const kind = columnKind(bytes, at);
  if (kind === TupleKind.null) return { kind: 'null' };
  if (kind === TupleKind.unchanged) return { kind: 'unchanged' };
  const start = at + VALUE_HEADER_BYTES;
  const value = Buffer.from(bytes.subarray(start, start + valueLengthBytes(bytes, at)));
  return { kind: kind === TupleKind.text ? 'text' : 'binary', bytes: value };
}
