// From historical load to stream: whatever is written while tables are copied arrives exactly once.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';
import { rowsOf, useScenarios } from '../pipeline/scenario.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const servers = useScenarios();

/** Many small pieces, one after another, so that writers get between them. */
const SLOWLY = { chunkBytes: 60_000, workersPerLoad: 1 };

interface Writers {
  /** Ends them and says how many transactions they made. */
  stop(): Promise<number>;
}

/** Sessions that each run `statement` again and again; `round` grows over all of them. */
function startWriters(database: TestDatabase, statements: readonly ((round: number) => string)[]): Writers {
  let round = 0;
  let isOn = true;
  const work = statements.map(async (statement) => {
    const session = await database.open();
    while (isOn) {
      round += 1;
      await session.query(statement(round)).catch((error: unknown) => {
        // Writers that move rows get in each other's way now and then.
        const state = (error as { facts?: { sqlstate?: string } }).facts?.sqlstate ?? '';
        if (!['23505', '40P01'].includes(state)) throw error;
      });
      await delay(1);
    }
  });
  return {
    async stop() {
      isOn = false;
      await Promise.all(work);
      return round;
    },
  };
}

const LARGE = 'INSERT INTO public.t SELECT i, 0, repeat(md5(i::text), 10) FROM generate_series(1, 6000) AS i; VACUUM public.t';

describe('while tables are loaded', () => {
  test('writers that never stop lose nothing: inserts, updates, deletes, and keys that move between the pieces', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, n int, v text)');
    await pair.source.query('CREATE TABLE public.keyless (n int, v text)');
    await pair.source.query(LARGE.split(';')[0] ?? '');
    await pair.source.query("INSERT INTO public.keyless SELECT i % 50, repeat('x', 300) FROM generate_series(1, 3000) AS i");
    const writers = startWriters(pair.source, [
      (n) => `UPDATE public.t SET n = n + 1 WHERE id % 61 = ${n % 61}`,
      (n) => `UPDATE public.t SET id = id + 100000 WHERE id IN (${(n * 37) % 6000}, ${(n * 53) % 6000})`,
      (n) => `UPDATE public.t SET id = id - 100000 WHERE id = (SELECT min(id) FROM public.t WHERE id > 100000 AND id % 3 = ${n % 3})`,
      (n) => `DELETE FROM public.t WHERE id = ${(n * 7) % 6000}; INSERT INTO public.t VALUES (${200000 + n}, 0, 'new')`,
      (n) => `INSERT INTO public.keyless SELECT ${n}, 'new' FROM generate_series(1, 3)`,
      (n) =>
        `BEGIN; INSERT INTO public.keyless VALUES (${n}, 'gone'); SAVEPOINT s; UPDATE public.t SET n = -1 WHERE id = ${n % 100}; ROLLBACK TO s; COMMIT`,
    ]);
    const pipeline = pair.start({ tuning: SLOWLY });
    await pair.untilState('streaming', 't', 'keyless');
    expect(await writers.stop()).toBeGreaterThan(50);
    await pair.untilEqual('t', 'keyless');
    await pipeline.stop();
  });

  test('transactions that are open across the snapshot arrive when they commit, prepared ones too', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, v text); CREATE TABLE public.keyless (v text)');
    await pair.once();
    await pair.source.query(
      "INSERT INTO public.t SELECT i, 'old' FROM generate_series(1, 100) AS i; INSERT INTO public.keyless SELECT 'old' FROM generate_series(1, 5)",
    );
    await pair.once();
    // The tables have long been published; the load is asked for again with transactions open.
    const [committed, rolledBack] = [await pair.source.open(), await pair.source.open()];
    for (const session of [committed, rolledBack]) await session.query('BEGIN');
    await committed.query("UPDATE public.t SET v = 'committed' WHERE id = 1; INSERT INTO public.keyless VALUES ('committed')");
    await rolledBack.query("UPDATE public.t SET v = 'rolled back' WHERE id = 2; INSERT INTO public.keyless VALUES ('rolled back')");
    await pair.source.query(
      "BEGIN; DELETE FROM public.t WHERE id = 3; INSERT INTO public.keyless VALUES ('prepared'); PREPARE TRANSACTION 'handoff_1'",
    );
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    const pipeline = pair.start();
    await waitFor('the loads', async () => {
      return (
        (await pair.destination.query("SELECT 1 FROM _millrace.object WHERE restart_requested OR state IN ('pending', 'copying')"))
          .length === 0
      );
    });
    expect(await rowsOf(pair.destination, 't')).not.toContain('(1,committed)');
    await committed.query('COMMIT');
    await rolledBack.query('ROLLBACK');
    await pair.source.query("COMMIT PREPARED 'handoff_1'");
    await pair.untilEqual('t', 'keyless');
    await pair.untilState('streaming', 't', 'keyless');
    await pipeline.stop();
  });

  test('small tables stream before a large one is complete', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, n int, v text)');
    await pair.source.query('CREATE TABLE public.small (id int PRIMARY KEY, v text)');
    await pair.source.query(LARGE.split(';')[0] ?? '');
    await pair.source.query("INSERT INTO public.small VALUES (1, 'old')");
    await pair.once({ settings: { objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 't', include: false }] } });
    const pipeline = pair.start({ tuning: SLOWLY });
    await pair.destination.query("UPDATE _millrace.object SET desired = 'included'");
    // The load of the large table stands still while nothing can be written to it.
    const gate = await pair.destination.open();
    await waitFor(
      'the large table',
      async () => (await pair.destination.query("SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = 't'")).length > 0,
    );
    await gate.query('BEGIN');
    await gate.query('LOCK TABLE public.t IN SHARE MODE');
    await pair.untilState('copying', 't');
    await pair.source.query("INSERT INTO public.small VALUES (2, 'new'); UPDATE public.t SET n = 1 WHERE id % 100 = 0");
    await pair.untilEqual('small');
    await pair.untilState('copying', 't');
    await gate.query('COMMIT');
    await pair.untilEqual('t', 'small');
    await pipeline.stop();
  });

  test('a stop in the middle is no loss: the next run goes on', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, n int, v text)');
    await pair.source.query('CREATE TABLE public.keyless (n int, v text)');
    await pair.source.query(LARGE.split(';')[0] ?? '');
    await pair.source.query("INSERT INTO public.keyless SELECT i % 50, repeat('x', 300) FROM generate_series(1, 3000) AS i");
    for (const round of [1, 2, 3]) {
      const pipeline = pair.start({ tuning: SLOWLY });
      // Servers before 14 read the table in one piece.
      await waitFor(`${round * 3} pieces`, async () => {
        const [row] = await pair.destination.query(`
          SELECT (SELECT count(*) FROM _millrace.chunk) >= ${round * 3} OR NOT EXISTS (
            SELECT FROM _millrace.object WHERE state <> 'streaming')
          FROM _millrace.pipeline`);
        return row?.[0] === 't';
      });
      await pair.source.query(`
        UPDATE public.t SET n = n + 1 WHERE id % 11 = ${round};
        UPDATE public.t SET id = id + 50000 WHERE id % 97 = ${round};
        DELETE FROM public.t WHERE id % 89 = ${round};
        INSERT INTO public.keyless VALUES (${round}, 'between')`);
      await pipeline.stop();
      await pair.source.query(
        `UPDATE public.t SET n = n + 1 WHERE id % 13 = ${round}; INSERT INTO public.keyless VALUES (${round}, 'while stopped')`,
      );
    }
    await pair.once({ tuning: SLOWLY });
    await pair.expectEqual('t', 'keyless');
  });
});

