import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { must } from '../lib/assert.ts';
import type { SourceTable } from '../model/table.ts';
import { quoteIdent } from '../pg/ident.ts';
import { readTables } from './catalog.ts';

const pg = usePostgres();

async function read(database: TestDatabase, schemas: readonly string[] | null = null) {
  return readTables(await database.open(), { schemas });
}

async function tablesOf(database: TestDatabase): Promise<ReadonlyMap<string, SourceTable>> {
  const { tables } = await read(database);
  return new Map(tables.map((table) => [table.name, table]));
}

describe('reading the tables of a source', () => {
  test('keeps hostile names as they are', async () => {
    const database = await pg.source.createDatabase();
    const names = [
      '"; DROP TABLE x; --',
      "it's",
      'new\nline',
      'tab\t\\',
      '🦆'.repeat(15),
      'a'.repeat(63),
      'Orders',
      'orders',
      '__proto__',
      ' ',
      '$$',
    ];
    for (const schema of ['s"x', 'S"X']) {
      await database.query(`CREATE SCHEMA ${quoteIdent(schema)}`);
      for (const name of names) {
        const column = quoteIdent(name);
        await database.query(`CREATE TABLE ${quoteIdent(schema)}.${column} (${column} int PRIMARY KEY)`);
      }
    }
    const { tables, ineligible } = await read(database);
    expect(ineligible).toEqual([]);
    expect(new Set(tables.map((table) => `${table.schema} ${table.name}`))).toEqual(
      new Set(['s"x', 'S"X'].flatMap((schema) => names.map((name) => `${schema} ${name}`))),
    );
    for (const table of tables) {
      expect(table.columns.map((column) => column.name)).toEqual([table.name]);
      expect(table.identity).toEqual({ kind: 'key', columns: [table.name] });
      expect(table.primaryKey).toEqual([table.name]);
    }
  });

  test('reads tables of 1,600 columns and of none', async () => {
    const database = await pg.source.createDatabase();
    const columns = Array.from({ length: 1600 }, (_, index) => `c${index} bool`);
    await database.query(`CREATE TABLE public.wide (${columns.join(', ')}); CREATE TABLE public.bare ()`);
    const tables = await tablesOf(database);
    const wide = must(tables.get('wide'), 'wide');
    expect(wide.columns.map((column) => `${column.name} bool`)).toEqual(columns);
    expect(wide.columns.at(-1)).toMatchObject({ attnum: 1600, typeOid: 16, typmod: -1, formatted: 'boolean', notNull: false });
    expect(tables.get('bare')).toMatchObject({ columns: [], primaryKey: [], identity: { kind: 'none' } });
  });

  test('leaves dropped columns out and keeps attnum', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (a int, b numeric(10,2) NOT NULL, c text COLLATE "C"); ALTER TABLE public.t DROP COLUMN a');
    const columns = must((await tablesOf(database)).get('t'), 't').columns;
    expect(columns).toMatchObject([
      { name: 'b', attnum: 2, formatted: 'numeric(10,2)', notNull: true, ownCollation: false, generated: null },
      { name: 'c', attnum: 3, ownCollation: true },
    ]);
  });

  test('knows which generated columns need nothing but built-ins', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE FUNCTION public.twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
      CREATE TYPE public.mood AS ENUM ('ok');
      CREATE TABLE public.t (
        a int,
        builtin int GENERATED ALWAYS AS (a + 1) STORED,
        own_function int GENERATED ALWAYS AS (public.twice(a)) STORED,
        own_type public.mood GENERATED ALWAYS AS (CASE WHEN a = 1 THEN 'ok'::public.mood END) STORED,
        oid_of_table bigint GENERATED ALWAYS AS (tableoid::bigint) STORED
      )`);
    const columns = must((await tablesOf(database)).get('t'), 't').columns;
    expect(columns.map((column) => column.generated?.builtinsOnly)).toEqual([undefined, true, false, false, false]);
    expect(columns[1]?.generated).toEqual({ kind: 'stored', expression: '(a + 1)', builtinsOnly: true });
  });

  test.skipIf(pg.source.major < 18)('tells virtual generated columns from stored ones', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (a int, v int GENERATED ALWAYS AS (a * 2) VIRTUAL)');
    expect((await tablesOf(database)).get('t')?.columns[1]?.generated).toEqual({
      kind: 'virtual',
      expression: '(a * 2)',
      builtinsOnly: true,
    });
  });

  test('decides every kind of replica identity', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE TABLE public.pk (b int, a int, v text, PRIMARY KEY (a, b) INCLUDE (v));
      CREATE TABLE public.none (a int);
      CREATE TABLE public.deferrable_pk (a int PRIMARY KEY DEFERRABLE);
      CREATE TABLE public.by_index (a int PRIMARY KEY, b int NOT NULL); CREATE UNIQUE INDEX by_index_b ON public.by_index (b);
      ALTER TABLE public.by_index REPLICA IDENTITY USING INDEX by_index_b;
      CREATE TABLE public.lost_index (a int PRIMARY KEY, b int NOT NULL); CREATE UNIQUE INDEX lost_b ON public.lost_index (b);
      ALTER TABLE public.lost_index REPLICA IDENTITY USING INDEX lost_b; DROP INDEX public.lost_b;
      CREATE TABLE public.full_pk (a int PRIMARY KEY); ALTER TABLE public.full_pk REPLICA IDENTITY FULL;
      CREATE TABLE public.full_none (a int); ALTER TABLE public.full_none REPLICA IDENTITY FULL;
      CREATE TABLE public.nothing (a int PRIMARY KEY); ALTER TABLE public.nothing REPLICA IDENTITY NOTHING`);
    const identities = [...(await tablesOf(database))].map(([name, table]) => [name, table.replicaIdentity, table.identity]);
    expect(identities).toEqual([
      ['by_index', 'index', { kind: 'key', columns: ['b'] }],
      ['deferrable_pk', 'default', { kind: 'none' }],
      ['full_none', 'full', { kind: 'full' }],
      ['full_pk', 'full', { kind: 'key', columns: ['a'] }],
      ['lost_index', 'index', { kind: 'none' }],
      ['none', 'default', { kind: 'none' }],
      ['nothing', 'nothing', { kind: 'none' }],
      ['pk', 'default', { kind: 'key', columns: ['a', 'b'] }],
    ]);
  });

  test('makes the root of a partition tree the object and lists its leaves, wherever they live', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE SCHEMA parts;
      CREATE TABLE public.root (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      CREATE TABLE parts.y1 PARTITION OF public.root FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
      CREATE TABLE parts.y2 PARTITION OF public.root FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY HASH (id);
      CREATE TABLE parts.y2a PARTITION OF parts.y2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE parts.y2b PARTITION OF parts.y2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
      INSERT INTO public.root SELECT i, '2021-06-01' FROM generate_series(1, 1000) AS i;
      ANALYZE`);
    const { tables, ineligible } = await read(database, ['public']);
    expect(ineligible).toEqual([]);
    expect(tables.map((table) => [table.name, table.relkind, table.leaves.map((leaf) => leaf.name), table.estimatedRows])).toEqual([
      ['root', 'p', ['y1', 'y2a', 'y2b'], 1000],
    ]);
    expect(must(tables[0], 'root').sizeBytes).toBeGreaterThan(1000 * 28);
    const all = await read(database);
    expect(all.ineligible.map((relation) => [relation.name, relation.reason, relation.cause])).toEqual(
      ['y1', 'y2', 'y2a', 'y2b'].map((name) => [name, 'partition_of_object', 'its rows are replicated as rows of public.root']),
    );
  });

  test('takes an inheritance parent and its children as tables of their own', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.parent (a int PRIMARY KEY); CREATE TABLE public.child (b int) INHERITS (public.parent)');
    const tables = await tablesOf(database);
    expect(tables.get('parent')).toMatchObject({ hasInheritanceChildren: true, identity: { kind: 'key' } });
    expect(tables.get('child')).toMatchObject({ hasInheritanceChildren: false, identity: { kind: 'none' } });
    expect(tables.get('child')?.columns.map((column) => column.name)).toEqual(['a', 'b']);
  });

  test('says why a relation is not eligible', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE TABLE public.t (a int);
      CREATE UNLOGGED TABLE public.unlogged (a int);
      CREATE VIEW public.v AS SELECT 1 AS a;
      CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS a;
      CREATE TEMPORARY TABLE tmp (a int);
      CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
      CREATE FOREIGN TABLE public.f (a int) SERVER s;
      CREATE TABLE public.with_foreign (a int) PARTITION BY LIST (a);
      CREATE FOREIGN TABLE public.foreign_leaf PARTITION OF public.with_foreign FOR VALUES IN (1) SERVER s;
      CREATE TABLE public.with_unlogged (a int) PARTITION BY LIST (a);
      CREATE UNLOGGED TABLE public.unlogged_leaf PARTITION OF public.with_unlogged FOR VALUES IN (1)`);
    const listed = await readTables(await database.open(), { schemas: null, includeTemporary: true });
    expect(listed.tables.map((table) => table.name)).toEqual(['t']);
    const reasons = Object.fromEntries(listed.ineligible.map((relation) => [relation.name, relation.reason]));
    expect(reasons).toEqual({
      unlogged: 'unlogged_table',
      v: 'view',
      m: 'materialized_view',
      tmp: 'temporary_table',
      f: 'foreign_table',
      with_foreign: 'foreign_partition',
      foreign_leaf: 'partition_of_object',
      with_unlogged: 'unlogged_table',
      unlogged_leaf: 'partition_of_object',
    });
    expect((await read(database)).ineligible.map((relation) => relation.name)).not.toContain('tmp');
  });

  test('asks for the privileges that a role lacks, in statements that mend it', async () => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole();
    await database.query(`
      CREATE SCHEMA "hid""den"; CREATE TABLE "hid""den"."t'able" (a int);
      CREATE TABLE public.columns_only (a int, b int); GRANT SELECT (a, b) ON public.columns_only TO ${quoteIdent(role.name)}`);
    const session = await database.open({ role });
    const before = await readTables(session, { schemas: null });
    expect(before.tables).toEqual([]);
    expect(before.ineligible.map((relation) => relation.reason)).toEqual(['no_select_privilege', 'no_select_privilege']);
    for (const relation of before.ineligible) await database.query(relation.fix);
    const after = await readTables(session, { schemas: null });
    expect(after.ineligible).toEqual([]);
    expect(after.tables.map((table) => table.owned)).toEqual([false, false]);
  });

  test('refuses a table whose policies would hide rows from the role, and only from that role', async () => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole();
    await database.query(`
      CREATE TABLE public.t (a int); ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;
      CREATE POLICY everything ON public.t USING (true);
      CREATE TABLE public.root (a int) PARTITION BY LIST (a);
      CREATE TABLE public.leaf PARTITION OF public.root DEFAULT; ALTER TABLE public.leaf ENABLE ROW LEVEL SECURITY;
      GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${quoteIdent(role.name)}`);
    const session = await database.open({ role });
    const { tables, ineligible } = await readTables(session, { schemas: null });
    expect(ineligible.map((relation) => [relation.name, relation.reason])).toContainEqual(['t', 'row_level_security']);
    // The root's own stream is complete; only reading the leaf by its name is not.
    expect(tables.map((table) => [table.name, table.leaves[0]?.access])).toEqual([['root', 'row_level_security']]);
    expect((await read(database)).tables.map((table) => table.name)).toEqual(['root', 't']);
    await database.query(
      must(
        ineligible.find((relation) => relation.name === 't'),
        't',
      ).fix,
    );
    expect((await readTables(await database.open({ role }), { schemas: null })).tables.map((table) => table.name)).toEqual(['root', 't']);
  });

  test('does not wait for a table that is locked exclusively', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t AS SELECT generate_series(1, 1000) AS a; ANALYZE public.t');
    const locker = await database.open();
    await locker.query('BEGIN; LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE');
    const session = await database.open({ statementTimeoutMs: 5_000 });
    const { tables } = await readTables(session, { schemas: null });
    expect(tables[0]).toMatchObject({ name: 't', estimatedRows: 1000 });
    expect(must(tables[0], 't').sizeBytes).toBeGreaterThan(0);
    await locker.query('ROLLBACK');
  });

  test('is not led astray by settings of the role and functions of others', async () => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole();
    const name = quoteIdent(role.name);
    await database.query(`
      CREATE SCHEMA evil;
      CREATE FUNCTION evil.format_type(oid, int) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''evil''; END';
      CREATE TABLE evil.pg_class (a int);
      GRANT USAGE ON SCHEMA evil TO ${name}; GRANT SELECT ON ALL TABLES IN SCHEMA evil TO ${name};
      ALTER ROLE ${name} SET search_path = evil, pg_catalog;
      ALTER ROLE ${name} SET default_transaction_read_only = on;
      ALTER ROLE ${name} SET standard_conforming_strings = off`);
    const { tables } = await readTables(await database.open({ role }), { schemas: null });
    expect(tables.map((table) => table.name)).toEqual(['pg_class']);
  });

  test('reads 2,000 tables in seconds', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`DO $$ BEGIN FOR i IN 1..2000 LOOP
      EXECUTE format('CREATE TABLE public.t%s (id int PRIMARY KEY, a int, b text, c timestamptz)', i); IF i % 200 = 0 THEN COMMIT; END IF;
      END LOOP; END $$`);
    const session = await database.open();
    const startedAt = performance.now();
    const { tables } = await readTables(session, { schemas: ['public'] });
    expect(tables.length).toBe(2000);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});
