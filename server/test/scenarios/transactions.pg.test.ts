// Shapes of source transactions: whatever a transaction did inside, the destination gets what it committed, whole and in commit order.
import { describe, expect, test } from 'vitest';
import { waitFor } from '../pg/wait-for.ts';
import { useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

describe('a transaction', () => {
  test('leaves out what its savepoints rolled back, however deep', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.once();
    await pair.source.query(`
      BEGIN;
      INSERT INTO public.t VALUES (1, 'kept');
      SAVEPOINT a;
      INSERT INTO public.t VALUES (2, 'gone');
      UPDATE public.t SET a = 'gone' WHERE id = 1;
      SAVEPOINT b;
      INSERT INTO public.t VALUES (3, 'gone');
      RELEASE SAVEPOINT b;
      ROLLBACK TO SAVEPOINT a;
      INSERT INTO public.t VALUES (2, 'kept');
      COMMIT`);
    // More subtransactions than the server keeps in shared memory, half of them failing.
    await pair.source.query(`
      DO $$ BEGIN
        FOR i IN 10..300 LOOP
          BEGIN
            INSERT INTO public.t VALUES (i, 'inner');
            IF i % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF;
          EXCEPTION WHEN raise_exception THEN NULL;
          END;
        END LOOP;
      END $$`);
    await pair.once();
    await pair.expectEqual('t');
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['147']]);
  });

  test('that changes other tables by DDL, sends messages or changes nothing harms nothing', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.once();
    await pair.source.query(`
      BEGIN;
      INSERT INTO public.t VALUES (1, 'a');
      CREATE TABLE public.beside (id int PRIMARY KEY);
      ALTER TABLE public.beside ADD COLUMN more text;
      CREATE INDEX ON public.t (a);
      SELECT pg_catalog.pg_logical_emit_message(true, 'other', 'in the transaction');
      INSERT INTO public.t VALUES (2, 'b');
      COMMIT`);
    await pair.source.query("SELECT pg_catalog.pg_logical_emit_message(false, 'other', 'outside of any')");
    await pair.source.query('CREATE UNLOGGED TABLE public.unlogged (id int)');
    await pair.source.query('BEGIN; SELECT pg_catalog.txid_current(); COMMIT');
    await pair.source.query('ANALYZE public.t');
    await pair.once();
    await pair.expectEqual('t', 'beside');
  });

  test('of COPY and multi-row inserts, whose rows share a position, arrives whole after a restart', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.source.query('CREATE TABLE public.keyless (id int, a text)');
    await pair.once();
    for (const from of [0, 1000, 2000]) {
      await pair.source.query(`INSERT INTO public.t SELECT i, 'row ' || i FROM generate_series(${from} + 1, ${from} + 1000) AS i`);
      await pair.source.query(`INSERT INTO public.keyless SELECT i % 7, 'row' FROM generate_series(${from} + 1, ${from} + 500) AS i`);
      await pair.once({ tuning: { batchBytes: 1_000 } });
    }
    await pair.expectEqual('t', 'keyless');
  });

  test('arrives in the order of commits, not in that of beginnings', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.source.query("INSERT INTO public.t VALUES (1, 'old')");
    const pipeline = pair.start();
    await pair.untilEqual('t');
    await pair.untilState('streaming', 't');
    const first = await pair.source.open();
    await first.query('BEGIN');
    await first.query("INSERT INTO public.t VALUES (2, 'began first')");
    await pair.source.query("UPDATE public.t SET a = 'between' WHERE id = 1");
    await waitFor('the second transaction to arrive before the first', async () => {
      return (await pair.destination.query('SELECT a FROM public.t WHERE id = 1'))[0]?.[0] === 'between';
    });
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['1']]);
    await first.query("UPDATE public.t SET a = 'last' WHERE id = 1");
    await first.query('COMMIT');
    await pair.untilEqual('t');
    await pipeline.stop();
  });
});

