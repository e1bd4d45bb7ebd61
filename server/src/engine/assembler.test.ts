// Every change must end in exactly one place: in the batch of its object, aside, or nowhere because the object has it or does not want it.
import { beforeEach, describe, expect, test } from 'vitest';
import { parseRows } from '../../test/batch/parse-rows.ts';
import { encodeMessage, type Message, type Value } from '../../test/fuzz/encode-pgoutput.ts';
import { textRows } from '../model/batch/text-rows.ts';
import type { Lsn } from '../pg/lsn.ts';
import { LSN_ZERO } from '../pg/lsn.ts';
import type { RelationMessage } from '../pg/pgoutput/messages.ts';
import { ProtocolError } from '../pg/protocol-error.ts';
import { parseSnapshot } from '../pg/snapshot.ts';
import { Assembler, type AssemblerHost, ObjectHalt } from './assembler.ts';
import type { LiveObject, StreamTransaction } from './live-object.ts';
import type { CommitPoint, StreamBatch } from './stream-batch.ts';

const INT4 = 23;
const TEXT = 25;
const ORDERS = 16_400;
const ITEMS = 16_401;
let host: Host;
let assembler: Assembler;
let orders: LiveObject;
let items: LiveObject;

beforeEach(() => {
  orders = liveObject('orders', ORDERS);
  items = liveObject('items', ITEMS);
  host = new Host([orders, items]);
  assembler = new Assembler(host);
});

describe('a transaction', () => {
  test('brings its rows into the batch of each object, and its end as the commit point', () => {
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), relation(ITEMS), insert(ITEMS, '1', 'x'), update(ORDERS, '1', 'b'));
    expect(assembler.inTransaction).toBe(true);
    expect(assembler.batch.lastCommit).toBeNull();
    take(commit(100n));
    expect(assembler.inTransaction).toBe(false);
    expect(host.began_).toEqual([{ finalLsn: 100n, xid: 7 }]);
    expect(host.points).toEqual([{ endLsn: 150n, commitTimeMicros: 9n }]);
    const batch = assembler.closeBatch();
    expect(batch).toMatchObject({ endsInside: false, transactions: 1, lastCommit: { endLsn: 150n } });
    expect(rows(batch, orders)).toEqual([['1', 'b']]);
    expect(rows(batch, items)).toEqual([['1', 'x']]);
    expect(batch.objects.get(orders)?.counts).toEqual({ inserted: 1, updated: 1, deleted: 0, truncated: 0 });
    expect(batch.sizeBytes).toBeGreaterThan(0);
    expect(batch.startedAtMs).toBe(1234);
  });

  test('without changes of ours is a commit point and nothing else', () => {
    take(begin(100n, 7), commit(100n), begin(200n, 8), relation(99), insert(99, '1', 'a'), commit(200n));
    expect(host.points.map((point) => point.endLsn)).toEqual([150n, 250n]);
    expect(assembler.batch).toMatchObject({ isEmpty: true, lastCommit: { endLsn: 250n }, transactions: 2, sizeBytes: 0, startedAtMs: 0 });
  });

  test('of COPY rows that share a position brings all of them', () => {
    const many = Array.from({ length: 1000 }, (_, n) => insert(ORDERS, String(n), 'copied'));
    take(begin(100n, 7), relation(ORDERS), ...many, commit(100n));
    expect(rows(assembler.closeBatch(), orders)).toHaveLength(1000);
  });

  test('that is cut by the end of a batch says so, and goes on in the next', () => {
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'));
    expect(assembler.closeBatch()).toMatchObject({ endsInside: true, lastCommit: null });
    take(insert(ORDERS, '2', 'b'), commit(100n));
    const rest = assembler.closeBatch();
    expect(rest).toMatchObject({ endsInside: false, lastCommit: { endLsn: 150n } });
    expect(rows(rest, orders)).toEqual([['2', 'b']]);
  });

  test('leaves the batch with the commit before it when the next is cut', () => {
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), commit(100n), begin(200n, 8), insert(ORDERS, '2', 'b'));
    expect(assembler.closeBatch()).toMatchObject({ endsInside: true, lastCommit: { endLsn: 150n }, transactions: 1 });
  });

  test('of messages, types and origins changes nothing', () => {
    take(
      begin(100n, 7),
      { tag: 'origin', commitLsn: 5n, name: 'elsewhere' },
      { tag: 'type', oid: 5000, schema: 'public', name: 'mood' },
      { tag: 'message', transactional: true, lsn: 90n, prefix: 'p', content: Buffer.from('c') },
      commit(100n),
    );
    expect(assembler.batch.isEmpty).toBe(true);
  });

  test('may truncate several tables by one message, of which some are ours', () => {
    take(begin(100n, 7), relation(ORDERS), relation(ITEMS), insert(ORDERS, '1', 'a'));
    take({ tag: 'truncate', oids: [ORDERS, 99, ITEMS], cascade: true, restartIdentity: true }, insert(ITEMS, '5', 'x'), commit(100n));
    const batch = assembler.closeBatch();
    expect([orders, items].map((object) => batch.objects.get(object)?.truncateFirst)).toEqual([true, true]);
    expect(rows(batch, orders)).toEqual([]);
    expect(rows(batch, items)).toEqual([['5', 'x']]);
  });
});

