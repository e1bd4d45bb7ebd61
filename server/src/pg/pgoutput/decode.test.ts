// Decoding must give back what was encoded, for any message, and must refuse a message that is cut anywhere or too long.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message, Value } from '../../../test/fuzz/encode-pgoutput.ts';
import { encodeMessage } from '../../../test/fuzz/encode-pgoutput.ts';
import { RecordingSink } from '../../../test/fuzz/recording-sink.ts';
import { ProtocolError } from '../protocol-error.ts';
import { decodeMessage } from './decode.ts';

describe('decodeMessage', () => {
  it('gives back every message that was encoded, wherever it stands in a buffer', () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(20), (message, margin) => {
        const encoded = encodeMessage(message);
        const bytes = Buffer.concat([Buffer.alloc(margin, 0xff), encoded, Buffer.alloc(margin, 0x74)]);
        expect(decode(bytes, margin, margin + encoded.length)).toEqual([message]);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses every message that is cut off anywhere, without calling the sink', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const encoded = encodeMessage(message);
        for (let end = 0; end < encoded.length; end++) {
          const sink = new RecordingSink();
          expect(() => decodeMessage(encoded, 0, end, sink)).toThrow(ProtocolError);
          expect(sink.messages).toEqual([]);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('refuses every message with a byte too many', () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(255), (message, extra) => {
        const bytes = Buffer.concat([encodeMessage(message), Buffer.from([extra])]);
        expect(() => decode(bytes, 0, bytes.length)).toThrow(ProtocolError);
      }),
    );
  });

  it('reads a stream as PostgreSQL 15 wrote it', () => {
    const seen = POSTGRES_15_STREAM.flatMap(([hex]) => {
      const bytes = Buffer.from(hex, 'hex');
      return decode(bytes, 0, bytes.length);
    });
    expect(seen).toEqual(POSTGRES_15_STREAM.map(([, message]) => message));
  });

  it('names the schema that pgoutput leaves empty', () => {
    const bytes = Buffer.from('Y\0\0\0\x19\0text\0', 'latin1');
    expect(decode(bytes, 0, bytes.length)).toEqual([{ tag: 'type', oid: 25, schema: 'pg_catalog', name: 'text' }]);
  });

  it('keeps unsigned numbers above two billion', () => {
    const message: Message = { tag: 'insert', oid: 0xffff_fff0, row: [] };
    const encoded = encodeMessage(message);
    expect(decode(encoded, 0, encoded.length)).toEqual([message]);
    const begin: Message = {
      tag: 'begin',
      finalLsn: 0xffff_ffff_ffff_fff0n,
      commitTimeMicros: -5n,
      xid: 0xffff_ffff,
    };
    const encodedBegin = encodeMessage(begin);
    expect(decode(encodedBegin, 0, encodedBegin.length)).toEqual([begin]);
  });

  it.each([
    ['an unknown type', '58', 'a message has an unknown type'],
    ['a streamed block, which version 1 does not have', '530000000501', 'a message has an unknown type'],
    ['an insert with the kind of an old tuple', '49000000014f0000', 'an insert has no new tuple'],
    ['an update with an unknown tuple kind', '5500000001580000', 'an update has no new tuple'],
    ['an update whose old tuple is all there is', '55000000014b0000', 'an update is cut off'],
    ['an update with two old tuples', '55000000014b00004b0000', 'an update has no new tuple'],
    ['a delete with a new tuple', '44000000014e0000', 'a delete has no old tuple'],
    ['a column of an unknown kind', '49000000014e000178', 'a column has an unknown kind'],
    ['a negative number of columns', '49000000014effff', 'a tuple has a negative number of columns'],
    ['a negative value length', '49000000014e000174ffffffff', 'a value length is negative'],
    ['a value that would end where it began', '49000000014e000174fffffffb', 'a value length is negative'],
    ['a value longer than the message', '49000000014e0001747fffffff00', 'a value is cut off'],
    ['a begin without a position', '4200000000000000000002ba1a3a1b8d20000002df', 'a begin has no position'],
    ['a begin with the frozen transaction id', '420000000001542f180002ba1a3a1b8d2000000002', 'a begin has a reserved transaction id'],
    ['a commit with flags', '43010000000001542f180000000001542f480002ba1a3a1b8d20', 'a commit has unknown flags'],
    ['a commit without an end', '43000000000001542f1800000000000000000002ba1a3a1b8d20', 'a commit has no position'],
    ['a relation of an unknown replica identity', '520000000173007400780000', 'a relation has an unknown replica identity'],
    ['a relation without a name', '5200000001730000640000', 'a relation name is empty'],
    ['a relation name that is not UTF-8', '52000000017300ff00640000', 'a relation name is not UTF-8'],
    ['a relation name without an end', '52000000017300746465', 'a relation name has no end'],
    ['a relation with a negative number of columns', '52000000017300740064ffff', 'a relation has a negative number of columns'],
    ['a column name that is not UTF-8', '52000000017300740064000100c00000000019ffffffff', 'a column name is not UTF-8'],
    ['a column without a type', '52000000017300740064000100630000000019ffffff', 'a relation column is cut off'],
    ['a truncate of more relations than it holds', '54000000020000000001', 'a truncate is cut off'],
    ['a truncate of minus one relations', '54ffffffff00', 'a truncate has a negative number of relations'],
    ['a truncate with unknown options', '54000000010400000001', 'a truncate has unknown options'],
    ['a logical message with unknown flags', '4d020000000000000001700000000000', 'a logical message has unknown flags'],
    ['a logical message of negative length', '4d0000000000000000017000ffffffff', 'a message length is negative'],
  ])('refuses %s', (_name, hex, what) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(() => decode(bytes, 0, bytes.length)).toThrow(expect.objectContaining({ name: 'ProtocolError', what }));
  });
});

