// What is left out or masked must not get past the filter, in any message, and nothing else may change on the way.
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeMessage, type Message, type OldRow, type Value } from '../../test/fuzz/encode-pgoutput.ts';
import { RecordingSink } from '../../test/fuzz/recording-sink.ts';
import { Secret } from '../lib/secret.ts';
import type { Mask } from '../model/object-filter.ts';
import { decodeMessage } from '../pg/pgoutput/decode.ts';
import type { RelationMessage } from '../pg/pgoutput/messages.ts';
import { ProtocolError } from '../pg/protocol-error.ts';
import { MessageFilter, type StreamFilter } from './message-filter.ts';

const SALT = new Secret('a salt of the tests');
const OID = 7;

describe('a message of a filtered relation', () => {
  test('has the columns that the filter keeps, masked as it says, whatever the values', () => {
    fc.assert(
      fc.property(anyCase, ({ relation, filter, changes }) => {
        const messages = [{ tag: 'relation', relation } as const, ...changes];
        expect(filtered(messages, filter)).toEqual(messages.map((message) => naively(message, relation, filter)));
      }),
      { numRuns: 500 },
    );
  });

  test('that is cut, too long or changed anywhere gives a ProtocolError and nothing else', () => {
    fc.assert(
      fc.property(anyCase, fc.nat(400), fc.nat(255), ({ relation, filter, changes }, place, byte) => {
        for (const change of changes) {
          const encoded = encodeMessage(change);
          const cut = encoded.subarray(0, place % encoded.length);
          expect(() => filterBytes([encodeMessage({ tag: 'relation', relation }), cut], filter)).toThrow(ProtocolError);
          const long = Buffer.concat([encoded, Buffer.from([byte])]);
          expect(() => filterBytes([encodeMessage({ tag: 'relation', relation }), long], filter)).toThrow(ProtocolError);
          const changed = Buffer.from(encoded);
          changed[place % encoded.length] = byte;
          refusedOrTaken(() => filterBytes([encodeMessage({ tag: 'relation', relation }), changed], filter));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('of another number of columns than its relation, or before its relation, is refused', () => {
    const filter = filterOf({ columns: ['a'] });
    const relation = { tag: 'relation', relation: relationOf('a', 'b') } as const;
    expect(() => filtered([relation, { tag: 'insert', oid: OID, row: [text('1')] }], filter)).toThrow(ProtocolError);
    expect(() => filtered([{ tag: 'insert', oid: OID, row: [text('1')] }], filter)).toThrow(ProtocolError);
  });

  test('never holds a value that it hashes in binary form', () => {
    const filter = filterOf({ masks: { a: { kind: 'sha256', salt: SALT } } });
    const insert = { tag: 'insert', oid: OID, row: [{ kind: 'binary', bytes: Buffer.from([1]) }] } as const;
    expect(() => filtered([{ tag: 'relation', relation: relationOf('a') }, insert], filter)).toThrow(ProtocolError);
  });

  test('shows a column that nobody has judged, but not its values, as long as others are masked', () => {
    const filter = filterOf({ masks: { email: { kind: 'null' } }, known: ['id', 'email'] });
    const relation = relationOf('id', 'mail');
    const seen = filtered(
      [
        { tag: 'relation', relation },
        { tag: 'insert', oid: OID, row: [text('1'), text('a@b')] },
      ],
      filter,
    );
    expect(seen).toEqual([
      { tag: 'relation', relation },
      { tag: 'insert', oid: OID, row: [text('1'), { kind: 'unchanged' }] },
    ]);
  });
});

test('a filter that comes after the description of its relation describes it again before the first change', () => {
  const relation = relationOf('a', 'b');
  let filter: StreamFilter | null = null;
  const sink = new RecordingSink();
  const messages = new MessageFilter({ format: 'text', filterOf: () => filter, next: (...message) => decodeMessage(...message, sink) });
  const take = (message: Message): void => {
    const bytes = encodeMessage(message);
    messages.take(bytes, 0, bytes.length);
  };
  const insert = { tag: 'insert', oid: OID, row: [text('1'), text('2')] } as const;
  take({ tag: 'relation', relation });
  take(insert);
  filter = filterOf({ columns: ['b'] });
  take(insert);
  take(insert);
  filter = null;
  take(insert);
  const shown = { tag: 'insert', oid: OID, row: [text('2')] } as const;
  const narrow = { ...relation, columns: relation.columns.slice(1) };
  expect(sink.messages).toEqual([
    { tag: 'relation', relation },
    insert,
    { tag: 'relation', relation: narrow },
    shown,
    shown,
    { tag: 'relation', relation },
    insert,
  ]);
});

test('messages of other relations, and those of none, pass as they are', () => {
  const others: Message[] = [
    { tag: 'begin', finalLsn: 5n, commitTimeMicros: 0n, xid: 9 },
    { tag: 'relation', relation: { ...relationOf('a'), oid: 8 } },
    { tag: 'insert', oid: 8, row: [text('a')] },
    { tag: 'truncate', oids: [OID, 8], cascade: false, restartIdentity: true },
    { tag: 'commit', commitLsn: 5n, endLsn: 6n, commitTimeMicros: 0n },
  ];
  expect(filtered(others, filterOf({ columns: ['b'] }))).toEqual(others);
});

/** The filter's work as one would describe it. */
function naively(message: Message, relation: RelationMessage, filter: StreamFilter): Message {
  const kept = (name: string): boolean => filter.columns?.has(name) ?? true;
  const row = (values: readonly Value[]): readonly Value[] =>
    values.flatMap((value, index) => {
      const name = relation.columns[index]?.name ?? '';
      return kept(name) ? [masked(value, filter.masks.get(name))] : [];
    });
  const old = <T extends OldRow>(values: T): T => ('values' in values ? { ...values, values: row(values.values) } : values);
  switch (message.tag) {
    case 'relation': {
      const columns = relation.columns
        .filter((column) => kept(column.name))
        .map((column) => {
          const kind = filter.masks.get(column.name)?.kind;
          return kind === 'sha256' || kind === 'fixed' ? { ...column, typeOid: 25, typmod: -1 } : column;
        });
      return { tag: 'relation', relation: { ...relation, columns } };
    }
    case 'insert':
      return { ...message, row: row(message.row) };
    case 'update':
      return { ...message, old: old(message.old), row: row(message.row) };
    case 'delete':
      return { ...message, old: old(message.old) };
    default:
      return message;
  }
}

function masked(value: Value, mask: Mask | undefined): Value {
  switch (mask?.kind) {
    case undefined:
      return value;
    case 'null':
      return { kind: 'null' };
    case 'fixed':
      return text(mask.text);
    case 'sha256':
      if (!('bytes' in value)) return value;
      return text(
        createHash('sha256')
          .update(Buffer.concat([Buffer.from(mask.salt.reveal()), value.bytes]))
          .digest('hex'),
      );
  }
}

function filtered(messages: readonly Message[], filter: StreamFilter): readonly Message[] {
  return filterBytes(messages.map(encodeMessage), filter);
}

function filterBytes(messages: readonly Buffer[], filter: StreamFilter): readonly Message[] {
  const sink = new RecordingSink();
  const filterFor = (oid: number): StreamFilter | null => (oid === OID ? filter : null);
  const target = new MessageFilter({ format: 'text', filterOf: filterFor, next: (...message) => decodeMessage(...message, sink) });
  for (const message of messages) {
    // A message stands anywhere in a chunk, and what is around it is none of its business.
    const chunk = Buffer.concat([Buffer.from('Ntb'), message, Buffer.from('nnn')]);
    target.take(chunk, 3, 3 + message.length);
  }
  return sink.messages;
}

function refusedOrTaken(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

function text(value: string): Value {
  return { kind: 'text', bytes: Buffer.from(value) };
}

function relationOf(...names: readonly string[]): RelationMessage {
  const columns = names.map((name) => ({ flags: 0, name, typeOid: 23, typmod: -1 }));
  return { oid: OID, schema: 'public', name: 't', replicaIdentity: 'd', columns };
}

interface FilterParts {
  readonly columns?: readonly string[];
  readonly masks?: Readonly<Record<string, Mask>>;
  readonly known?: readonly string[];
}

function filterOf({ columns, masks = {}, known = ['a', 'b'] }: FilterParts): StreamFilter {
  return {
    columns: columns === undefined ? null : new Set(columns),
    masks: new Map(Object.entries(masks)),
    known: new Set(known),
  };
}

const anyValue: fc.Arbitrary<Value> = fc.oneof(
  fc.record({ kind: fc.constantFrom('null' as const, 'unchanged' as const) }),
  fc.record({ kind: fc.constant('text' as const), bytes: fc.uint8Array({ maxLength: 90 }).map((bytes) => Buffer.from(bytes)) }),
);

const anyMask: fc.Arbitrary<Mask> = fc.oneof(
  fc.constant<Mask>({ kind: 'null' }),
  fc.constant<Mask>({ kind: 'sha256', salt: SALT }),
  fc.record({ kind: fc.constant('fixed' as const), text: fc.string({ unit: 'grapheme' }) }),
);

/** A relation with a filter and changes of it. */
const anyCase = fc.uniqueArray(fc.stringMatching(/^[a-zé"]{1,5}$/), { minLength: 1, maxLength: 8 }).chain((names) => {
  const row = fc.array(anyValue, { minLength: names.length, maxLength: names.length });
  const old = fc.record({ kind: fc.constantFrom('key' as const, 'full' as const), values: row });
  return fc.record({
    relation: fc.record({
      oid: fc.constant(OID),
      schema: fc.constantFrom('public', 'pg_catalog', 'Ünicode'),
      name: fc.constant('t'),
      replicaIdentity: fc.constantFrom('d' as const, 'f' as const),
      columns: fc.tuple(
        ...names.map((name) =>
          fc.record({
            flags: fc.constantFrom(0, 1),
            name: fc.constant(name),
            typeOid: fc.nat(9999),
            typmod: fc.integer({ min: -1, max: 99 }),
          }),
        ),
      ),
    }),
    filter: fc.record({
      columns: fc.option(fc.subarray(names).map((kept) => new Set(kept))),
      masks: fc
        .subarray(names)
        .chain((some) => fc.tuple(...some.map((name) => fc.tuple(fc.constant(name), anyMask))).map((all) => new Map(all))),
      known: fc.constant(new Set(names)),
    }),
    changes: fc.array(
      fc.oneof<fc.Arbitrary<Message>[]>(
        fc.record({ tag: fc.constant('insert' as const), oid: fc.constant(OID), row }),
        fc.record({
          tag: fc.constant('update' as const),
          oid: fc.constant(OID),
          old: fc.oneof(fc.constant({ kind: 'absent' as const }), old),
          row,
        }),
        fc.record({ tag: fc.constant('delete' as const), oid: fc.constant(OID), old }),
      ),
      { maxLength: 5 },
    ),
  });
});
