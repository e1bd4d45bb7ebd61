import { describe, expect, test } from 'vitest';
import type { SourceTable } from '../model/table.ts';
import { isCovered, membershipOf, type PublicationMember, type PublicationState, planPublications } from './publication-plan.ts';

const NAMES = { full: 'full', insertOnly: 'ins' };
const COLUMNS = { filters: true, generated: true };

function table(oid: number, name: string, relkind: 'r' | 'p' = 'r'): SourceTable {
  return {
    oid,
    schema: 'public',
    name,
    relkind,
    columns: [],
    primaryKey: [],
    replicaIdentity: 'default',
    identity: { kind: 'none' },
    leaves: [],
    hasInheritanceChildren: false,
    sizeBytes: 0,
    estimatedRows: 0,
  };
}

function member(of: SourceTable, filtered = false): PublicationMember {
  return { oid: of.oid, membershipOid: of.oid + 1000, schema: of.schema, name: of.name, filtered };
}

function state(name: string, members: readonly PublicationMember[], options: Partial<PublicationState> = {}): PublicationState {
  const all = { insert: true, update: name === 'full', delete: name === 'full', truncate: true };
  return {
    oid: 1,
    name,
    owned: true,
    allTables: false,
    actions: all,
    viaRoot: true,
    publishesGenerated: false,
    members,
    schemas: [],
    ...options,
  };
}

const a = table(1, 'a');
const b = table(2, 'b"');
const c = table(3, 'c');

describe('planning the two publications', () => {
  test('creates both at first, the empty one too, because a stream names both', () => {
    const plan = planPublications(NAMES, { full: null, insertOnly: null }, { full: [a, b], insertOnly: [] }, COLUMNS);
    expect(plan.statements).toEqual([
      `CREATE PUBLICATION "full" FOR TABLE ONLY "public"."a", ONLY "public"."b""" WITH (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`,
      `CREATE PUBLICATION "ins" WITH (publish = 'insert, truncate', publish_via_partition_root = true)`,
    ]);
    expect(plan).toMatchObject({ created: ['full', 'ins'], added: [a, b], moved: [], removed: [], streamFrom: ['full', 'ins'] });
  });

  test('publishes the rows that meet a condition, and makes a membership anew whose condition is another', () => {
    const positive = { ...a, condition: '(id > 0)' };
    const wanted = { full: [positive], insertOnly: [] };
    expect(planPublications(NAMES, { full: null, insertOnly: null }, wanted, COLUMNS).statements[0]).toMatch(
      /FOR TABLE ONLY "public"."a" WHERE \(\(id > 0\)\) WITH/,
    );
    const published = (condition: string | null) => state('full', [{ ...member(a), condition }]);
    const empty = state('ins', []);
    expect(planPublications(NAMES, { full: published('(id > 0)'), insertOnly: empty }, wanted, COLUMNS).statements).toEqual([]);
    for (const [found, tables] of [
      [null, [positive]],
      ['(id > 1)', [positive]],
      ['(id > 0)', [a]],
    ] as const) {
      const plan = planPublications(NAMES, { full: published(found), insertOnly: empty }, { full: tables, insertOnly: [] }, COLUMNS);
      expect(plan.statements).toHaveLength(2);
      expect(plan).toMatchObject({ added: tables, moved: [], removed: [] });
    }
    const identified = { ...positive, identity: { kind: 'key', columns: ['id'] } } as const;
    expect(membershipOf([published('(id > 0)')], identified)).toBe('1/1001');
    expect(membershipOf([published(null)], identified)).toBe(null);
    expect(membershipOf([state('full', [], { allTables: true })], identified)).toBe(null);
  });

  test('does nothing when nothing changed', () => {
    const existing = { full: state('full', [member(a)]), insertOnly: state('ins', [member(b)]) };
    expect(planPublications(NAMES, existing, { full: [a], insertOnly: [b] }, COLUMNS)).toMatchObject({
      statements: [],
      added: [],
      removed: [],
      streamFrom: ['full', 'ins'],
    });
  });

  test('adds and drops by difference, one statement each', () => {
    const existing = { full: state('full', [member(a), member(b)]), insertOnly: state('ins', []) };
    const plan = planPublications(NAMES, existing, { full: [b, c], insertOnly: [] }, COLUMNS);
    expect(plan.statements).toEqual([
      'ALTER PUBLICATION "full" DROP TABLE ONLY "public"."a"',
      'ALTER PUBLICATION "full" ADD TABLE ONLY "public"."c"',
    ]);
    expect(plan).toMatchObject({ added: [c], removed: [{ name: 'a' }], moved: [] });
  });

  test('calls a table that changes publication moved, and not removed', () => {
    const existing = { full: state('full', [member(a)]), insertOnly: state('ins', [member(b)]) };
    const plan = planPublications(NAMES, existing, { full: [b], insertOnly: [a] }, COLUMNS);
    expect(plan.statements).toHaveLength(4);
    expect(plan.moved).toEqual([b, a]);
    expect(plan.removed).toEqual([]);
  });

  test('replaces a member that somebody gave a row filter or a column list', () => {
    const existing = { full: state('full', [member(a, true)]), insertOnly: state('ins', []) };
    const plan = planPublications(NAMES, existing, { full: [a], insertOnly: [] }, COLUMNS);
    expect(plan.statements).toEqual([
      'ALTER PUBLICATION "full" DROP TABLE ONLY "public"."a"',
      'ALTER PUBLICATION "full" ADD TABLE ONLY "public"."a"',
    ]);
    expect(plan).toMatchObject({ added: [a], moved: [], removed: [] });
  });

  test('mends options that somebody changed, and then trusts no member', () => {
    const existing = {
      full: state('full', [member(a)], { viaRoot: false, schemas: [{ schema: 'x"', membershipOid: 1 }] }),
      insertOnly: state('ins', []),
    };
    const plan = planPublications(NAMES, existing, { full: [a], insertOnly: [] }, COLUMNS);
    expect(plan.statements).toEqual([
      'ALTER PUBLICATION "full" DROP TABLES IN SCHEMA "x"""',
      `ALTER PUBLICATION "full" SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true, publish_generated_columns = none)`,
    ]);
    expect(plan).toMatchObject({ mended: ['full'], added: [a] });
  });

  test('uses what an administrator made as it is while it covers the tables', () => {
    const existing = { full: state('full', [], { owned: false, allTables: true }), insertOnly: null };
    const plan = planPublications(NAMES, existing, { full: [a], insertOnly: [b] }, COLUMNS);
    expect(plan).toMatchObject({ statements: [], administered: ['full'], streamFrom: ['full'] });
  });

  test("plans what is missing in an administrator's publication, for the administrator to run", () => {
    const existing = { full: state('full', [member(a)], { owned: false }), insertOnly: state('ins', [], { owned: false }) };
    const plan = planPublications(NAMES, existing, { full: [a, c], insertOnly: [] }, COLUMNS);
    expect(plan.statements).toEqual(['ALTER PUBLICATION "full" ADD TABLE ONLY "public"."c"']);
  });
});

