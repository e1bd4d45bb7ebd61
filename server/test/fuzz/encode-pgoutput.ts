// Writes pgoutput messages, so that decoding can be tested by round trip and fuzzed from messages that are right.
// Source: PostgreSQL manual, "54.9. Logical Replication Message Formats".
import type { OldKind, RelationMessage } from '../../src/pg/pgoutput/messages.ts';

/** One value of a row: NULL, an unchanged TOASTed value, or bytes in text or binary form. */
export type Value = { readonly kind: 'null' | 'unchanged' } | { readonly kind: 'text' | 'binary'; readonly bytes: Buffer };

export type OldRow = { readonly kind: 'key' | 'full'; readonly values: readonly Value[] } | { readonly kind: 'absent' };

/** A pgoutput message as a value: what the encoder takes and what a recording sink gives back. */
export type Message =
  | {
      readonly tag: 'begin';
      readonly finalLsn: bigint;
      readonly commitTimeMicros: bigint;
      readonly xid: number;
    }
  | {
      readonly tag: 'commit';
      readonly commitLsn: bigint;
      readonly endLsn: bigint;
      readonly commitTimeMicros: bigint;
    }
  | { readonly tag: 'relation'; readonly relation: RelationMessage }
  | {
      readonly tag: 'insert';
      readonly oid: number;
      readonly row: readonly Value[];
    }
  | {
      readonly tag: 'update';
      readonly oid: number;
      readonly old: OldRow;
      readonly row: readonly Value[];
    }
  | {
      readonly tag: 'delete';
      readonly oid: number;
      readonly old: Exclude<OldRow, { kind: 'absent' }>;
    }
  | {
      readonly tag: 'truncate';
      readonly oids: readonly number[];
      readonly cascade: boolean;
      readonly restartIdentity: boolean;
    }
  | {
      readonly tag: 'type';
      readonly oid: number;
      readonly schema: string;
      readonly name: string;
    }
  | {
      readonly tag: 'origin';
      readonly commitLsn: bigint;
      readonly name: string;
    }
  | {
      readonly tag: 'message';
      readonly transactional: boolean;
      readonly lsn: bigint;
      readonly prefix: string;
      readonly content: Buffer;
    };

/** The bytes of one message, as the server would send them inside a WAL data frame. */
export function encodeMessage(message: Message): Buffer {
  switch (message.tag) {
    case 'begin':
      return Buffer.concat([byte('B'), uint64(message.finalLsn), int64(message.commitTimeMicros), uint32(message.xid)]);
    case 'commit':
      return Buffer.concat([
        byte('C'),
        Buffer.from([0]),
        uint64(message.commitLsn),
        uint64(message.endLsn),
        int64(message.commitTimeMicros),
      ]);
    case 'relation':
      return encodeRelation(message.relation);
    case 'insert':
      return Buffer.concat([byte('I'), uint32(message.oid), byte('N'), tuple(message.row)]);
    case 'update':
      return Buffer.concat([byte('U'), uint32(message.oid), oldTuple(message.old), byte('N'), tuple(message.row)]);
    case 'delete':
      return Buffer.concat([byte('D'), uint32(message.oid), oldTuple(message.old)]);
    case 'truncate': {
      const options = (message.cascade ? 1 : 0) | (message.restartIdentity ? 2 : 0);
      return Buffer.concat([byte('T'), uint32(message.oids.length), Buffer.from([options]), ...message.oids.map(uint32)]);
    }
    case 'type':
      return Buffer.concat([byte('Y'), uint32(message.oid), schemaText(message.schema), text(message.name)]);
    case 'origin':
      return Buffer.concat([byte('O'), uint64(message.commitLsn), text(message.name)]);
    case 'message':
      return Buffer.concat([
        byte('M'),
        Buffer.from([message.transactional ? 1 : 0]),
        uint64(message.lsn),
        text(message.prefix),
        uint32(message.content.length),
        message.content,
      ]);
  }
}

/** Puts `payload` into a backend message of `type`, as it stands on the wire. */
export function encodeBackendMessage(type: string, payload: Buffer): Buffer {
  return Buffer.concat([byte(type), uint32(payload.length + 4), payload]);
}

/** Puts a pgoutput message into the WAL data frame that carries it. */
export function encodeWalData(start: bigint, end: bigint, clockMicros: bigint, payload: Buffer): Buffer {
  return Buffer.concat([byte('w'), uint64(start), uint64(end), int64(clockMicros), payload]);
}

/** A primary keepalive. */
export function encodeKeepalive(end: bigint, clockMicros: bigint, replyRequested: boolean): Buffer {
  return Buffer.concat([byte('k'), uint64(end), int64(clockMicros), Buffer.from([replyRequested ? 1 : 0])]);
}

/** The letter that stands before an old tuple, as the decoder reports it. */
export const OLD_KIND_NAME: Readonly<Record<OldKind, OldRow['kind']>> = {
  0: 'absent',
  0x4b: 'key',
  0x4f: 'full',
};

function encodeRelation(relation: RelationMessage): Buffer {
  const columns = relation.columns.map((column) =>
    Buffer.concat([Buffer.from([column.flags]), text(column.name), uint32(column.typeOid), int32(column.typmod)]),
  );
  return Buffer.concat([
    byte('R'),
    uint32(relation.oid),
    schemaText(relation.schema),
    text(relation.name),
    byte(relation.replicaIdentity),
    int16(columns.length),
    ...columns,
  ]);
}

function oldTuple(old: OldRow): Buffer {
  if (old.kind === 'absent') return Buffer.alloc(0);
  return Buffer.concat([byte(old.kind === 'key' ? 'K' : 'O'), tuple(old.values)]);
}

function tuple(values: readonly Value[]): Buffer {
  const parts = [int16(values.length)];
  for (const value of values) {
    switch (value.kind) {
      case 'null':
        parts.push(byte('n'));
        break;
      case 'unchanged':
        parts.push(byte('u'));
        break;
      case 'text':
      case 'binary':
        parts.push(byte(value.kind === 'text' ? 't' : 'b'), uint32(value.bytes.length), value.bytes);
        break;
    }
  }
  return Buffer.concat(parts);
}

function schemaText(schema: string): Buffer {
  return text(schema === 'pg_catalog' ? '' : schema);
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

function byte(letter: string): Buffer {
  return Buffer.from(letter, 'latin1');
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

function int64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}