describe('a change is left out', () => {
  test('when the object has its transaction already', () => {
    orders.applied = 101n as Lsn;
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), relation(ITEMS), insert(ITEMS, '1', 'x'), commit(100n));
    take(begin(101n, 8), insert(ORDERS, '2', 'b'), commit(101n));
    const batch = assembler.closeBatch();
    expect(rows(batch, orders)).toEqual([['2', 'b']]);
    expect(rows(batch, items)).toEqual([['1', 'x']]);
  });

  test('when the snapshot of the historical load saw its transaction, up to where that was taken', () => {
    // 10 and 12 had ended, 11 was running.
    orders.handoff = { snapshot: parseSnapshot('11:13:11'), end: 300n as Lsn, overlap: false };
    const transactions = [10, 11, 12, 13].flatMap((xid, n) => [
      begin(BigInt(100 + n * 10), xid),
      ...(n === 0 ? [relation(ORDERS)] : []),
      insert(ORDERS, String(xid), 'a'),
      commit(BigInt(100 + n * 10)),
    ]);
    take(...transactions, begin(300n, 12), insert(ORDERS, '12 later', 'a'), commit(300n));
    expect(rows(assembler.closeBatch(), orders).map(([id]) => id)).toEqual(['11', '13', '12 later']);
  });

  test('when the object is not wanted, even if its columns changed', () => {
    host.routes.set(orders, 'drop');
    take(begin(100n, 7), relation(ORDERS, { columns: [column('other', TEXT)] }), insert(ORDERS, '1'), commit(100n));
    expect(assembler.batch.isEmpty).toBe(true);
  });
});

describe('a change in an overlap', () => {
  test('expects anything at the destination', () => {
    orders.handoff = { snapshot: parseSnapshot('11:11:'), end: 300n as Lsn, overlap: true };
    take(begin(100n, 12), relation(ORDERS), insert(ORDERS, '1', 'a'), commit(100n));
    expect(assembler.closeBatch().objects.get(orders)?.overlap).toBe(true);
    take(begin(300n, 13), insert(ORDERS, '1', 'a'), commit(300n));
    expect(assembler.closeBatch().objects.get(orders)?.overlap).toBe(false);
  });

  test('that can only be completed from the destination asks for a new load', () => {
    orders.handoff = { snapshot: parseSnapshot('11:11:'), end: 300n as Lsn, overlap: true };
    const moved: Message = { tag: 'update', oid: ORDERS, old: { kind: 'key', values: cells('1', null) }, row: [...cells('2'), UNCHANGED] };
    take(begin(100n, 12), relation(ORDERS));
    expect(haltOf(() => take(moved))).toMatchObject({ object: orders, remedy: 'reload', reason: { errorName: 'object_copy_failed' } });
  });
});

