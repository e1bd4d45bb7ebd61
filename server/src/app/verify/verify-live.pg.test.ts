import { afterEach, describe, expect, test } from 'vitest';
import { usePostgres } from '../../../test/pg/use-postgres.ts';
import { waitFor } from '../../../test/pg/wait-for.ts';
import { type Databases, inBoth, type NativePipeline, type SameTable, startNativePipeline } from '../../../test/verify/native-pipeline.ts';
import type { PgSession } from '../../db/session.ts';

const pg = usePostgres();
const CLEAN = { missing: 0, extra: 0, different: 0 };
let pipeline: NativePipeline | null = null;

afterEach(async () => {
  await pipeline?.drop();
  pipeline = null;
});

async function running(schema: string, rows: string): Promise<Databases & { pipeline: NativePipeline }> {
  const databases = { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
  await inBoth(databases, schema);
  await databases.source.query(rows);
  pipeline = await startNativePipeline(databases);
  return { ...databases, pipeline };
}

/** Runs statements of `next` one after another until told to stop. */
class Writer {
  #isStopping = false;
  readonly #done: Promise<void>;
  transactions = 0;

  constructor(session: PgSession, next: (n: number) => string) {
    this.#done = this.#run(session, next);
    this.#done.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }

  async #run(session: PgSession, next: (n: number) => string): Promise<void> {
    for (let n = 1; !this.#isStopping; n++) {
      await session.query(next(n));
      this.transactions = n;
    }
  }
}

/** Lets the pipeline fall behind again and again: locks the table until the source has written some more. */
class Blocker {
  #isStopping = false;
  readonly #done: Promise<void>;
  pauses = 0;

  constructor(session: PgSession, written: () => number) {
    this.#done = this.#run(session, written);
    this.#done.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }

  async #run(session: PgSession, written: () => number): Promise<void> {
    const more = async (): Promise<void> => {
      const goal = written() + 40;
      await waitFor('the source to be written', () => this.#isStopping || written() >= goal, 30_000);
    };
    for (; !this.#isStopping; this.pauses++) {
      await session.query('BEGIN; LOCK TABLE public.items, public.log IN EXCLUSIVE MODE');
      await more();
      await session.query('COMMIT');
      await more();
    }
  }
}

const ITEMS: SameTable = { name: 'items', columns: ['id', 'v', 'n'], key: ['id'] };
const SCHEMA = `
  CREATE TABLE public.items (id int PRIMARY KEY, v text, n numeric);
  CREATE TABLE public.log (at int, what text);
  ALTER TABLE public.log REPLICA IDENTITY FULL`;
const ROWS = `
  INSERT INTO public.items SELECT i, 'value ' || i, i / 4.0 FROM pg_catalog.generate_series(1, 2000) AS i;
  INSERT INTO public.log SELECT i / 3, 'event' FROM pg_catalog.generate_series(1, 600) AS i`;
const LOG: SameTable = { name: 'log', columns: ['at', 'what'], key: [] };

/** Everything that looks like damage for a moment: rows that go and come back, values that return, keys that change, all rows at once. */
function change(n: number): string {
  const id = 41 + ((n * 7919) % 1859);
  switch (n % 8) {
    case 0:
      return `BEGIN; DELETE FROM public.items WHERE id IN (${id}, -${id}); INSERT INTO public.items VALUES (${id}, 'again', ${n}); COMMIT`;
    case 1:
      return `UPDATE public.items SET v = CASE WHEN v = 'flip' THEN 'flop' ELSE 'flip' END WHERE id BETWEEN 1 AND 20`;
    case 2:
      return 'DELETE FROM public.items WHERE id BETWEEN 21 AND 40';
    case 3:
      return `INSERT INTO public.items SELECT i, 'back', 0 FROM pg_catalog.generate_series(21, 40) AS i ON CONFLICT DO NOTHING`;
    case 4:
      return `UPDATE public.items SET id = -id WHERE id IN (${id}, -${id})`;
    case 5:
      return `INSERT INTO public.log VALUES (${id}, 'event'), (${id}, 'event'), (0, 'same')`;
    case 6:
      return `DELETE FROM public.log WHERE ctid = (SELECT pg_catalog.min(ctid) FROM public.log WHERE what = 'same')`;
    default:
      return n % 400 === 7 ? 'TRUNCATE public.log' : `UPDATE public.items SET n = n + 1 WHERE id < 1900 AND id % 100 = ${n % 100}`;
  }
}

describe('while the source is written and the pipeline runs, verifyObject', () => {
  test('never raises a false alarm', { timeout: 120_000 }, async () => {
    const { pipeline, source, destination } = await running(SCHEMA, ROWS);
    const writers = [new Writer(await source.open(), change), new Writer(await source.open(), (n) => change(n % 2 === 0 ? 5 : 6))];
    const blocker = new Blocker(await destination.open(), () => writers[0]?.transactions ?? 0);
    try {
      for (let run = 0; run < 8; run++) {
        expect(await pipeline.verify(ITEMS), `run ${run}`).toMatchObject(CLEAN);
        expect(await pipeline.verify(LOG), `run ${run}`).toMatchObject(CLEAN);
      }
    } finally {
      await Promise.all([...writers, blocker].map((job) => job.stop()));
    }
    expect(blocker.pauses).toBeGreaterThan(3);
    expect(writers.every((writer) => writer.transactions > 100)).toBe(true);
    expect(await pipeline.verify(ITEMS)).toMatchObject({ ...CLEAN, unverifiedRows: 0 });
    expect(await pipeline.verify(LOG)).toMatchObject({ ...CLEAN, unverifiedRows: 0 });
  });

  test('finds what is wrong among rows that change all the time', { timeout: 120_000 }, async () => {
    const { pipeline, source, destination } = await running(SCHEMA, ROWS);
    await destination.query(`
      DELETE FROM public.items WHERE id IN (1950, 1951);
      UPDATE public.items SET v = 'Value 1960' WHERE id = 1960;
      INSERT INTO public.items VALUES (5000, 'phantom');
      INSERT INTO public.log VALUES (-1, 'phantom')`);
    const writer = new Writer(await source.open(), (n) => (n % 400 === 7 ? 'SELECT 1' : change(n)));
    try {
      const items = await pipeline.verify(ITEMS);
      expect(items).toMatchObject({ missing: 2, extra: 1, different: 1 });
      expect([...items.sampleKeys].sort()).toEqual(['1950', '1951', '1960', '5000']);
      expect(await pipeline.verify(LOG)).toMatchObject({ missing: 0, extra: 1 });
    } finally {
      await writer.stop();
    }
  });

  test('does not mistake a transaction that is open at the source for damage', async () => {
    const { pipeline, source, destination } = await running(SCHEMA, ROWS);
    const session = await source.open();
    await session.query(`BEGIN; UPDATE public.items SET v = 'not yet'; DELETE FROM public.log`);
    await destination.query('DELETE FROM public.items WHERE id = 7');
    expect(await pipeline.verify(ITEMS)).toMatchObject({ missing: 1, extra: 0, different: 0, unverifiedRows: 0 });
    expect(await pipeline.verify(LOG)).toMatchObject({ ...CLEAN, unverifiedRows: 0 });
    await session.query('ROLLBACK');
  });

  test('calls the difference unverified when the pipeline is stuck', async () => {
    const { pipeline, source, destination } = await running(SCHEMA, ROWS);
    const blocker = await destination.open();
    await blocker.query('BEGIN; LOCK TABLE public.items IN EXCLUSIVE MODE');
    await source.query(`UPDATE public.items SET v = 'newer' WHERE id IN (1, 2, 3)`);
    const result = await pipeline.verify(ITEMS, { stallTimeoutMs: 300 });
    expect(result).toMatchObject({ ...CLEAN, unverifiedRows: 3 });
    expect(result.unverifiedReason).toMatch(/runs, but its checkpoint stays at/);
    await blocker.query('ROLLBACK');
    expect(await pipeline.verify(ITEMS)).toMatchObject({ ...CLEAN, unverifiedRows: 0 });
  });

  test('goes on when the pipeline is started in the middle of it', async () => {
    const { pipeline, source } = await running(SCHEMA, ROWS);
    await pipeline.stop();
    await source.query(`UPDATE public.items SET v = 'newer'`);
    const verified = pipeline.verify(ITEMS);
    await pipeline.resume();
    const result = await verified;
    expect(result).toMatchObject(CLEAN);
    await waitFor('the subscription to be at work again', async () => {
      const again = await pipeline.verify(ITEMS);
      return again.unverifiedRows === 0 && again.sourceRows === again.destinationRows;
    });
  });
});
