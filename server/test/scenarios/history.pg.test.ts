// Tables that keep every version of a row: what a transaction left, from its commit until the next one that touched the row.
import type { VerifyReport } from '@millrace/contract/report';
import { describe, expect, test } from 'vitest';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { type Layout, NATIVE_LAYOUT } from '../../src/model/layout.ts';
import { Random } from '../fuzz/random.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';
import { pipelineSettings, type ScenarioOptions } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, useScenarios } from '../pipeline/scenario.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const servers = useScenarios();

function history(layout: Partial<Layout> = {}): ScenarioOptions {
  return { settings: { layout: { ...NATIVE_LAYOUT, history: true, ...layout } } };
}

/** Small batches, so that a transaction comes in many. */
function inParts(): ScenarioOptions {
  return { ...history(), tuning: { batchBytes: 500 } };
}

/** The versions of each row, oldest first. */
function versionsOf(destination: TestDatabase, columns = 'id, v') {
  return destination.query(
    `SELECT ${columns}, _millrace_current FROM public.t ORDER BY id, _millrace_valid_from, _millrace_valid_to, _millrace_lsn`,
  );
}

/** What must hold of every table of versions; nothing is returned when all of it does. */
function faultsOf(destination: TestDatabase) {
  return destination.query(`
    SELECT 'backwards', id FROM public.t WHERE _millrace_valid_to < _millrace_valid_from
    UNION ALL SELECT 'end', id FROM public.t WHERE _millrace_current <> (_millrace_valid_to IS NULL)
    UNION ALL SELECT 'two', id FROM public.t WHERE _millrace_current GROUP BY id HAVING count(*) > 1
    UNION ALL SELECT 'overlap', id FROM (
      SELECT id, _millrace_valid_to, lead(_millrace_valid_from) OVER (
        PARTITION BY id ORDER BY _millrace_valid_from, coalesce(_millrace_valid_to, 'infinity'), _millrace_lsn NULLS FIRST) AS next
      FROM public.t) AS v WHERE coalesce(_millrace_valid_to, 'infinity') > next`);
}

const LARGE = (seed: string): string => `(SELECT string_agg(md5('${seed}' || n), '') FROM generate_series(1, 200) AS n)`;

async function ofTwo(pair: Pair, options = history()): Promise<void> {
  await pair.source.query("CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'a'), (2, 'b')");
  await pair.once(options);
}

async function verify(pair: Pair): Promise<VerifyReport | undefined> {
  const settings = pipelineSettings(pair.source, pair.destination, history());
  return (await verifyPipeline(settings, 'all', new AbortController().signal))[0];
}

const CLEAN = { missing: 0, extra: 0, different: 0, unverified: null };