describe('changes of an object that waits', () => {
  test('are kept aside with what is needed to understand them, and whole transactions only', () => {
    host.routes.set(orders, 'aside');
    const messages = [begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), insert(ORDERS, '2', 'b'), commit(100n)];
    take(...messages);
    take(begin(200n, 8), relation(ITEMS), insert(ITEMS, '1', 'x'), commit(200n));
    take(begin(300n, 9), insert(ORDERS, '3', 'c'), commit(300n));
    expect(host.aside.get(orders)).toEqual([...messages, begin(300n, 9), insert(ORDERS, '3', 'c'), commit(300n)].map(encodeMessage));
    expect(host.aside.get(items)).toBeUndefined();
    expect(rows(assembler.closeBatch(), items)).toEqual([['1', 'x']]);
  });

  test('mean the same when they are read again by another assembler', () => {
    host.routes.set(orders, 'aside');
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), commit(100n));
    take(begin(200n, 8), relation(ORDERS), update(ORDERS, '1', 'b'), commit(200n));
    const later = new Host([orders]);
    const reader = new Assembler(later);
    for (const message of host.aside.get(orders) ?? []) reader.take(message, 0, message.length);
    expect(later.points.map((point) => point.endLsn)).toEqual([150n, 250n]);
    expect(rows(reader.closeBatch(), orders)).toEqual([['1', 'b']]);
  });

  test('bring their description anew when their place was begun anew', () => {
    host.routes.set(orders, 'aside');
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), commit(100n));
    host.aside.clear();
    assembler.forgetShape(orders);
    take(begin(200n, 8), insert(ORDERS, '2', 'b'), commit(200n));
    expect(
      host.aside
        .get(orders)
        ?.map((message) => String.fromCharCode(message[0] ?? 0))
        .join(''),
    ).toBe('BRIC');
  });

  test('of a truncation of several tables are kept for each that waits', () => {
    host.routes.set(orders, 'aside').set(items, 'aside');
    const truncate: Message = { tag: 'truncate', oids: [ORDERS, ITEMS], cascade: false, restartIdentity: false };
    take(begin(100n, 7), relation(ORDERS), relation(ITEMS), truncate, commit(100n));
    for (const object of [orders, items]) expect(host.aside.get(object)).toContainEqual(encodeMessage(truncate));
  });

  test('that it has already are not kept, and neither is a transaction without any', () => {
    host.routes.set(orders, 'aside');
    orders.applied = 150n as Lsn;
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), commit(100n));
    expect(host.aside.get(orders)).toBeUndefined();
  });

  test('find no place any more when the object was given up in the middle of a transaction', () => {
    host.routes.set(orders, 'aside');
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'));
    host.aside.clear();
    host.objects.delete(ORDERS);
    take(commit(100n));
    expect(host.aside.get(orders)).toBeUndefined();
  });
});

