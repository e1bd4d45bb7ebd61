import { describe, expect, test } from 'vitest';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { must } from '../lib/assert.ts';
import { parseLsn } from '../pg/lsn.ts';
import { readSlotPosition, readSourceLsn, waitForOpenTransactions } from './verify-position.ts';

const pg = usePostgres();

describe('readSourceLsn', () => {
  test('is behind a commit that is visible before it is written', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (n int)');
    const session = await database.open();
    await database.query('SET synchronous_commit = off');
    for (let n = 0; n < 50; n++) {
      await database.query('INSERT INTO public.t VALUES (1)');
      const [row] = await database.query('SELECT pg_catalog.pg_current_wal_insert_lsn()');
      const atLeast = parseLsn(must(row?.[0], 'a position')) - BigInt(40);
      expect(await readSourceLsn(session)).toBeGreaterThanOrEqual(atLeast);
    }
  });
});

describe('readSlotPosition', () => {
  test('tells a free slot from none at all', async () => {
    const database = await pg.source.createDatabase();
    const slot = `slot_${database.name}`;
    await database.query(`SELECT 1 FROM pg_catalog.pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    expect(await readSlotPosition(await database.open(), slot)).toMatchObject({ isActive: false });
    await database.dropSlots();
    await expect(readSlotPosition(await database.open(), slot)).rejects.toMatchObject({ errorName: 'slot_lost' });
  });
});

describe('waitForOpenTransactions', () => {
  test('returns once the transactions that had written have ended', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (n int)');
    const [session, writer] = [await database.open(), await database.open()];
    await writer.query('BEGIN; INSERT INTO public.t VALUES (1)');
    const settled = waitForOpenTransactions(session, { timeoutMs: 30_000 });
    await writer.query('COMMIT');
    expect(await settled).toBe(true);
  });

  test('takes a transaction for uncommitted that stays open where no standby can delay its end', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (n int)');
    const [session, writer] = [await database.open(), await database.open()];
    await writer.query('BEGIN; INSERT INTO public.t VALUES (1)');
    expect(await waitForOpenTransactions(session, { timeoutMs: 50 })).toBe(true);
    await writer.query('ROLLBACK');
  });

  test('gives up where a commit may wait for a synchronous standby', async () => {
    const { cluster } = await pg.ownCluster({ settings: { synchronous_standby_names: 'absent', synchronous_commit: 'local' } });
    const database = await cluster.createDatabase();
    await database.query('CREATE TABLE public.t (n int)');
    const [session, writer] = [await database.open(), await database.open()];
    await writer.query('BEGIN; INSERT INTO public.t VALUES (1)');
    expect(await waitForOpenTransactions(session, { timeoutMs: 50 })).toBe(false);
    await writer.query('ROLLBACK');
    expect(await waitForOpenTransactions(session, { timeoutMs: 10_000 })).toBe(true);
  });
});
