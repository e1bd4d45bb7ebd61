import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { waitFor } from '../../test/pg/wait-for.ts';
import type { PgSession } from '../db/session.ts';
import { quoteIdent, quoteLiteral } from '../pg/ident.ts';
import { dropSlot, inspectSlot, type SlotState } from './slot.ts';
import { createSlot } from './slot-create.ts';
import { replicationNames } from './slot-name.ts';
import { currentWalLsn, identifySystem, readSystemId, readTimelineHistory } from './system.ts';

const pg = usePostgres();
const NEVER = new AbortController().signal;

interface Scene {
  readonly database: TestDatabase;
  readonly monitor: PgSession;
  readonly replication: PgSession;
  readonly name: string;
}

async function scene(database?: TestDatabase): Promise<Scene> {
  const own = database ?? (await pg.source.createDatabase());
  return {
    database: own,
    monitor: await own.open(),
    replication: await own.open({ replication: 'database' }),
    name: replicationNames('slot test', own.name).slot,
  };
}

async function healthy(session: PgSession, name: string): Promise<Extract<SlotState, { kind: 'healthy' }>> {
  const slot = await inspectSlot(session, name);
  if (slot.kind !== 'healthy') throw new Error(`the slot is ${slot.kind}`);
  return slot;
}

describe('a replication slot', () => {
  test('is created with a snapshot of its first position, inspected, and dropped once', async () => {
    const { database, monitor, replication, name } = await scene();
    await database.query('CREATE TABLE public.t AS SELECT 1 AS a');
    expect(await inspectSlot(monitor, name)).toEqual({ kind: 'missing' });
    const created = await createSlot(replication, name, { monitor, timeoutMs: 20_000, signal: NEVER });
    await database.query('INSERT INTO public.t VALUES (2)');
    const reader = await database.open();
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await reader.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(created.snapshotName)}`);
    expect(await reader.query('SELECT a FROM public.t')).toEqual([['1']]);
    await reader.query('COMMIT');

    const slot = await healthy(monitor, name);
    expect(slot).toMatchObject({ confirmedFlushLsn: created.consistentPoint, activePid: null, walStatus: 'reserved' });
    expect(slot.decodedTransactions).toBe(pg.source.major >= 14 ? 0 : null);
    expect(slot.restartLsn).toBeLessThanOrEqual(slot.confirmedFlushLsn);
    expect(slot.retainedBytes).toBeGreaterThan(0);
    expect(await dropSlot(monitor, name)).toBe(true);
    expect(await dropSlot(monitor, name)).toBe(false);
  });

  test('that exists already is not taken over', async () => {
    const { monitor, replication, name } = await scene();
    const options = { monitor, timeoutMs: 20_000, signal: NEVER };
    await createSlot(replication, name, options);
    await expect(createSlot(replication, name, options)).rejects.toMatchObject({ errorName: 'slot_in_use' });
    await dropSlot(monitor, name);
  });

  test('knows that it was used', async () => {
    const { database, monitor, replication, name } = await scene();
    await database.query('CREATE PUBLICATION p FOR ALL TABLES; CREATE TABLE public.t (a int)');
    await createSlot(replication, name, { monitor, timeoutMs: 20_000, signal: NEVER });
    await database.query('INSERT INTO public.t VALUES (1)');
    const changes = "pg_catalog.pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', 'p')";
    await monitor.query(`SELECT count(*) FROM ${changes}`, [name]);
    if (pg.source.major >= 14) {
      await waitFor('the statistics', async () => ((await healthy(monitor, name)).decodedTransactions ?? 0) > 0);
    }
    await dropSlot(monitor, name);
  });

  test('that is being streamed from is freed and dropped', async () => {
    const { database, monitor, replication, name } = await scene();
    await database.query('CREATE PUBLICATION p FOR ALL TABLES');
    await createSlot(replication, name, { monitor, timeoutMs: 20_000, signal: NEVER });
    const streaming = replication
      .query(`START_REPLICATION SLOT ${quoteIdent(name)} LOGICAL 0/0 (proto_version '1', publication_names 'p')`)
      .catch(() => 'ended');
    await waitFor('the stream', async () => (await healthy(monitor, name)).activePid === replication.backendPid);
    expect(await dropSlot(monitor, name)).toBe(true);
    expect(await streaming).toBe('ended');
  });

  test('of another kind is called foreign and never dropped', async () => {
    const { database, monitor, name } = await scene();
    const other = await pg.source.createDatabase();
    await database.query('SELECT pg_catalog.pg_create_logical_replication_slot($1, $2)', [name, 'test_decoding']);
    expect(await inspectSlot(monitor, name)).toEqual({ kind: 'foreign', why: 'uses the plugin test_decoding' });
    await expect(dropSlot(monitor, name)).rejects.toMatchObject({ errorName: 'slot_in_use' });
    await database.dropSlots();
    await other.query('SELECT pg_catalog.pg_create_logical_replication_slot($1, $2)', [name, 'pgoutput']);
    expect(await inspectSlot(monitor, name)).toEqual({ kind: 'foreign', why: 'belongs to another database' });
    await other.dropSlots();
    await database.query('SELECT pg_catalog.pg_create_physical_replication_slot($1)', [name]);
    expect(await inspectSlot(monitor, name)).toEqual({ kind: 'foreign', why: 'is a physical slot' });
    await database.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [name]);
  });
});

describe('creating a slot behind an open transaction', () => {
  test('gives up, names the transaction and leaves no slot behind', async () => {
    const { database, monitor, replication, name } = await scene();
    await database.query('CREATE TABLE public.t (a int)');
    const writer = await database.open({ applicationName: 'the "app"' });
    await writer.query('BEGIN; INSERT INTO public.t VALUES (1)');
    const failure = createSlot(replication, name, { monitor, timeoutMs: 500, signal: NEVER });
    await expect(failure).rejects.toMatchObject({
      errorName: 'slot_creation_blocked',
      facts: {
        cause: expect.stringMatching(
          new RegExp(
            `process ${writer.backendPid} \\(transaction \\d+, open for \\d+ s, database .*, role .*, application .*, idle in transaction`,
          ),
        ),
        fix: expect.stringContaining(`pg_terminate_backend(${writer.backendPid})`),
      },
    });
    expect(await inspectSlot(monitor, name)).toEqual({ kind: 'missing' });
    await writer.query('ROLLBACK');
    // The session is usable again: the next attempt succeeds on it.
    await createSlot(replication, name, { monitor, timeoutMs: 20_000, signal: NEVER });
    await dropSlot(monitor, name);
  });

  test('names a prepared transaction of another database', async () => {
    const { monitor, replication, name } = await scene();
    const other = await pg.source.createDatabase();
    await other.query('CREATE TABLE public.t (a int)');
    await other.query("BEGIN; INSERT INTO public.t VALUES (1); PREPARE TRANSACTION 'left behind'");
    await expect(createSlot(replication, name, { monitor, timeoutMs: 500, signal: NEVER })).rejects.toMatchObject({
      errorName: 'slot_creation_blocked',
      facts: {
        cause: expect.stringContaining('prepared transaction "left behind"'),
        fix: expect.stringContaining(`database ${other.name}`),
      },
    });
    await other.query("ROLLBACK PREPARED 'left behind'");
    expect(await inspectSlot(monitor, name)).toEqual({ kind: 'missing' });
  });

  test('shows as half created meanwhile, and stops when it is aborted', async () => {
    const { database, monitor, replication, name } = await scene();
    await database.query('CREATE TABLE public.t (a int)');
    const writer = await database.open();
    await writer.query('BEGIN; INSERT INTO public.t VALUES (1)');
    const controller = new AbortController();
    const creation = createSlot(replication, name, { monitor, timeoutMs: 60_000, signal: controller.signal }).catch(
      (error: unknown) => error,
    );
    const watcher = await database.open();
    await waitFor('the slot to appear', async () => (await inspectSlot(watcher, name)).kind === 'half_created');
    controller.abort();
    expect(await creation).toMatchObject({ name: 'AbortError' });
    expect(await inspectSlot(watcher, name)).toEqual({ kind: 'missing' });
    await writer.query('ROLLBACK');
  });
});

describe('the prerequisites of a slot', () => {
  test('are named when wal_level is too low or no slot is free', async () => {
    const low = await pg.ownCluster({ settings: { wal_level: 'replica' } });
    const first = await scene(await low.cluster.createDatabase());
    await expect(
      createSlot(first.replication, first.name, { monitor: first.monitor, timeoutMs: 5_000, signal: NEVER }),
    ).rejects.toMatchObject({
      errorName: 'wal_level_not_logical',
    });
    const full = await pg.ownCluster({ settings: { max_replication_slots: '1' } });
    const second = await scene(await full.cluster.createDatabase());
    await second.database.query("SELECT pg_catalog.pg_create_logical_replication_slot('taken', 'pgoutput')");
    await expect(
      createSlot(second.replication, second.name, { monitor: second.monitor, timeoutMs: 5_000, signal: NEVER }),
    ).rejects.toMatchObject({
      errorName: 'no_free_slot',
    });
  });

  test('a slot that fell behind its limit is invalidated', async () => {
    const { cluster } = await pg.ownCluster({ settings: { max_slot_wal_keep_size: '1MB' } });
    const { database, monitor, replication, name } = await scene(await cluster.createDatabase());
    await createSlot(replication, name, { monitor, timeoutMs: 20_000, signal: NEVER });
    await database.query('CREATE TABLE public.t (a int)');
    for (let segment = 0; segment < 4; segment += 1)
      await database.query('INSERT INTO public.t VALUES (1); SELECT pg_catalog.pg_switch_wal()');
    await database.query('CHECKPOINT');
    const slot = await waitFor('the invalidation', async () => {
      const state = await inspectSlot(monitor, name);
      return state.kind === 'invalidated' ? state : null;
    });
    expect(slot.why).toBe('wal_removed');
    expect(await dropSlot(monitor, name)).toBe(true);
  });
});

describe('the identity of a system', () => {
  test('is the same by both ways of asking', async () => {
    const { database, monitor, replication } = await scene();
    const identity = await identifySystem(replication);
    expect(identity).toMatchObject({ systemId: await readSystemId(monitor), timeline: 1, database: database.name });
    expect(await readTimelineHistory(replication, 1)).toEqual([]);
    expect(await currentWalLsn(monitor)).toBeGreaterThanOrEqual(identity.currentLsn);
  });
});