function decode(bytes: Buffer, start: number, end: number): Message[] {
  const sink = new RecordingSink();
  decodeMessage(bytes, start, end, sink);
  return sink.messages;
}

const anyOid = fc.integer({ min: 0, max: 0xffff_ffff });
const anyLsn = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const anyTime = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const anyName = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((name) => !name.includes('\0'));
const anyBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const anyValue = fc.oneof(
  fc.record({ kind: fc.constantFrom('null' as const, 'unchanged' as const) }),
  fc.record({
    kind: fc.constantFrom('text' as const, 'binary' as const),
    bytes: anyBytes,
  }),
);
const anyRow = fc.array(anyValue, { maxLength: 12 });
const anyOldRow = fc.record({
  kind: fc.constantFrom('key' as const, 'full' as const),
  values: anyRow,
});
const anyRelation = fc.record({
  oid: anyOid,
  schema: anyName,
  name: anyName,
  replicaIdentity: fc.constantFrom('d' as const, 'n' as const, 'f' as const, 'i' as const),
  columns: fc.array(
    fc.record({
      flags: fc.constantFrom(0, 1),
      name: anyName,
      typeOid: anyOid,
      typmod: fc.integer({ min: -1, max: 0x7fff_ffff }),
    }),
    { maxLength: 12 },
  ),
});
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    tag: fc.constant('begin' as const),
    finalLsn: anyLsn,
    commitTimeMicros: anyTime,
    xid: fc.integer({ min: 3, max: 0xffff_ffff }),
  }),
  fc.record({
    tag: fc.constant('commit' as const),
    commitLsn: anyLsn,
    endLsn: anyLsn,
    commitTimeMicros: anyTime,
  }),
  fc.record({ tag: fc.constant('relation' as const), relation: anyRelation }),
  fc.record({ tag: fc.constant('insert' as const), oid: anyOid, row: anyRow }),
  fc.record({
    tag: fc.constant('update' as const),
    oid: anyOid,
    old: fc.oneof(fc.constant({ kind: 'absent' as const }), anyOldRow),
    row: anyRow,
  }),
  fc.record({
    tag: fc.constant('delete' as const),
    oid: anyOid,
    old: anyOldRow,
  }),
  fc.record({
    tag: fc.constant('truncate' as const),
    oids: fc.array(anyOid, { maxLength: 8 }),
    cascade: fc.boolean(),
    restartIdentity: fc.boolean(),
  }),
  fc.record({
    tag: fc.constant('type' as const),
    oid: anyOid,
    schema: anyName,
    name: anyName,
  }),
  fc.record({
    tag: fc.constant('origin' as const),
    commitLsn: anyLsn,
    name: anyName,
  }),
  fc.record({
    tag: fc.constant('message' as const),
    transactional: fc.boolean(),
    lsn: anyLsn,
    prefix: anyName,
    content: anyBytes,
  }),
);

