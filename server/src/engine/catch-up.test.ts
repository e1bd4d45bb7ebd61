// What was kept aside must be applied once, in commits of whole transactions, and move the object's own position with it.
import { describe, expect, test } from 'vitest';
import { encodeMessage, type Message } from '../../test/fuzz/encode-pgoutput.ts';
import { textRows } from '../model/batch/text-rows.ts';
import { LSN_ZERO } from '../pg/lsn.ts';
import { CatchUp } from './catch-up.ts';
import type { LiveObject } from './live-object.ts';
import type { ApplyLane, CommitPlan, Reshape, Spool } from './ports.ts';
import type { StreamBatch } from './stream-batch.ts';

const OID = 16_400;

describe('catching up', () => {
  test('commits the transactions that were kept, with their counts and the position behind them', async () => {
    const { object, catchUp, lane } = setup();
    const spool = new MemorySpool([...transaction(100n, 2, true), ...transaction(200n, 1)]);
    await catchUp.step(spool, lane, 1_000_000, 1_000_000);
    expect(lane.log).toEqual(['flush 3', 'commit']);
    expect(lane.plans[0]).toMatchObject({ checkpoint: null, settled: [object] });
    expect(lane.plans[0]?.counts.get(object)).toEqual({ inserted: 3, updated: 0, deleted: 0, truncated: 0 });
    expect(object.applied).toBe(250n);
    expect(spool.isEmpty).toBe(true);
  });

  test('flushes a transaction larger than a batch in parts, and commits it as one', async () => {
    const { object, catchUp, lane } = setup();
    const spool = new MemorySpool(transaction(100n, 50, true));
    await catchUp.step(spool, lane, 200, 200);
    expect(lane.log.length).toBeGreaterThan(3);
    expect(lane.log.filter((line) => line === 'commit')).toEqual(['commit']);
    expect(lane.log.at(-1)).toBe('commit');
    expect(lane.inside.slice(0, -1)).not.toContain(false);
    expect(lane.plans[0]?.counts.get(object)?.inserted).toBe(50);
  });

  test('stops between two transactions when it has done its share, wherever its reads end', async () => {
    const { object, catchUp, lane } = setup();
    const transactions = Array.from({ length: 20 }, (_, n) => transaction(BigInt(100 + n * 100), 5, n === 0));
    const spool = new MemorySpool(transactions.flat());
    const positions: bigint[] = [];
    while (!spool.isEmpty) {
      await catchUp.step(spool, lane, 300, 100);
      positions.push(object.applied);
    }
    expect(positions.length).toBeGreaterThan(5);
    expect(positions.every((position) => position % 100n === 50n)).toBe(true);
    expect(positions.at(-1)).toBe(2_050n);
    expect(lane.plans.reduce((sum, plan) => sum + (plan.counts.get(object)?.inserted ?? 0), 0)).toBe(100);
  });

  test('has the table follow where its description changes, and ends only when all that waited behind is taken in', async () => {
    const { object, catchUp, lane } = setup();
    const [begin, described, insert, commit] = transaction(100n, 1, true) as [Buffer, Buffer, Buffer, Buffer];
    const wider = [insertOf('2', 'w'), insertOf('3', 'w')].map(encodeMessage);
    const next = [begin, encodeMessage(insertOf('4', 'w')), encodeMessage(commitAt(200n))];
    const spool = new MemorySpool([begin, described, insert, encodeMessage(WIDER), ...wider, commit, ...next]);
    while (!spool.isEmpty) await catchUp.step(spool, lane, 1, 1_000_000);
    expect(lane.log).toEqual(['flush 1', 'flush 2', 'flush 1', 'commit']);
    expect(lane.inside).toEqual([true, false, false]);
    expect(object).toMatchObject({ applied: 250n, expected: [{ name: 'id' }, { name: 'w' }] });
  });

  test('keeps its position when the commit fails', async () => {
    const { object, catchUp, lane } = setup();
    lane.failure = new Error('no');
    await expect(catchUp.step(new MemorySpool(transaction(100n, 1, true)), lane, 1000, 1000)).rejects.toThrow('no');
    expect(object.applied).toBe(LSN_ZERO);
  });
});

function setup() {
  const object: LiveObject = {
    key: 'public.t',
    source: { schema: 'public', name: 't' },
    sourceOid: OID,
    state: 'catching_up',
    applied: LSN_ZERO,
    handoff: null,
    expected: [{ name: 'id', typeOid: 25, typmod: -1 }],
    identity: ['id'],
    deletes: 'hard',
    shape: null,
  };
  return { object, catchUp: new CatchUp(object, { format: textRows, nowMs: () => 1, reshape }), lane: new RecordingLane() };
}

function transaction(lsn: bigint, rows: number, described = false): Buffer[] {
  const columns = [{ flags: 1, name: 'id', typeOid: 25, typmod: -1 }];
  const relation: Message = { tag: 'relation', relation: { oid: OID, schema: 'public', name: 't', replicaIdentity: 'd', columns } };
  const inserts = Array.from({ length: rows }, (_, n): Message => {
    return { tag: 'insert', oid: OID, row: [{ kind: 'text', bytes: Buffer.from(`${lsn} ${n}`) }] };
  });
  return [
    { tag: 'begin' as const, finalLsn: lsn, commitTimeMicros: 1n, xid: 10 },
    ...(described ? [relation] : []),
    ...inserts,
    commitAt(lsn),
  ].map(encodeMessage);
}

const WIDER: Message = {
  tag: 'relation',
  relation: {
    oid: OID,
    schema: 'public',
    name: 't',
    replicaIdentity: 'd',
    columns: [
      { flags: 1, name: 'id', typeOid: 25, typmod: -1 },
      { flags: 0, name: 'w', typeOid: 25, typmod: -1 },
    ],
  },
};

function insertOf(...values: readonly string[]): Message {
  return { tag: 'insert', oid: OID, row: values.map((value) => ({ kind: 'text', bytes: Buffer.from(value) })) };
}

function commitAt(lsn: bigint): Message {
  return { tag: 'commit', commitLsn: lsn, endLsn: lsn + 50n, commitTimeMicros: 1n };
}

const reshape: Reshape = async (_object, relation) => ({ expected: relation.columns, identity: ['id'] });

class RecordingLane implements ApplyLane {
  readonly log: string[] = [];
  readonly inside: boolean[] = [];
  readonly plans: CommitPlan[] = [];
  failure: Error | null = null;

  async flush(batch: StreamBatch): Promise<void> {
    let inserted = 0;
    for (const part of batch.objects.values()) inserted += part.counts.inserted;
    this.log.push(`flush ${inserted}`);
    this.inside.push(batch.endsInside);
  }

  async commit(plan: CommitPlan): Promise<void> {
    if (this.failure !== null) throw this.failure;
    this.log.push('commit');
    this.plans.push(plan);
  }
}

/** Whole transactions, handed out message by message until enough bytes went. */
class MemorySpool implements Spool {
  readonly #messages: Buffer[];

  constructor(messages: readonly Buffer[]) {
    this.#messages = [...messages];
  }

  get readableBytes(): number {
    return this.#messages.reduce((sum, message) => sum + message.length, 0);
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  read(sizeBytes: number, take: (bytes: Buffer, start: number, end: number) => void): void {
    for (let left = sizeBytes; left > 0; ) {
      const message = this.#messages.shift();
      if (message === undefined) return;
      left -= message.length;
      take(message, 0, message.length);
    }
  }

  append(): void {}

  markCommit(): void {}

  close(): void {}
}
