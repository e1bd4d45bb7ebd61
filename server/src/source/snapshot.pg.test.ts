import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { waitFor } from '../../test/pg/wait-for.ts';
import { must } from '../lib/assert.ts';
import type { SourceTable } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { parseLsn } from '../pg/lsn.ts';
import { isVisible, type Snapshot } from '../pg/snapshot.ts';
import { readTables } from './catalog.ts';
import { type CopySnapshot, openCopySnapshot, type SnapshotOptions } from './snapshot.ts';

const pg = usePostgres();
const T = { schema: 'public', name: 't' };

async function tableOf(database: TestDatabase, name: QualifiedName = T): Promise<SourceTable> {
  const { tables } = await readTables(await database.open(), { schemas: [name.schema] });
  return must(
    tables.find((table) => table.name === name.name),
    `the table ${name.name}`,
  );
}

async function open(database: TestDatabase, table: SourceTable, rest: Partial<SnapshotOptions> = {}): Promise<CopySnapshot> {
  const options = { hasStreamedInvisible: () => false, signal: new AbortController().signal, ...rest };
  return openCopySnapshot(await database.open(), table, options);
}

const PARTITIONED = `
  CREATE TABLE public.t (id int8, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
  CREATE TABLE public.t_eu PARTITION OF public.t FOR VALUES IN ('eu') PARTITION BY RANGE (id);
  CREATE TABLE public.t_eu_low PARTITION OF public.t_eu FOR VALUES FROM (0) TO (100);
  CREATE TABLE public.t_us (v text, id int8, region text, PRIMARY KEY (id, region));
  ALTER TABLE public.t ATTACH PARTITION public.t_us FOR VALUES IN ('us')`;

