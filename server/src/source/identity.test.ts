import { describe, expect, test } from 'vitest';
import { type IdentityFacts, type KeyFacts, partitionedIdentity, tableIdentity } from './identity.ts';

const OLD = { generatedBreaksFull: false };
const NEW = { generatedBreaksFull: true };

function key(names: readonly string[], options: { usable?: boolean; notNull?: boolean; generated?: boolean } = {}): KeyFacts {
  const { usable = true, notNull = true, generated = false } = options;
  return { usable, columns: names.map((name) => ({ name, notNull, generated })) };
}

function facts(options: Partial<IdentityFacts>): IdentityFacts {
  return { replicaIdentity: 'default', primaryKey: null, identityIndex: null, hasGeneratedColumns: false, ...options };
}

const ID = { kind: 'key', columns: ['id'] };

describe('the identity of a table', () => {
  test.each([
    ['a primary key is the key', facts({ primaryKey: key(['id']) }), ID],
    ['a primary key keeps the order of its index', facts({ primaryKey: key(['b', 'a']) }), { kind: 'key', columns: ['b', 'a'] }],
    ['no primary key is no identity', facts({}), { kind: 'none' }],
    ['a deferrable or invalid primary key is no identity', facts({ primaryKey: key(['id'], { usable: false }) }), { kind: 'none' }],
    ['a generated key column never arrives', facts({ primaryKey: key(['id'], { generated: true }) }), { kind: 'none' }],
    ['the identity index is the key', facts({ replicaIdentity: 'index', primaryKey: key(['pk']), identityIndex: key(['id']) }), ID],
    [
      'a dropped identity index is not replaced by the primary key',
      facts({ replicaIdentity: 'index', primaryKey: key(['id']) }),
      { kind: 'none' },
    ],
    [
      'a nullable identity column is no identity',
      facts({ replicaIdentity: 'index', identityIndex: key(['id'], { notNull: false }) }),
      { kind: 'none' },
    ],
    ['full with a primary key is that key', facts({ replicaIdentity: 'full', primaryKey: key(['id']) }), ID],
    [
      'full with a deferrable primary key is full',
      facts({ replicaIdentity: 'full', primaryKey: key(['id'], { usable: false }) }),
      { kind: 'full' },
    ],
    ['full without a key is full', facts({ replicaIdentity: 'full' }), { kind: 'full' }],
    ['nothing is none in spite of a primary key', facts({ replicaIdentity: 'nothing', primaryKey: key(['id']) }), { kind: 'none' }],
  ])('%s', (_name, given, expected) => {
    expect(tableIdentity(given, OLD)).toEqual(expected);
  });

  test('full with generated columns is none where the server refuses the update', () => {
    const given = facts({ replicaIdentity: 'full', primaryKey: key(['id']), hasGeneratedColumns: true });
    expect(tableIdentity(given, OLD)).toEqual(ID);
    expect(tableIdentity(given, NEW)).toEqual({ kind: 'none' });
  });
});

describe('the identity of a partitioned table', () => {
  const root = facts({ primaryKey: key(['id']) });

  test('is the key that all leaves share', () => {
    expect(partitionedIdentity(root, [root, root], OLD)).toEqual(ID);
  });

  test('is the key when there is no leaf yet: leaves inherit it', () => {
    expect(partitionedIdentity(root, [], OLD)).toEqual(ID);
  });

  test('is none when the root has no primary key, even if every leaf is FULL: the next leaf would not be', () => {
    const full = facts({ replicaIdentity: 'full' });
    expect(partitionedIdentity(full, [full, full], OLD)).toEqual({ kind: 'none' });
  });

  test('is none when one leaf logs nothing, or other columns', () => {
    const nothing = facts({ replicaIdentity: 'nothing', primaryKey: key(['id']) });
    const other = facts({ replicaIdentity: 'index', primaryKey: key(['id']), identityIndex: key(['code']) });
    expect(partitionedIdentity(root, [root, nothing], OLD)).toEqual({ kind: 'none' });
    expect(partitionedIdentity(root, [root, other], OLD)).toEqual({ kind: 'none' });
  });

  test('is the key when a leaf has the same columns in another order', () => {
    const ab = facts({ primaryKey: key(['a', 'b']) });
    const ba = facts({ replicaIdentity: 'index', primaryKey: key(['a', 'b']), identityIndex: key(['b', 'a']) });
    expect(partitionedIdentity(ab, [ba], OLD)).toEqual({ kind: 'key', columns: ['a', 'b'] });
  });

  test('is the key when a leaf is FULL, unless the server refuses its updates', () => {
    const full = facts({ replicaIdentity: 'full', primaryKey: key(['id']), hasGeneratedColumns: true });
    expect(partitionedIdentity(root, [full], OLD)).toEqual(ID);
    expect(partitionedIdentity(root, [full], NEW)).toEqual({ kind: 'none' });
  });
});
