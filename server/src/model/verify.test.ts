import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DestinationColumn } from './destination-table.ts';
import type { SourceTable } from './table.ts';
import { type Bucket, bucketDigits, differingBuckets, keyId, planVerify, portionsOf, showKey } from './verify.ts';

const NO_CONDITIONS = { filter: {}, sourceVersionNum: 170_000 };

describe('planVerify', () => {
  test('pairs columns by position and maps the key to the names of the source', () => {
    const destination = {
      schema: 'analytics',
      name: 'orders',
      columns: [column('id', 'id'), column('very_long_1a2b', 'very_long')],
      identity: { kind: 'key' as const, columns: ['very_long_1a2b'] },
    };
    const plan = planVerify(source({ relkind: 'r' }), destination, NO_CONDITIONS);
    expect(plan.source).toMatchObject({
      schema: 'shop',
      name: 'orders',
      only: true,
      columns: ['id', 'very_long'],
      key: ['very_long'],
    });
    expect(plan.destination).toEqual({
      schema: 'analytics',
      name: 'orders',
      only: false,
      columns: ['id', 'very_long_1a2b'],
      key: ['very_long_1a2b'],
    });
    expect(plan.sourceOids).toEqual([100, 101, 102]);
  });

  test('compares whole rows where they have no key, and reads all partitions of a partitioned table', () => {
    const plan = planVerify(source({ relkind: 'p' }), { schema: 's', name: 't', columns: [], identity: { kind: 'full' } }, NO_CONDITIONS);
    expect(plan.source).toMatchObject({ key: [], only: false });
    expect(plan.destination.key).toEqual([]);
  });
});

describe('differingBuckets', () => {
  test('finds a bucket with another sum, another count, and one that only one side has', () => {
    const ours = [bucket('a', 2, '7'), bucket('b', 2, '7'), bucket('c', 2, '7'), bucket('d', 1, '7')];
    const theirs = [bucket('e', 3, '7'), bucket('a', 2, '7'), bucket('b', 2, '8'), bucket('c', 1, '7')];
    expect(differingBuckets(ours, theirs)).toEqual([
      { name: 'b', rows: 4 },
      { name: 'c', rows: 3 },
      { name: 'd', rows: 1 },
      { name: 'e', rows: 3 },
    ]);
  });
});

describe('portionsOf', () => {
  test('keeps all buckets in order, and every portion within the limit unless it is a single bucket', () => {
    const sizes = fc.array(fc.nat({ max: 50 }).map((rows) => ({ rows })));
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 40 }), (rows, limit) => {
        const buckets = rows.map((size, i) => ({ ...size, name: String(i) }));
        const portions = portionsOf(buckets, limit);
        expect(portions.flat()).toEqual(buckets.map((size) => size.name));
        for (const portion of portions) {
          const total = portion.reduce((sum, name) => sum + (buckets[Number(name)]?.rows ?? 0), 0);
          expect(total <= limit || portion.length === 1).toBe(true);
        }
      }),
    );
  });
});

describe('keys', () => {
  test('of several columns never run into each other', () => {
    expect(keyId(['a', 'b,c'])).not.toBe(keyId(['a,b', 'c']));
    expect(keyId(['', 'a'])).not.toBe(keyId(['a', '']));
  });

  test('are shown readably and cut without splitting a character', () => {
    expect(showKey(['42'])).toBe('42');
    expect(showKey(['42', 'eu'])).toBe('(42, eu)');
    expect(showKey(['😀'.repeat(500)])).toBe(`${'😀'.repeat(120)}…`);
  });
});

test('a large table gets more buckets', () => {
  expect([-1, 1_000, 1e9].map(bucketDigits)).toEqual([3, 3, 4]);
});

function bucket(name: string, rows: number, sum: string): Bucket {
  return { name, rows, sum };
}

function source(facts: Pick<SourceTable, 'relkind'>): SourceTable {
  return {
    ...facts,
    schema: 'shop',
    name: 'orders',
    oid: 100,
    columns: [],
    primaryKey: [],
    replicaIdentity: 'default',
    identity: { kind: 'none' },
    leaves: [101, 102].map((oid) => ({ schema: 'shop', name: `leaf_${oid}`, oid, relfilenode: oid, pages: 1 })),
    hasInheritanceChildren: false,
    sizeBytes: 0,
    estimatedRows: -1,
  };
}

function column(name: string, sourceName: string): DestinationColumn {
  return {
    name,
    sourceName,
    attnum: 1,
    sourceTypeOid: 23,
    type: { schema: 'pg_catalog', name: 'int4', array: false, typmod: -1, modifiers: '' },
    typeSql: 'pg_catalog.int4',
    notNull: false,
    transfer: 'same',
    expression: null,
  };
}