/** A table of four columns: a binary and a text value, unchanged TOAST, a key change, REPLICA IDENTITY FULL, a TRUNCATE. */
const NOTE_TABLE = [
  { name: 'id', typeOid: 23 },
  { name: 'note', typeOid: 25 },
  { name: 'm', typeOid: 16385 },
  { name: 'b', typeOid: 17 },
];

/** What `pg_logical_slot_peek_binary_changes` of PostgreSQL 15 gave (proto_version 1, binary), and what it means. */
const POSTGRES_15_STREAM: readonly (readonly [string, Message])[] = [
  ['420000000001527d90000303bddcd63dec000002d8', { tag: 'begin', finalLsn: 0x1527d90n, commitTimeMicros: 0x303bddcd63decn, xid: 728 }],
  ['59000040017075626c6963006d6f6f6400', { tag: 'type', oid: 16385, schema: 'public', name: 'mood' }],
  [
    '52000040037075626c6963004f726422657273006400040169640000000017ffffffff006e6f74650000000019ffffffff006d0000004001ffffffff00620000000011ffffffff',
    {
      tag: 'relation',
      relation: {
        oid: 16387,
        schema: 'public',
        name: 'Ord"ers',
        replicaIdentity: 'd',
        columns: NOTE_TABLE.map((column, i) => ({ ...column, flags: i === 0 ? 1 : 0, typmod: -1 })),
      },
    },
  ],
  [
    '49000040034e0004620000000400000001620000000378787862000000026f6b6e',
    { tag: 'insert', oid: 16387, row: [binary('00000001'), binary('787878'), binary('6f6b'), { kind: 'null' }] },
  ],
  [
    '43000000000001527d900000000001527dc0000303bddcd63dec',
    { tag: 'commit', commitLsn: 0x1527d90n, endLsn: 0x1527dc0n, commitTimeMicros: 0x303bddcd63decn },
  ],
  [
    '55000040034e00046200000004000000027562000000026f6b620000000101',
    {
      tag: 'update',
      oid: 16387,
      old: { kind: 'absent' },
      row: [binary('00000002'), { kind: 'unchanged' }, binary('6f6b'), binary('01')],
    },
  ],
  [
    '55000040034b00046200000004000000016e6e6e4e0004620000000400000003620000000378787862000000026f6b6e',
    {
      tag: 'update',
      oid: 16387,
      old: { kind: 'key', values: [binary('00000001'), { kind: 'null' }, { kind: 'null' }, { kind: 'null' }] },
      row: [binary('00000003'), binary('787878'), binary('6f6b'), { kind: 'null' }],
    },
  ],
  [
    '44000040034b00046200000004000000026e6e6e',
    {
      tag: 'delete',
      oid: 16387,
      old: { kind: 'key', values: [binary('00000002'), { kind: 'null' }, { kind: 'null' }, { kind: 'null' }] },
    },
  ],
  [
    '52000040037075626c6963004f726422657273006600040169640000000017ffffffff016e6f74650000000019ffffffff016d0000004001ffffffff01620000000011ffffffff',
    {
      tag: 'relation',
      relation: {
        oid: 16387,
        schema: 'public',
        name: 'Ord"ers',
        replicaIdentity: 'f',
        columns: NOTE_TABLE.map((column) => ({ ...column, flags: 1, typmod: -1 })),
      },
    },
  ],
  [
    '55000040034f0004620000000400000003620000000378787862000000026f6b6e4e000462000000040000000362000000017a62000000026f6b6e',
    {
      tag: 'update',
      oid: 16387,
      old: { kind: 'full', values: [binary('00000003'), binary('787878'), binary('6f6b'), { kind: 'null' }] },
      row: [binary('00000003'), binary('7a'), binary('6f6b'), { kind: 'null' }],
    },
  ],
  [
    '44000040034f000462000000040000000362000000017a62000000026f6b6e',
    { tag: 'delete', oid: 16387, old: { kind: 'full', values: [binary('00000003'), binary('7a'), binary('6f6b'), { kind: 'null' }] } },
  ],
  ['54000000010200004003', { tag: 'truncate', oids: [16387], cascade: false, restartIdentity: true }],
];

function binary(hex: string): Value {
  return { kind: 'binary', bytes: Buffer.from(hex, 'hex') };
}