describe('the description of a table', () => {
  test('may come again without a difference, in the middle of a batch', () => {
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), relation(ORDERS), update(ORDERS, '1', 'b'), commit(100n));
    expect(rows(assembler.closeBatch(), orders)).toEqual([['1', 'b']]);
  });

  test.each([
    ['a column was added', [column('id', INT4, true), column('v', TEXT), column('w', TEXT)]],
    ['a column is gone', [column('id', INT4, true)]],
    ['a column was renamed', [column('id', INT4, true), column('name', TEXT)]],
    ['a type changed', [column('id', INT4, true), column('v', INT4)]],
    ['columns changed places', [column('v', TEXT), column('id', INT4, true)]],
  ])('has the table follow, and only at its next change, when %s', (_, columns) => {
    const described = relation(ORDERS, { columns });
    const change = insert(ORDERS, ...columns.map(() => 'a'));
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'before'), described, relation(ITEMS), insert(ITEMS, '1', 'x'));
    expect(assembler.pending).toBeNull();
    take(change, insert(ITEMS, '2', 'y'), commit(100n));
    expect(assembler.pending).toMatchObject({ object: orders, relation: { columns: columns.map(({ name }) => ({ name })) } });
    expect(assembler.inTransaction).toBe(true);
    const before = assembler.closeBatch();
    expect(before).toMatchObject({ endsInside: true, lastCommit: null });
    expect(rows(before, orders)).toEqual([['1', 'before']]);
    expect(rows(before, items)).toEqual([['1', 'x']]);
    const expected = columns.map(({ name, typeOid, typmod }) => ({ name, typeOid, typmod }));
    assembler.goOn({ expected, identity: ['id'] });
    expect(assembler.pending).toBeNull();
    expect(host.points).toHaveLength(1);
    const after = assembler.closeBatch();
    expect(after).toMatchObject({ endsInside: false, lastCommit: { endLsn: 150n } });
    expect(rows(after, orders)).toEqual([columns.map(() => 'a')]);
    expect(rows(after, items)).toEqual([['2', 'y']]);
  });

  test('has one table after another follow, before a TRUNCATE of both empties either', () => {
    const columns = [column('id', INT4, true)];
    const truncate: Message = { tag: 'truncate', oids: [ORDERS, ITEMS], cascade: false, restartIdentity: false };
    take(begin(100n, 7), relation(ORDERS, { columns }), relation(ITEMS, { columns }), truncate, commit(100n));
    const expected = [{ name: 'id', typeOid: INT4, typmod: -1 }];
    for (const object of [orders, items]) {
      expect(assembler.pending?.object).toBe(object);
      expect(assembler.batch.isEmpty).toBe(true);
      assembler.goOn({ expected, identity: ['id'] });
    }
    expect(assembler.batch.objects.get(orders)?.counts.truncated).toBe(1);
    expect(host.points).toHaveLength(1);
  });

  test('halts the object when its table did not become what the stream brings', () => {
    take(begin(100n, 7), relation(ORDERS, { columns: [column('id', INT4, true)] }), insert(ORDERS, '1'));
    const { expected, identity } = orders;
    const halted = haltOf(() => assembler.goOn({ expected, identity }));
    expect(halted).toMatchObject({ object: orders, remedy: 'user', reason: { errorName: 'object_schema_changed' } });
  });

  test('may come from the catalogue, between two transactions; what comes meanwhile waits', () => {
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), commit(100n));
    const columns = [{ flags: 1, name: 'id', typeOid: INT4, typmod: -1 }];
    assembler.await({ object: orders, relation: { oid: ORDERS, schema: 'public', name: 'orders', replicaIdentity: 'd', columns } });
    take(begin(200n, 8), relation(ITEMS), insert(ITEMS, '1', 'x'), commit(200n));
    expect(host.points).toHaveLength(1);
    assembler.goOn({ expected: [{ name: 'id', typeOid: INT4, typmod: -1 }], identity: ['id'] });
    expect(host.points).toHaveLength(2);
  });

  test('asks for a new load when old rows stop to carry the key, or the whole row', () => {
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), commit(100n));
    take(begin(200n, 8), relation(ORDERS, { replicaIdentity: 'i', columns: [column('id', INT4), column('v', TEXT, true)] }));
    const halted = haltOf(() => take(update(ORDERS, '2', 'a')));
    expect(halted).toMatchObject({ object: orders, remedy: 'reload', reason: { errorName: 'object_schema_changed' } });
    expect(halted.reason.message).toContain('no longer carry id');
    items.identity = null;
    const all = [column('id', INT4, true), column('v', TEXT, true)];
    take(relation(ITEMS, { replicaIdentity: 'f', columns: all }), insert(ITEMS, '1', 'x'), relation(ITEMS));
    expect(haltOf(() => take(insert(ITEMS, '2', 'y'))).reason.message).toContain('no longer carry whole rows');
  });

  test('is enough when old rows carry more than the key, and when a partitioned root knows less than its partitions', () => {
    const all = [column('id', INT4, true), column('v', TEXT, true)];
    take(begin(100n, 7), relation(ORDERS), insert(ORDERS, '1', 'a'), relation(ORDERS, { replicaIdentity: 'f', columns: all }));
    take({ tag: 'update', oid: ORDERS, old: { kind: 'full', values: cells('1', 'a') }, row: cells('1', 'b') });
    take(relation(ITEMS, { replicaIdentity: 'n', columns: [column('id', INT4), column('v', TEXT)] }), update(ITEMS, '1', 'x'));
    take(commit(100n));
    expect(rows(assembler.closeBatch(), orders)).toEqual([['1', 'b']]);
  });

  test('must come before the first change', () => {
    take(begin(100n, 7));
    expect(haltOf(() => take(insert(ORDERS, '1', 'a'))).reason.errorName).toBe('protocol_violation');
  });
});

describe('a change without a usable identity', () => {
  test.each<[string, readonly string[] | null, Message]>([
    ['an update of a table of which only inserts are followed', [], update(ORDERS, '1', 'b')],
    ['an update without its old row, of a table without a key', null, update(ORDERS, '1', 'b')],
    ['a delete whose key is NULL', ['id'], { tag: 'delete', oid: ORDERS, old: { kind: 'key', values: cells(null, null) } }],
  ])('halts the object: %s', (_, identity, message) => {
    orders.identity = identity;
    take(begin(100n, 7), relation(ORDERS));
    expect(haltOf(() => take(message))).toMatchObject({ object: orders, remedy: 'user', reason: { errorName: 'identity_missing' } });
  });
});

test('a row that comes into a row filter without a large value is never written, and its object is loaded again', () => {
  take(begin(100n, 7), relation(ORDERS));
  const halted = haltOf(() => take({ tag: 'insert', oid: ORDERS, row: [...cells('1'), UNCHANGED] }));
  expect(halted).toMatchObject({ object: orders, remedy: 'reload', reason: { errorName: 'filter_impossible' } });
});