describe('a table that keeps every version', () => {
  test('has one for each commit that touched the row, and says which is current', async () => {
    const pair = await servers.pair();
    await ofTwo(pair);
    await pair.source.query("UPDATE public.t SET v = 'a2' WHERE id = 1");
    await pair.source.query("UPDATE public.t SET v = 'a3' WHERE id = 1");
    await pair.source.query("DELETE FROM public.t WHERE id = 2; INSERT INTO public.t VALUES (3, 'c')");
    await pair.source.query("INSERT INTO public.t VALUES (2, 'again')");
    await pair.once(history());
    expect(await versionsOf(pair.destination)).toEqual([
      ['1', 'a', 'f'],
      ['1', 'a2', 'f'],
      ['1', 'a3', 't'],
      ['2', 'b', 'f'],
      ['2', 'again', 't'],
      ['3', 'c', 't'],
    ]);
    expect(await faultsOf(pair.destination)).toEqual([]);
    // Versions of a row that was never away follow each other without a gap.
    expect(
      await pair.destination.query(
        `SELECT count(*) FROM public.t AS a JOIN public.t AS b ON b.id = a.id AND b._millrace_valid_from = a._millrace_valid_to WHERE a.id = 1`,
      ),
    ).toEqual([['2']]);
    expect(await verify(pair)).toMatchObject({ ...CLEAN, source_rows: 3, destination_rows: 3 });
    await pair.destination.query("UPDATE public.t SET v = 'wrong' WHERE id = 3");
    expect(await verify(pair)).toMatchObject({ different: 1, sample_keys: ['3'] });
  });

  test('begins with the time of the snapshot, and goes by the times of commits', async () => {
    const pair = await servers.pair();
    await pair.source.query("CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'a')");
    const now = async (): Promise<string> => (await pair.source.query('SELECT pg_catalog.clock_timestamp()'))[0]?.[0] ?? '';
    const times = [await now()];
    await pair.once(history());
    times.push(await now());
    await pair.source.query("UPDATE public.t SET v = 'b'");
    times.push(await now());
    await pair.once(history());
    expect(
      await pair.destination.query(
        `SELECT v, _millrace_valid_from BETWEEN $1 AND $2, _millrace_valid_to BETWEEN $2 AND $3, _millrace_valid_from BETWEEN $2 AND $3
         FROM public.t ORDER BY v`,
        times,
      ),
    ).toEqual([
      ['a', 't', 't', 'f'],
      ['b', 'f', null, 't'],
    ]);
  });

  test.for([
    ['in one batch', history()],
    ['in many', inParts()],
  ] as const)('counts only what a transaction leaves, %s', async ([, options]) => {
    const pair = await servers.pair();
    await ofTwo(pair, options);
    await pair.source.query(`
      BEGIN;
      UPDATE public.t SET v = 'step' WHERE id = 1;
      INSERT INTO public.t VALUES (9, 'came');
      INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(100, 130) AS i;
      UPDATE public.t SET v = 'left' WHERE id = 1;
      DELETE FROM public.t WHERE id = 9;
      DELETE FROM public.t WHERE id = 2;
      UPDATE public.t SET v = repeat('y', 100) WHERE id >= 100;
      INSERT INTO public.t VALUES (2, 'anew');
      DELETE FROM public.t WHERE id >= 100;
      COMMIT`);
    await pair.once(options);
    expect(await versionsOf(pair.destination)).toEqual([
      ['1', 'a', 'f'],
      ['1', 'left', 't'],
      ['2', 'b', 'f'],
      ['2', 'anew', 't'],
    ]);
    expect(await faultsOf(pair.destination)).toEqual([]);
  });

  test('ends the old key and begins the new one when a key changes, with all values', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, v int, big text);
      ALTER TABLE public.t ALTER COLUMN big SET STORAGE EXTERNAL;
      INSERT INTO public.t SELECT i, 0, ${LARGE('one')} FROM generate_series(1, 3) AS i`);
    await pair.once(history());
    await pair.source.query('UPDATE public.t SET id = 11 WHERE id = 1');
    await pair.source.query(
      'BEGIN; UPDATE public.t SET id = -2 WHERE id = 2; UPDATE public.t SET id = 2 WHERE id = 3; UPDATE public.t SET id = 3 WHERE id = -2; COMMIT',
    );
    await pair.source.query('UPDATE public.t SET v = 5 WHERE id = 11; UPDATE public.t SET id = 12 WHERE id = 11');
    await pair.once(history());
    await pair.source.query(
      `UPDATE public.t SET v = v + 1 WHERE id = 12; UPDATE public.t SET big = ${LARGE('two')} WHERE id = 3; UPDATE public.t SET v = 7 WHERE id = 3`,
    );
    await pair.once(history());
    expect(await versionsOf(pair.destination, 'id, v, length(big)')).toEqual([
      ['1', '0', '6400', 'f'],
      ['2', '0', '6400', 'f'],
      ['2', '0', '6400', 't'],
      ['3', '0', '6400', 'f'],
      ['3', '0', '6400', 'f'],
      ['3', '7', '6400', 't'],
      ['11', '0', '6400', 'f'],
      ['12', '5', '6400', 'f'],
      ['12', '6', '6400', 't'],
    ]);
    expect(await faultsOf(pair.destination)).toEqual([]);
    expect(await verify(pair)).toMatchObject(CLEAN);
  });

  test('ends all versions at a TRUNCATE, and those that the same transaction began never were', async () => {
    const pair = await servers.pair();
    await ofTwo(pair);
    await pair.source.query("UPDATE public.t SET v = 'a2' WHERE id = 1");
    await pair.source.query(
      "BEGIN; INSERT INTO public.t VALUES (3, 'gone'); UPDATE public.t SET v = 'gone'; TRUNCATE public.t; INSERT INTO public.t VALUES (1, 'after'), (4, 'after'); COMMIT",
    );
    await pair.once(history());
    expect(await versionsOf(pair.destination)).toEqual([
      ['1', 'a', 'f'],
      ['1', 'a2', 'f'],
      ['1', 'after', 't'],
      ['2', 'b', 'f'],
      ['4', 'after', 't'],
    ]);
    expect(await faultsOf(pair.destination)).toEqual([]);
  });

  test('never ends a version before it begins, nor begins one before the last one ended, when the clock goes back', async () => {
    const pair = await servers.pair();
    await ofTwo(pair);
    await pair.source.query("INSERT INTO public.t VALUES (3, 'c')");
    await pair.once(history());
    // As if all of it had happened under a clock that was a day ahead.
    await pair.destination.query("UPDATE public.t SET _millrace_valid_from = '2100-01-01 00:00+00'");
    await pair.source.query("UPDATE public.t SET v = 'a2' WHERE id = 1");
    await pair.source.query('DELETE FROM public.t WHERE id = 2');
    await pair.source.query("UPDATE public.t SET v = 'a3' WHERE id = 1; INSERT INTO public.t VALUES (2, 'b2')");
    await pair.once(history());
    await pair.source.query("DELETE FROM public.t WHERE id = 1; UPDATE public.t SET v = 'c2' WHERE id = 3");
    await pair.once(history());
    await pair.source.query("INSERT INTO public.t VALUES (1, 'a4'); TRUNCATE public.t");
    await pair.once(history());
    expect(await faultsOf(pair.destination)).toEqual([]);
    expect(
      await pair.destination.query(
        'SELECT id, v, extract(year FROM _millrace_valid_from), extract(year FROM _millrace_valid_to) FROM public.t ORDER BY id, _millrace_lsn NULLS FIRST, v',
      ),
    ).toEqual([
      ['1', 'a', '2100', '2100'],
      ['1', 'a2', '2100', '2100'],
      ['1', 'a3', '2100', '2100'],
      ['2', 'b', '2100', '2100'],
      ['2', 'b2', '2100', '2100'],
      ['3', 'c', '2100', '2100'],
      ['3', 'c2', '2100', '2100'],
    ]);
  });

  test('that is restarted ends what is gone or differs, adds what is new, and leaves the past and the rest alone', async () => {
    const pair = await servers.pair();
    await ofTwo(pair);
    await pair.source.query("INSERT INTO public.t VALUES (3, 'c'), (4, 'd'); UPDATE public.t SET v = 'a2' WHERE id = 1");
    await pair.once(history());
    const untouched = await pair.destination.query('SELECT ctid, xmin, * FROM public.t WHERE id = 1 ORDER BY ctid');
    await pair.destination.query("UPDATE public.t SET v = 'lost' WHERE id = 4");
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.source.query(
      "DELETE FROM public.t WHERE id = 2; UPDATE public.t SET v = 'c2' WHERE id = 3; INSERT INTO public.t VALUES (5, 'e')",
    );
    await pair.once(history());
    expect(await versionsOf(pair.destination)).toEqual([
      ['1', 'a', 'f'],
      ['1', 'a2', 't'],
      ['2', 'b', 'f'],
      ['3', 'c', 'f'],
      ['3', 'c2', 't'],
      ['4', 'lost', 'f'],
      ['4', 'd', 't'],
      ['5', 'e', 't'],
    ]);
    expect(await pair.destination.query('SELECT ctid, xmin, * FROM public.t WHERE id = 1 ORDER BY ctid')).toEqual(untouched);
    expect(await faultsOf(pair.destination)).toEqual([]);
    await pair.source.query("UPDATE public.t SET v = 'e2' WHERE id = 5");
    await pair.once(history());
    expect((await versionsOf(pair.destination)).slice(-2)).toEqual([
      ['5', 'e', 'f'],
      ['5', 'e2', 't'],
    ]);
    expect(await verify(pair)).toMatchObject(CLEAN);
  });

  test('of a table that gets another key is compared by that, and unique by it afterwards', async () => {
    const pair = await servers.pair();
    await pair.source.query(
      "CREATE TABLE public.t (id int PRIMARY KEY, n int NOT NULL, v text); INSERT INTO public.t VALUES (1, 10, 'a'), (2, 20, 'b')",
    );
    await pair.once(history());
    await pair.source.query('ALTER TABLE public.t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (n)');
    await pair.source.query("INSERT INTO public.t VALUES (1, 30, 'c')");
    await pair.once(history());
    await pair.source.query("UPDATE public.t SET id = 9, v = 'c2' WHERE n = 30");
    await pair.once(history());
    expect(await pair.destination.query('SELECT id, n, v FROM public.t WHERE _millrace_current ORDER BY n')).toEqual([
      ['1', '10', 'a'],
      ['2', '20', 'b'],
      ['9', '30', 'c2'],
    ]);
    expect(await verify(pair)).toMatchObject(CLEAN);
  });

  test('is refused where the table has no key, and says so; the others go on', async () => {
    const pair = await servers.pair();
    await pair.source.query(
      'CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.bare (id int); CREATE TABLE public.whole (id int); ALTER TABLE public.whole REPLICA IDENTITY FULL',
    );
    await pair.once(history());
    const states = await objectStates(pair.destination);
    for (const table of ['bare', 'whole']) expect(states[table]).toMatchObject({ state: 'ineligible', reason: 'identity_missing' });
    expect(states['bare']?.cause).toMatch(/no key by which versions/);
    expect(states['t']).toMatchObject({ state: 'streaming' });
  });

  test('is guarded by the destination itself: a second current version of a key can not be written', async () => {
    const pair = await servers.pair();
    await ofTwo(pair);
    await expect(pair.destination.query("INSERT INTO public.t (id, v) VALUES (1, 'second')")).rejects.toThrow(/duplicate key/);
  });

  test('without a historical load has what came since, and nothing of rows whose values it can not know', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, v text, big text);
      ALTER TABLE public.t ALTER COLUMN big SET STORAGE EXTERNAL;
      INSERT INTO public.t SELECT i, 'old', ${LARGE('one')} FROM generate_series(1, 3) AS i`);
    const options: ScenarioOptions = { settings: { layout: { ...NATIVE_LAYOUT, history: true }, loadHistoricalData: false } };
    await pair.once(options);
    await pair.source.query("UPDATE public.t SET v = 'unknown' WHERE id = 1; DELETE FROM public.t WHERE id = 2");
    await pair.source.query("UPDATE public.t SET big = 'known' WHERE id = 1; INSERT INTO public.t VALUES (4, 'new', 'x')");
    await pair.once(options);
    await pair.source.query("UPDATE public.t SET v = 'v2' WHERE id IN (1, 4)");
    await pair.once(options);
    expect(await versionsOf(pair.destination, 'id, v, big')).toEqual([
      ['1', 'unknown', 'known', 'f'],
      ['1', 'v2', 'known', 't'],
      ['4', 'new', 'x', 'f'],
      ['4', 'v2', 'x', 't'],
    ]);
  });

  test('has the columns of the metadata set too, and the end of a version changes them', async () => {
    const pair = await servers.pair();
    const options = history({ metadata: 'millrace' });
    await ofTwo(pair, options);
    await pair.source.query("UPDATE public.t SET v = 'a2' WHERE id = 1");
    await pair.once(options);
    expect(
      await pair.destination.query(
        'SELECT v, _millrace_synced_at > _millrace_valid_from, _millrace_synced_at > (SELECT max(_millrace_synced_at) FROM public.t WHERE id = 2) FROM public.t ORDER BY id, v',
      ),
    ).toEqual([
      ['a', 't', 't'],
      ['a2', 't', 't'],
      ['b', 't', 'f'],
    ]);
  });

  test('tells every version of an application that writes all the time, during the load and after it', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, v int NOT NULL);
      CREATE TABLE public.model (at serial, id int, v int);
      INSERT INTO public.t SELECT i, 0 FROM generate_series(1, 500) AS i`);
    const settings = {
      layout: { ...NATIVE_LAYOUT, history: true },
      objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 'model', include: false }],
    };
    const pipeline = pair.start({ settings, tuning: { chunkBytes: 8_192, batchBytes: 3_000 } });
    const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);
    const numbers = new Random(seed);
    let mark = '';
    for (let round = 1; round <= 60; round++) {
      if (round === 30) {
        await pair.untilState('streaming', 't');
        mark = (await pair.source.query('SELECT coalesce(max(at), 0) FROM public.model'))[0]?.[0] ?? '';
      }
      // What each transaction leaves is noted in the transaction itself: the model of the application.
      const id = 1 + numbers.below(20);
      const change = [
        `UPDATE public.t SET v = v + 1000 WHERE id = ${id}; UPDATE public.t SET v = ${round} WHERE id IN (${id}, ${id + 1})`,
        `DELETE FROM public.t WHERE id = ${id}`,
        `INSERT INTO public.t VALUES (${id}, ${round}) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v`,
        `DELETE FROM public.t WHERE id = ${id + 1}; UPDATE public.t SET id = ${id + 1}, v = ${round} WHERE id = ${id}`,
        `INSERT INTO public.t VALUES (${1000 + round}, 1); DELETE FROM public.t WHERE id = ${1000 + round}`,
      ][numbers.below(5)];
      await pair.source.query(`
        BEGIN;
        CREATE TEMPORARY TABLE before ON COMMIT DROP AS SELECT id, v, xmin::text AS writer FROM public.t;
        ${change};
        INSERT INTO public.model (id, v)
          SELECT coalesce(b.id, t.id), t.v FROM before AS b FULL JOIN public.t ON t.id = b.id
          WHERE t.id IS NULL OR b.id IS NULL OR t.xmin::text <> b.writer;
        COMMIT`);
    }
    const [[end] = []] = await pair.source.query('SELECT pg_catalog.pg_current_wal_lsn()');
    await waitFor('the pipeline to have everything', async () => {
      const [[has] = []] = await pair.destination.query('SELECT checkpoint_lsn >= $1::pg_lsn FROM _millrace.pipeline', [end ?? null]);
      return has === 't';
    });
    await pipeline.stop();
    // Each row that a commit touched, and left, is a version; the load's versions are of rows as one snapshot saw them.
    const modelled = await pair.source.query('SELECT id, v FROM public.model WHERE v IS NOT NULL ORDER BY id, at');
    const told = await pair.destination.query('SELECT id, v FROM public.t WHERE _millrace_lsn IS NOT NULL ORDER BY id, _millrace_lsn');
    const perKey = (rows: readonly (readonly (string | null)[])[]): Map<string, string[]> => {
      const lists = new Map<string, string[]>();
      for (const [id, v] of rows) lists.set(id ?? '', [...(lists.get(id ?? '') ?? []), v ?? '']);
      return lists;
    };
    const [model, versions] = [perKey(modelled), perKey(told)];
    expect(versions.size).toBeGreaterThan(5);
    // What the snapshot saw already is in the load: of each key the last versions of the model are told.
    for (const [id, list] of versions) expect(list, `${id}, seed ${seed}`).toEqual((model.get(id) ?? []).slice(-list.length));
    expect(await faultsOf(pair.destination)).toEqual([]);
    expect(await pair.destination.query('SELECT id, v FROM public.t WHERE _millrace_current ORDER BY id')).toEqual(
      await pair.source.query('SELECT id, v FROM public.t ORDER BY id'),
    );
    // From the moment on at which the table streamed, all of them are told.
    const later = perKey(await pair.source.query('SELECT id, v FROM public.model WHERE v IS NOT NULL AND at > $1 ORDER BY id, at', [mark]));
    expect(later.size).toBeGreaterThan(5);
    for (const [id, list] of later) expect((versions.get(id) ?? []).slice(-list.length), `${id}, seed ${seed}`).toEqual(list);
  });
});