describe('without a historical load', () => {
  test('only what changes from now on arrives', async () => {
    const pair = await servers.pair();
    const options = { settings: { loadHistoricalData: false } };
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, v text); CREATE TABLE public.keyless (v text)');
    await pair.source.query("INSERT INTO public.t VALUES (1, 'old'), (2, 'old'), (3, 'old'); INSERT INTO public.keyless VALUES ('old')");
    await pair.once(options);
    expect(await rowsOf(pair.destination, 't')).toEqual([]);
    await pair.source.query(
      "INSERT INTO public.t VALUES (4, 'new'); UPDATE public.t SET v = 'changed' WHERE id = 1; DELETE FROM public.t WHERE id = 2; INSERT INTO public.keyless VALUES ('new')",
    );
    await pair.once(options);
    expect(await rowsOf(pair.destination, 't')).toEqual(['(1,changed)', '(4,new)']);
    expect(await rowsOf(pair.destination, 'keyless')).toEqual(['(new)']);
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.once(options);
    await pair.expectEqual('t', 'keyless');
  });

  test('a change of a row whose large values are not known does not stop its table', async () => {
    const pair = await servers.pair();
    const options = { settings: { loadHistoricalData: false } };
    await pair.source.query(
      'CREATE TABLE public.t (id int PRIMARY KEY, n int, v text); ALTER TABLE public.t ALTER COLUMN v SET STORAGE EXTERNAL',
    );
    await pair.source.query("INSERT INTO public.t SELECT i, 0, repeat('x', 5000) FROM generate_series(1, 3) AS i");
    await pair.once(options);
    await pair.source.query(
      "UPDATE public.t SET n = 1 WHERE id = 1; UPDATE public.t SET id = 7 WHERE id = 2; INSERT INTO public.t VALUES (4, 0, 'new')",
    );
    await pair.once(options);
    await pair.untilState('streaming', 't');
    expect(await rowsOf(pair.destination, 't')).toEqual(['(4,0,new)']);
  });
});
