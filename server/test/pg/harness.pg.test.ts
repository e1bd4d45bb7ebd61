import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/db/connect.ts';
import { countHandles, findLeaks } from './leaks.ts';
import type { TestDatabase } from './test-database.ts';
import { usePostgres } from './use-postgres.ts';
import { waitFor } from './wait-for.ts';

const pg = usePostgres();
const clusters = [pg.source, pg.destination];
const seen = new Set<string>();
let lasting: TestDatabase;

beforeAll(async () => {
  lasting = await pg.source.createDatabase();
  await lasting.query('CREATE TABLE public.lasting AS SELECT 1 AS n');
});

describe('a database of the harness', () => {
  test('made by beforeAll is there in every test', async () => {
    expect(await lasting.query('SELECT n FROM public.lasting')).toEqual([['1']]);
  });

  test('made by a test is empty and its own', async () => {
    const first = await pg.source.createDatabase();
    const second = await pg.destination.createDatabase();
    seen.add(first.name);
    await first.query('CREATE TABLE public.t AS SELECT 1 AS n');
    await expect(second.query('SELECT n FROM public.t')).rejects.toMatchObject({ facts: { sqlstate: '42P01' } });
  });

  test('is gone after the test that made it', async () => {
    const rows = await pg.source.query('SELECT datname FROM pg_catalog.pg_database WHERE datname = ANY ($1)', [[...seen]]);
    expect(seen.size).toBe(1);
    expect(rows).toEqual([]);
  });

  test('takes another encoding and a hostile name', async () => {
    const database = await pg.source.createDatabase({ encoding: 'LATIN1', suffix: ' "quoted" \\ name' });
    expect(await database.query("SELECT pg_catalog.current_setting('server_encoding'), pg_catalog.current_database()")).toEqual([
      ['LATIN1', database.name],
    ]);
  });

  test('lets a role of the harness in, with its rights and no more', async () => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole();
    const session = await database.open({ role });
    expect(await session.query('SELECT session_user')).toEqual([[role.name]]);
    await expect(session.query('CREATE DATABASE "more"')).rejects.toMatchObject({ facts: { sqlstate: '42501' } });
  });
});

describe('the leak check', () => {
  test('finds a session, a slot and a prepared transaction', async () => {
    const database = await pg.source.createDatabase();
    const stray = await connect(database.settings(), { applicationName: 'stray', side: 'source' });
    await stray.query('CREATE TABLE public.t (n int)');
    await stray.query("SELECT 1 FROM pg_catalog.pg_create_logical_replication_slot('stray_slot', 'pgoutput')");
    await stray.query("BEGIN; INSERT INTO public.t VALUES (1); PREPARE TRANSACTION 'stray_transaction'");
    const leaks = (await findLeaks(clusters, countHandles(clusters))).join('\n');
    expect(leaks).toMatch(/session \d+ client backend stray/);
    expect(leaks).toMatch(/slot stray_slot pgoutput/);
    expect(leaks).toMatch(/prepared transaction stray_transaction/);
    await stray.query("ROLLBACK PREPARED 'stray_transaction'");
    await database.dropSlots();
    await stray.close();
    expect(await findLeaks(clusters, countHandles(clusters))).toEqual([]);
  });

  test('finds a child process', async () => {
    const before = countHandles(clusters);
    const child = spawn('/bin/sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] });
    expect((await findLeaks(clusters, before)).join('\n')).toMatch(/ProcessWrap/);
    child.kill();
    await once(child, 'exit');
    expect(await findLeaks(clusters, before)).toEqual([]);
  });

  test('drops a slot that a session streams from', async () => {
    const database = await pg.source.createDatabase();
    const other = await connect(database.settings(), { applicationName: 'streams', side: 'source', replication: 'database' });
    await other.query('CREATE_REPLICATION_SLOT "active_slot" LOGICAL pgoutput');
    await database.query('CREATE PUBLICATION p FOR ALL TABLES');
    const options = '("proto_version" \'1\', "publication_names" \'p\')';
    const streaming = other.query(`START_REPLICATION SLOT "active_slot" LOGICAL 0/0 ${options}`).catch(() => []);
    await waitFor('the slot to be active', async () => {
      const rows = await database.query('SELECT active FROM pg_catalog.pg_replication_slots WHERE database = $1', [database.name]);
      return rows[0]?.[0] === 't';
    });
    await database.dropSlots();
    expect(await database.query('SELECT 1 FROM pg_catalog.pg_replication_slots WHERE database = $1', [database.name])).toEqual([]);
    await streaming;
    other.destroy();
  });
});

describe("a cluster of a test's own", () => {
  test('can be killed and started again with its data', async () => {
    const { cluster, server } = await pg.ownCluster({ settings: { wal_level: 'replica' } });
    const database = await cluster.createDatabase();
    await database.query('CREATE TABLE public.t AS SELECT 1 AS n');
    await database.closeSessions();
    await server.kill();
    await server.start();
    expect(await database.query("SELECT n, pg_catalog.current_setting('wal_level') FROM public.t")).toEqual([['1', 'replica']]);
  });
});

describe('waitFor', () => {
  test('says what it waited for', async () => {
    await expect(waitFor('Godot', () => false, 20)).rejects.toThrow('waited 20 ms in vain for Godot');
  });
});