describe('a snapshot of a table', () => {
  test('sees exactly what it says it sees, and a later WAL position than any of it', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (id int8 PRIMARY KEY)');
    const running = await database.open();
    await running.query('BEGIN');
    await running.query('INSERT INTO public.t VALUES (1)');
    const runningXid = Number((await running.query('SELECT pg_catalog.pg_current_xact_id()'))[0]?.[0]);
    const [[committedXid] = []] = await database.query('INSERT INTO public.t VALUES (2) RETURNING xmin');
    const table = await tableOf(database);
    const before = parseLsn((await database.query('SELECT pg_catalog.pg_current_wal_insert_lsn()'))[0]?.[0] ?? '');
    const snapshot = await open(database, table);
    await running.query('COMMIT');
    expect(isVisible(snapshot.snapshot, Number(committedXid))).toBe(true);
    expect(isVisible(snapshot.snapshot, runningXid)).toBe(false);
    expect(snapshot.endLsn).toBeGreaterThanOrEqual(before);
    const reader = await database.open();
    await reader.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '${snapshot.exportedName}'`);
    expect(await reader.query('SELECT id FROM public.t')).toEqual([['2']]);
    await snapshot.close();
  });

  test('locks the table and every partition as a reader does, and no more', async () => {
    const database = await pg.source.createDatabase();
    await database.query(PARTITIONED);
    const snapshot = await open(database, await tableOf(database));
    const locks = await database.query(`
      SELECT c.relname, l.mode FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
      WHERE l.locktype = 'relation' AND l.granted AND c.relname LIKE 't%' AND c.relkind IN ('r', 'p') AND l.pid <> pg_catalog.pg_backend_pid()
      ORDER BY 1`);
    expect(locks).toEqual(['t', 't_eu', 't_eu_low', 't_us'].map((name) => [name, 'AccessShareLock']));
    expect(snapshot.leaves.map((leaf) => leaf.name).sort()).toEqual(['t_eu_low', 't_us']);
    await snapshot.close();
    expect(
      await database.query("SELECT count(*) FROM pg_catalog.pg_locks WHERE mode = 'AccessShareLock' AND relation = 'public.t'::regclass"),
    ).toEqual([['0']]);
  });

  test('is taken again while the stream is ahead of it', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (id int8 PRIMARY KEY)');
    const running = await database.open();
    await running.query('BEGIN');
    await running.query('INSERT INTO public.t VALUES (1)');
    const xid = Number((await running.query('SELECT pg_catalog.pg_current_xact_id()'))[0]?.[0]);
    const table = await tableOf(database);
    let refused = 0;
    const hasStreamedInvisible = (snapshot: Snapshot): boolean => {
      const isInvisible = !isVisible(snapshot, xid);
      if (isInvisible) refused += 1;
      if (refused === 3) void running.query('COMMIT');
      return isInvisible;
    };
    const snapshot = await open(database, table, { hasStreamedInvisible });
    expect(refused).toBeGreaterThanOrEqual(3);
    expect(isVisible(snapshot.snapshot, xid)).toBe(true);
    await snapshot.close();
  });

  test('is given up when the stream stays ahead of it, and the session is free again', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (id int8 PRIMARY KEY)');
    const table = await tableOf(database);
    const holder = await database.open();
    const options = { hasStreamedInvisible: () => true, settleTimeoutMs: 50, signal: new AbortController().signal };
    await expect(openCopySnapshot(holder, table, options)).rejects.toMatchObject({ errorName: 'copy_interrupted', retry: 'backoff' });
    expect(await holder.query('SELECT pg_catalog.pg_export_snapshot() IS NOT NULL')).toEqual([['t']]);
  });

  test('tells that DDL waits for it', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (id int8 PRIMARY KEY)');
    const snapshot = await open(database, await tableOf(database));
    expect(await snapshot.isInTheWay()).toBe(false);
    const writer = await database.open();
    const truncated = writer.query('TRUNCATE public.t');
    await waitFor('the TRUNCATE to wait', () => snapshot.isInTheWay());
    await snapshot.close();
    await truncated;
  });

  test('ends the statements of other sessions on demand', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (id int8 PRIMARY KEY)');
    const snapshot = await open(database, await tableOf(database));
    const sleeper = await database.open();
    const slept = sleeper.query('SELECT pg_catalog.pg_sleep(60)').catch((error: unknown) => error);
    await waitFor('the sleep to begin', async () => {
      const rows = await database.query("SELECT wait_event FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", [
        sleeper.backendPid,
      ]);
      return rows.length > 0;
    });
    await snapshot.cancel([sleeper.backendPid]);
    expect(await slept).toMatchObject({ facts: { sqlstate: '57014' } });
    await snapshot.close();
  });
});

describe('a table that changed since the catalogue was read', () => {
  const cases: readonly { readonly what: string; readonly ddl: string; readonly errorName: string }[] = [
    { what: 'was dropped', ddl: 'DROP TABLE public.t', errorName: 'object_vanished' },
    {
      what: 'has a view in its place',
      ddl: 'ALTER TABLE public.t RENAME TO u; CREATE VIEW public.t AS SELECT id, v FROM public.u',
      errorName: 'object_vanished',
    },
    {
      what: 'has another table in its place',
      ddl: 'DROP TABLE public.t; CREATE TABLE public.t (id int8 PRIMARY KEY, v text)',
      errorName: 'object_vanished',
    },
    { what: 'lost its schema', ddl: 'ALTER SCHEMA public RENAME TO private', errorName: 'object_vanished' },
    { what: 'has a new column', ddl: 'ALTER TABLE public.t ADD COLUMN w int4', errorName: 'object_schema_changed' },
    {
      what: 'has a column made anew',
      ddl: 'ALTER TABLE public.t DROP COLUMN v; ALTER TABLE public.t ADD COLUMN v text',
      errorName: 'object_schema_changed',
    },
    {
      what: 'has a column of another type',
      ddl: 'ALTER TABLE public.t ALTER COLUMN v TYPE varchar(9)',
      errorName: 'object_schema_changed',
    },
  ];
  for (const { what, ddl, errorName } of cases) {
    test(`is refused when it ${what}`, async () => {
      const database = await pg.source.createDatabase();
      await database.query('CREATE TABLE public.t (id int8 PRIMARY KEY, v text)');
      const table = await tableOf(database);
      await database.query(ddl);
      await expect(open(database, table)).rejects.toMatchObject({ errorName, facts: { object: 'public.t' } });
    });
  }

  test('is taken as it is now when only its file changed, and says which file that is', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (id int8 PRIMARY KEY); INSERT INTO public.t VALUES (1)');
    const table = await tableOf(database);
    await database.query('TRUNCATE public.t');
    const snapshot = await open(database, table);
    const now = Number((await database.query("SELECT pg_catalog.pg_relation_filenode('public.t')"))[0]?.[0]);
    expect(snapshot.leaves.map((leaf) => leaf.relfilenode)).toEqual([now]);
    expect(snapshot.physical.map((leaf) => leaf.relfilenode)).toEqual([now]);
    await snapshot.close();
  });

  const partitionCases: readonly { readonly what: string; readonly ddl: string }[] = [
    { what: 'got a partition', ddl: 'CREATE TABLE public.t_eu_high PARTITION OF public.t_eu FOR VALUES FROM (100) TO (200)' },
    { what: 'lost a partition', ddl: 'ALTER TABLE public.t DETACH PARTITION public.t_us' },
    { what: 'has a partition that was emptied', ddl: 'TRUNCATE public.t_us' },
  ];
  for (const { what, ddl } of partitionCases) {
    test(`is refused when it ${what}`, async () => {
      const database = await pg.source.createDatabase();
      await database.query(PARTITIONED);
      const table = await tableOf(database);
      await database.query(ddl);
      await expect(open(database, table)).rejects.toMatchObject({ errorName: 'partitions_changed' });
    });
  }
});
