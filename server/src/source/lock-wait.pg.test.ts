import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import type { PgSession } from '../db/session.ts';
import { describeWriter, type WaitOutcome, waitForWriters } from './lock-wait.ts';

const pg = usePostgres();
const NEVER = new AbortController().signal;

interface Scene {
  readonly database: TestDatabase;
  readonly watcher: PgSession;
  readonly writer: PgSession;
  readonly oid: number;
}

async function scene(): Promise<Scene> {
  const database = await pg.source.createDatabase();
  await database.query('CREATE TABLE public.t (a int); CREATE TABLE public.other (a int)');
  const [row] = await database.query("SELECT 'public.t'::regclass::oid");
  return { database, watcher: await database.open(), writer: await database.open(), oid: Number(row?.[0]) };
}

function wait(from: Scene, timeoutMs: number, signal = NEVER): Promise<WaitOutcome> {
  return waitForWriters(from.watcher, [from.oid], { timeoutMs, signal, pollMs: 10 });
}

describe('waiting for writers', () => {
  test('ends at once when nobody writes to these tables', async () => {
    const here = await scene();
    await here.writer.query('BEGIN; INSERT INTO public.other VALUES (1); SELECT * FROM public.t');
    expect(await wait(here, 0)).toEqual({ kind: 'clear' });
    await here.writer.query('ROLLBACK');
  });

  test('ends when the writers of that moment have ended, and ignores later ones', async () => {
    const here = await scene();
    await here.writer.query('BEGIN; INSERT INTO public.t VALUES (1)');
    const waiting = wait(here, 20_000);
    const later = await here.database.open();
    // The first poll has been sent on the session before this, and locks are read in its first answer.
    await here.watcher.query('SELECT 1');
    await later.query('BEGIN; INSERT INTO public.t VALUES (2)');
    await here.writer.query('COMMIT');
    expect(await waiting).toEqual({ kind: 'clear' });
    await later.query('COMMIT');
  });

  test('names the writers that remain after the timeout', async () => {
    const here = await scene();
    await here.writer.query('BEGIN; TRUNCATE public.t');
    const outcome = await wait(here, 50);
    expect(outcome).toMatchObject({ kind: 'timeout', writers: [{ pid: here.writer.backendPid, gid: null, ageSeconds: 0 }] });
    if (outcome.kind !== 'timeout') throw new Error('expected a timeout');
    const [only] = outcome.writers;
    expect(only === undefined ? '' : describeWriter(only)).toMatch(/^process \d+, transaction \d+, open for \d s$/);
    await here.writer.query('ROLLBACK');
  });

  test('follows a transaction through PREPARE, also from a subtransaction', async () => {
    const here = await scene();
    await here.writer.query('BEGIN; SAVEPOINT a; INSERT INTO public.t VALUES (1)');
    const waiting = wait(here, 400);
    await here.watcher.query('SELECT 1');
    await here.writer.query("PREPARE TRANSACTION 'it''s prepared'");
    const outcome = await waiting;
    expect(outcome).toMatchObject({ kind: 'timeout', writers: [{ pid: null, gid: "it's prepared", ageSeconds: 0 }] });
    const again = wait(here, 20_000);
    await here.watcher.query('SELECT 1');
    await here.writer.query("COMMIT PREPARED 'it''s prepared'");
    expect(await again).toEqual({ kind: 'clear' });
  });

  test('does not wait for maintenance, which writes no row', async () => {
    const here = await scene();
    await here.writer.query('BEGIN; LOCK TABLE public.t IN SHARE UPDATE EXCLUSIVE MODE; LOCK TABLE public.t IN SHARE MODE');
    expect(await wait(here, 0)).toEqual({ kind: 'clear' });
    await here.writer.query('ROLLBACK');
  });

  test('stops when it is aborted', async () => {
    const here = await scene();
    await here.writer.query('BEGIN; INSERT INTO public.t VALUES (1)');
    const controller = new AbortController();
    const waiting = wait(here, 20_000, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
    await here.writer.query('ROLLBACK');
  });
});