test('a message that makes no sense is a protocol error, and no change of it is taken', () => {
  take(begin(100n, 7), relation(ORDERS));
  const cut = encodeMessage(insert(ORDERS, '1', 'a'));
  expect(() => assembler.take(cut, 0, cut.length - 1)).toThrow(ProtocolError);
  expect(() => take(insert(ORDERS, '1'))).toThrow(ProtocolError);
});

class Host implements AssemblerHost {
  readonly format = textRows;
  readonly objects: Map<number, LiveObject>;
  readonly routes = new Map<LiveObject, 'batch' | 'aside' | 'drop'>();
  readonly aside = new Map<LiveObject, Buffer[]>();
  readonly began_: StreamTransaction[] = [];
  readonly points: CommitPoint[] = [];

  constructor(objects: readonly LiveObject[]) {
    this.objects = new Map(objects.map((object) => [object.sourceOid, object]));
  }

  objectOf(relationOid: number): LiveObject | null {
    return this.objects.get(relationOid) ?? null;
  }

  route(object: LiveObject): 'batch' | 'aside' | 'drop' {
    return this.routes.get(object) ?? 'batch';
  }

  keepAside(object: LiveObject, bytes: Buffer, start: number, end: number): void {
    const kept = this.aside.get(object) ?? [];
    this.aside.set(object, kept);
    kept.push(Buffer.from(bytes.subarray(start, end)));
  }

  began(transaction: StreamTransaction): void {
    this.began_.push(transaction);
  }

  committed(point: CommitPoint): void {
    this.points.push(point);
  }

  nowMs(): number {
    return 1234;
  }
}

/** As on the wire: several messages lie in one buffer that is overwritten when they are taken. */
function take(...messages: readonly Message[]): void {
  for (const message of messages) {
    const bytes = Buffer.concat([Buffer.from('before'), encodeMessage(message), Buffer.from('after')]);
    assembler.take(bytes, 6, bytes.length - 5);
    bytes.fill(0xee);
  }
}

function haltOf(work: () => void): ObjectHalt {
  try {
    work();
  } catch (error) {
    if (error instanceof ObjectHalt) return error;
    throw error;
  }
  throw new Error('expected an object to halt');
}

function rows(batch: StreamBatch, object: LiveObject): (string | null)[][] {
  const part = batch.objects.get(object);
  const phase = part?.keeps === 'rows' ? part.phases[0] : undefined;
  if (phase?.kind !== 'keyed') return [];
  const { bytes, segments } = phase.effect('replace').rows;
  const parts: Buffer[] = [];
  for (let i = 0; i < segments.bounds.length; i += 2) parts.push(bytes.subarray(segments.bounds[i], segments.bounds[i + 1]));
  return parseRows(Buffer.concat(parts), 'text').map((row) =>
    row.map((value) => (value === null ? null : Buffer.from(value, 'hex').toString())),
  );
}

function liveObject(name: string, oid: number): LiveObject {
  return {
    key: `public.${name}`,
    source: { schema: 'public', name },
    sourceOid: oid,
    state: 'streaming',
    applied: LSN_ZERO,
    handoff: null,
    expected: [
      { name: 'id', typeOid: INT4, typmod: -1 },
      { name: 'v', typeOid: TEXT, typmod: -1 },
    ],
    identity: ['id'],
    deletes: 'hard',
    shape: null,
  };
}

const UNCHANGED: Value = { kind: 'unchanged' };

function column(name: string, typeOid: number, isKey = false) {
  return { flags: isKey ? 1 : 0, name, typeOid, typmod: -1 };
}

function relation(oid: number, changes: Partial<RelationMessage> = {}): Message {
  const columns = [column('id', INT4, true), column('v', TEXT)];
  return { tag: 'relation', relation: { oid, schema: 'public', name: `r${oid}`, replicaIdentity: 'd', columns, ...changes } };
}

function begin(lsn: bigint, xid: number): Message {
  return { tag: 'begin', finalLsn: lsn, commitTimeMicros: 9n, xid };
}

/** The commit record is 50 bytes long. */
function commit(lsn: bigint): Message {
  return { tag: 'commit', commitLsn: lsn, endLsn: lsn + 50n, commitTimeMicros: 9n };
}

function cells(...values: readonly (string | null)[]): Value[] {
  return values.map((value) => (value === null ? { kind: 'null' } : { kind: 'text', bytes: Buffer.from(value) }));
}

function insert(oid: number, ...values: readonly string[]): Message {
  return { tag: 'insert', oid, row: cells(...values) };
}

function update(oid: number, ...values: readonly string[]): Message {
  return { tag: 'update', oid, old: { kind: 'absent' }, row: cells(...values) };
}