describe('a transaction larger than a batch', () => {
  const LARGE = `
    INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, 5000) AS i;
    UPDATE public.t SET a = 'updated' WHERE id % 3 = 0;
    DELETE FROM public.t WHERE id % 5 = 0`;

  test('is invisible until it commits, then all there at once', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.source.query('CREATE TABLE public.other (id int PRIMARY KEY)');
    const pipeline = pair.start({ tuning: { batchBytes: 20_000 } });
    await pair.untilState('streaming', 't', 'other');
    // A lock on the second table stops the apply in the middle of the transaction.
    const reader = await pair.destination.open();
    await reader.query('BEGIN');
    await reader.query('LOCK TABLE public.other IN ACCESS EXCLUSIVE MODE');
    await pair.source.query(`BEGIN; ${LARGE}; INSERT INTO public.other VALUES (1); COMMIT`);
    await waitFor('the apply to be stopped by the lock', async () => {
      return (await pair.destination.query('SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted')).length > 0;
    });
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['0']]);
    await reader.query('COMMIT');
    const seen = new Set<string>();
    await waitFor('the transaction to arrive', async () => {
      const [row] = await pair.destination.query('SELECT (SELECT count(*) FROM public.t), (SELECT count(*) FROM public.other)');
      seen.add((row ?? []).join());
      return row?.[1] === '1';
    });
    expect([...seen].filter((counts) => counts !== '0,0')).toEqual(['4000,1']);
    await pair.expectEqual('t', 'other');
    await pipeline.stop();
  });

  test('leaves nothing when it is rolled back', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.once();
    await pair.source.query(`BEGIN; ${LARGE}; ROLLBACK`);
    await pair.source.query("INSERT INTO public.t VALUES (7, 'after')");
    await pair.once({ tuning: { batchBytes: 20_000 } });
    expect(await pair.destination.query('SELECT id, a FROM public.t')).toEqual([['7', 'after']]);
  });

  test('that is cut short by a stop is applied whole by the next run', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.source.query('CREATE TABLE public.other (id int)');
    const pipeline = pair.start({ tuning: { batchBytes: 20_000 } });
    await pair.untilState('streaming', 't', 'other');
    const reader = await pair.destination.open();
    await reader.query('BEGIN');
    await reader.query('LOCK TABLE public.other IN ACCESS EXCLUSIVE MODE');
    await pair.source.query(`BEGIN; INSERT INTO public.other SELECT i FROM generate_series(1, 3000) AS i; ${LARGE}; COMMIT`);
    await waitFor('the apply to be stopped by the lock', async () => {
      return (await pair.destination.query('SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted')).length > 0;
    });
    const stopped = pipeline.stop();
    await reader.query('COMMIT');
    await stopped;
    await pair.once({ tuning: { batchBytes: 20_000 } });
    await pair.expectEqual('t', 'other');
  });
});

describe('a two-phase commit', () => {
  test('arrives when it is committed, and not when it is rolled back', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.once();
    await pair.source.query("BEGIN; INSERT INTO public.t VALUES (1, 'kept'); PREPARE TRANSACTION 'kept_1'");
    await pair.source.query("BEGIN; INSERT INTO public.t VALUES (2, 'gone'); PREPARE TRANSACTION 'gone_1'");
    await pair.source.query("INSERT INTO public.t VALUES (3, 'between')");
    await pair.once();
    expect(await pair.destination.query('SELECT id FROM public.t')).toEqual([['3']]);
    await pair.source.query("COMMIT PREPARED 'kept_1'");
    await pair.source.query("ROLLBACK PREPARED 'gone_1'");
    await pair.once();
    await pair.expectEqual('t');
  });

  test('prepared before a table is loaded again arrives once', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int, a text)');
    await pair.source.query("INSERT INTO public.t VALUES (0, 'there')");
    await pair.once();
    await pair.source.query("BEGIN; INSERT INTO public.t VALUES (1, 'prepared'); PREPARE TRANSACTION 'open_2'");
    await pair.source.query("INSERT INTO public.t VALUES (2, 'committed')");
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.once();
    await pair.expectEqual('t');
    await pair.source.query("COMMIT PREPARED 'open_2'");
    await pair.once();
    await pair.expectEqual('t');
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['3']]);
  });

  test('that is open when the slot is to be made is named, with what to do', async () => {
    const { cluster } = await servers.ownCluster();
    const pair = servers.pairOf(await cluster.createDatabase(), await servers.destination.createDatabase());
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await pair.source.query("BEGIN; INSERT INTO public.t VALUES (1, 'prepared'); PREPARE TRANSACTION 'open_3'");
    await pair.source.query("INSERT INTO public.t VALUES (2, 'committed')");
    const first = pair.start();
    await waitFor('the creation of the slot to wait', async () => {
      return (await pair.source.query('SELECT 1 FROM pg_catalog.pg_replication_slots WHERE confirmed_flush_lsn IS NULL')).length > 0;
    });
    await pair.source.query("COMMIT PREPARED 'open_3'");
    await pair.untilEqual('t');
    await first.stop();
  });
});