describe('whether a publication covers a table', () => {
  test.each([
    ['a member', state('full', [member(a)]), a, 'full', true],
    ['a filtered member', state('full', [member(a, true)]), a, 'full', false],
    ['inserts only, where updates are needed', state('ins', [member(a)]), a, 'full', false],
    ['inserts only, where they are enough', state('ins', [member(a)]), a, 'insertOnly', true],
    ['a whole schema', state('full', [], { schemas: [{ schema: 'public', membershipOid: 1 }] }), a, 'full', true],
    ['all tables', state('full', [], { allTables: true }), a, 'full', true],
    ['partitions under their own names', state('full', [], { allTables: true, viaRoot: false }), table(9, 'p', 'p'), 'full', false],
    ['a plain table without the root option', state('full', [member(a)], { viaRoot: false }), a, 'full', true],
  ] as const)('%s', (_name, publication, of, needs, expected) => {
    expect(isCovered([publication], of, needs)).toBe(expected);
  });
});

describe('how a table is published', () => {
  const keyed: SourceTable = { ...a, identity: { kind: 'key', columns: ['id'] } };

  test('is another text when it was taken out and put back, or its publication was made anew', () => {
    const before = membershipOf([state('full', [member(keyed)])], keyed);
    expect(before).toBe('1/1001');
    expect(membershipOf([state('full', [{ ...member(keyed), membershipOid: 2000 }])], keyed)).not.toBe(before);
    expect(membershipOf([state('full', [member(keyed)], { oid: 2 })], keyed)).not.toBe(before);
    expect(membershipOf([state('full', [member(keyed), member(b)])], keyed)).toBe(before);
  });

  test('is the same for whole schemas and all tables', () => {
    expect(membershipOf([state('full', [], { schemas: [{ schema: 'public', membershipOid: 7 }] })], keyed)).toBe('1/7');
    expect(membershipOf([state('full', [], { allTables: true, oid: 5 })], keyed)).toBe('5');
  });

  test('is nothing while changes that it needs do not come through', () => {
    expect(membershipOf([state('full', [])], keyed)).toBeNull();
    expect(membershipOf([state('ins', [member(keyed)])], keyed)).toBeNull();
    expect(membershipOf([state('ins', [member(a)])], a)).toBe('1/1001');
  });
});
