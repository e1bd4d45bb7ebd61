// Tables that keep every change as a row: each says what happened, when, and in which order, and none is lost or doubled.
import type { VerifyReport } from '@millrace/contract/report';
import { describe, expect, test } from 'vitest';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { type Layout, NATIVE_LAYOUT } from '../../src/model/layout.ts';
import { pipelineSettings, type ScenarioOptions } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, useScenarios } from '../pipeline/scenario.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const servers = useScenarios();

function append(layout: Partial<Layout> = {}): ScenarioOptions {
  return { settings: { layout: { ...NATIVE_LAYOUT, syncMode: 'incremental_append', ...layout } } };
}

/** Kind and columns of each row, in the order in which the changes happened. */
function logOf(destination: TestDatabase, columns: string, table = 't') {
  return destination.query(`SELECT _millrace_change, ${columns} FROM public.${table} ORDER BY _millrace_lsn, _millrace_seq, 1, 2`);
}

const LARGE = (seed: string): string => `(SELECT string_agg(md5('${seed}' || n), '') FROM generate_series(1, 200) AS n)`;

async function ofNumbers(pair: Pair): Promise<void> {
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v text NOT NULL);
    INSERT INTO public.t VALUES (1, 'a'), (2, 'b')`);
}

describe('a table that keeps every change', () => {
  test('has the rows of the load, then every insert, update and delete with its kind, in order', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append());
    await pair.source.query("INSERT INTO public.t VALUES (3, 'c')");
    await pair.source.query("UPDATE public.t SET v = 'b2' WHERE id = 2");
    await pair.source.query('DELETE FROM public.t WHERE id = 1');
    await pair.once(append());
    expect(await logOf(pair.destination, 'id, v')).toEqual([
      ['load', '1', 'a'],
      ['load', '2', 'b'],
      ['insert', '3', 'c'],
      ['update', '2', 'b2'],
      ['delete', '1', null],
    ]);
  });

  test('gives the changes of a transaction one position and one time, and numbers them', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append());
    const [[before] = []] = await pair.source.query('SELECT pg_catalog.clock_timestamp()');
    await pair.source.query(
      "BEGIN; INSERT INTO public.t VALUES (3, 'c'); UPDATE public.t SET v = 'd' WHERE id = 3; DELETE FROM public.t WHERE id = 3; COMMIT",
    );
    await pair.source.query("INSERT INTO public.t VALUES (4, 'e')");
    await pair.once(append());
    expect(await logOf(pair.destination, '_millrace_seq, id')).toEqual([
      ['load', '0', '1'],
      ['load', '0', '2'],
      ['insert', '1', '3'],
      ['update', '2', '3'],
      ['delete', '3', '3'],
      ['insert', '1', '4'],
    ]);
    expect(
      await pair.destination.query(
        `SELECT count(DISTINCT _millrace_lsn), count(DISTINCT _millrace_committed_at), bool_and(_millrace_committed_at >= $1) FROM public.t
         WHERE _millrace_change <> 'load'`,
        [before ?? null],
      ),
    ).toEqual([['2', '2', 't']]);
  });

  test('keeps a TRUNCATE as a row without values, and goes on after it', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append());
    await pair.source.query("BEGIN; INSERT INTO public.t VALUES (3, 'c'); TRUNCATE public.t; INSERT INTO public.t VALUES (1, 'z'); COMMIT");
    await pair.once(append());
    expect(await logOf(pair.destination, 'id, v')).toEqual([
      ['load', '1', 'a'],
      ['load', '2', 'b'],
      ['insert', '3', 'c'],
      ['truncate', null, null],
      ['insert', '1', 'z'],
    ]);
  });

  test('takes a change of the key for a delete and an insert', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append());
    await pair.source.query('UPDATE public.t SET id = 5 WHERE id = 1');
    await pair.once(append());
    expect((await logOf(pair.destination, 'id, v')).slice(2)).toEqual([
      ['delete', '1', null],
      ['insert', '5', 'a'],
    ]);
  });

  test('has every large value in every row, whether or not the update sent it', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, n int, big text, other text);
      ALTER TABLE public.t ALTER COLUMN big SET STORAGE EXTERNAL, ALTER COLUMN other SET STORAGE EXTERNAL;
      INSERT INTO public.t SELECT i, 0, ${LARGE('one')}, ${LARGE('two')} FROM generate_series(1, 4) AS i`);
    await pair.once(append());
    await pair.source.query(`
      BEGIN;
      UPDATE public.t SET n = 1;
      UPDATE public.t SET big = ${LARGE('new')} WHERE id = 1;
      UPDATE public.t SET n = 2, other = 'x' WHERE id = 1;
      UPDATE public.t SET n = 3 WHERE id = 1;
      UPDATE public.t SET id = 12 WHERE id = 2;
      UPDATE public.t SET n = 4 WHERE id = 12;
      UPDATE public.t SET id = 13, other = 'y' WHERE id = 12;
      DELETE FROM public.t WHERE id = 3;
      INSERT INTO public.t VALUES (3, 9, ${LARGE('again')}, 'z');
      UPDATE public.t SET n = 10 WHERE id = 3;
      COMMIT`);
    await pair.once(append());
    await pair.source.query('UPDATE public.t SET n = n + 100');
    await pair.once(append());
    const digest = (big: string): string => `CASE WHEN ${big} IS NULL THEN NULL ELSE left(md5(${big}), 4) END`;
    const named = new Map<string, string>();
    for (const seed of ['one', 'two', 'new', 'again']) {
      const [[hash] = []] = await pair.source.query(`SELECT left(md5(${LARGE(seed)}), 4)`);
      named.set(hash ?? '', seed);
    }
    const rows = await logOf(
      pair.destination,
      `id, n, ${digest('big')}, CASE WHEN length(other) < 10 THEN other ELSE ${digest('other')} END`,
    );
    expect(rows.slice(4).map((row) => row.map((value) => named.get(value ?? '') ?? value).join(' '))).toEqual([
      'update 1 1 one two',
      'update 2 1 one two',
      'update 3 1 one two',
      'update 4 1 one two',
      'update 1 1 new two',
      'update 1 2 new x',
      'update 1 3 new x',
      'delete 2   ',
      'insert 12 1 one two',
      'update 12 4 one two',
      'delete 12   ',
      'insert 13 4 one y',
      'delete 3   ',
      'insert 3 9 again z',
      'update 3 10 again z',
      ...(await updatesOf(pair.source)),
    ]);

    /** The last transaction updated the rows in the order in which they lie in the table. */
    async function updatesOf(source: TestDatabase): Promise<string[]> {
      const rows = await source.query(
        `SELECT id, n, ${digest('big')}, CASE WHEN length(other) < 10 THEN other ELSE ${digest('other')} END FROM public.t ORDER BY ctid`,
      );
      return rows.map((row) => ['update', ...row].map((value) => named.get(value ?? '') ?? value).join(' '));
    }
  });

  test('numbers on through a transaction that is flushed in many parts, and shows it at once', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY, v text NOT NULL)');
    const options = { ...append(), tuning: { batchBytes: 2_000 } };
    await pair.once(options);
    await pair.source.query(`
      BEGIN;
      INSERT INTO public.t SELECT i, repeat('x', 50) FROM generate_series(1, 500) AS i;
      UPDATE public.t SET v = 'y';
      COMMIT`);
    await pair.once(options);
    expect(
      await pair.destination.query(
        'SELECT count(*), count(DISTINCT _millrace_seq), min(_millrace_seq), max(_millrace_seq), count(DISTINCT _millrace_lsn) FROM public.t',
      ),
    ).toEqual([['1000', '1000', '1', '1000', '1']]);
  });

  test('has no key that would forbid a row, and an index to find those of a key', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append());
    expect(
      await pair.destination.query(
        "SELECT indexdef NOT LIKE '%UNIQUE%', regexp_replace(indexdef, '.*USING', '') FROM pg_catalog.pg_indexes WHERE tablename = 't'",
      ),
    ).toEqual([['t', ' btree (id, _millrace_lsn, _millrace_seq)']]);
    expect(
      await pair.destination.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attnum > 0 AND attnotnull ORDER BY attnum",
      ),
    ).toEqual([['_millrace_change'], ['_millrace_lsn'], ['_millrace_committed_at'], ['_millrace_seq']]);
  });

  test('without a key has whole old rows under REPLICA IDENTITY FULL, and only inserts without any identity', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.whole (a int, b text);
      ALTER TABLE public.whole REPLICA IDENTITY FULL;
      CREATE TABLE public.bare (a int, b text);
      INSERT INTO public.whole VALUES (1, 'x'), (1, 'x');
      INSERT INTO public.bare VALUES (1, 'x')`);
    await pair.once(append());
    await pair.source.query(
      "UPDATE public.whole SET b = 'y' WHERE ctid = '(0,1)'; DELETE FROM public.whole WHERE b = 'x'; INSERT INTO public.bare VALUES (1, 'x')",
    );
    await pair.once(append());
    expect(await logOf(pair.destination, 'a, b', 'whole')).toEqual([
      ['load', '1', 'x'],
      ['load', '1', 'x'],
      ['update', '1', 'y'],
      ['delete', '1', 'x'],
    ]);
    expect(await logOf(pair.destination, 'a, b', 'bare')).toEqual([
      ['load', '1', 'x'],
      ['insert', '1', 'x'],
    ]);
  });

  test('under REPLICA IDENTITY FULL with a key tells whole rows, large values included', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, n int, big text);
      ALTER TABLE public.t ALTER COLUMN big SET STORAGE EXTERNAL;
      ALTER TABLE public.t REPLICA IDENTITY FULL;
      INSERT INTO public.t SELECT 1, 1, ${LARGE('one')}`);
    await pair.once(append());
    await pair.source.query('UPDATE public.t SET n = 2; UPDATE public.t SET id = 2; DELETE FROM public.t');
    await pair.once(append());
    expect(await logOf(pair.destination, 'id, n, length(big)')).toEqual([
      ['load', '1', '1', '6400'],
      ['update', '1', '2', '6400'],
      ['delete', '1', '2', '6400'],
      ['insert', '2', '2', '6400'],
      ['delete', '2', '2', '6400'],
    ]);
  });

  test('that is restarted keeps what is there and gets the new snapshot at once', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append());
    await pair.source.query("UPDATE public.t SET v = 'b2' WHERE id = 2");
    await pair.once(append());
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.source.query('DELETE FROM public.t WHERE id = 1');
    await pair.once(append());
    await pair.source.query("INSERT INTO public.t VALUES (7, 'after')");
    await pair.once(append());
    expect(await logOf(pair.destination, 'id, v')).toEqual([
      ['load', '1', 'a'],
      ['load', '2', 'b'],
      ['update', '2', 'b2'],
      ['load', '2', 'b2'],
      ['insert', '7', 'after'],
    ]);
    expect(await pair.destination.query("SELECT count(DISTINCT xmin::text) FROM public.t WHERE _millrace_change = 'load'")).toEqual([
      ['2'],
    ]);
  });

  test('is followed while it is written during its load: nothing is missing from the log and nothing twice', async () => {
    const pair = await servers.pair();
    await pair.source.query(
      'CREATE TABLE public.t (id int PRIMARY KEY, v int NOT NULL); INSERT INTO public.t SELECT i, 0 FROM generate_series(1, 2000) AS i',
    );
    const pipeline = pair.start({ ...append(), tuning: { chunkBytes: 20_000, batchBytes: 20_000 } });
    for (let round = 1; round <= 30; round++) {
      await pair.source.query(
        `UPDATE public.t SET v = v + 1 WHERE id % 10 = ${round % 10}; INSERT INTO public.t VALUES (${10_000 + round}, ${round})`,
      );
    }
    await pair.untilState('streaming', 't');
    await pair.source.query('DELETE FROM public.t WHERE id % 7 = 0');
    const present = `
      SELECT count(*), sum(id), sum(v) FROM (
        SELECT DISTINCT ON (id) id, v, _millrace_change AS change FROM public.t ORDER BY id, _millrace_lsn DESC, _millrace_seq DESC
      ) AS newest WHERE change <> 'delete'`;
    const expected = await pair.source.query('SELECT count(*), sum(id), sum(v) FROM public.t');
    await waitFor('the log to come to the rows of the source', async () => {
      expect(await pair.destination.query(present)).toEqual(expected);
      return true;
    });
    // Each update added one to a value: a row that is there twice, or is missing, breaks the chain.
    expect(
      await pair.destination.query(`
        SELECT count(*) FROM (
          SELECT v - lag(v) OVER (PARTITION BY id ORDER BY _millrace_lsn, _millrace_seq) AS step FROM public.t WHERE _millrace_change <> 'delete'
        ) AS steps WHERE step <> 1`),
    ).toEqual([['0']]);
    await pipeline.stop();
  });

  test('stands beside tables of other modes in one pipeline', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.source.query('CREATE TABLE public.plain (id int PRIMARY KEY); INSERT INTO public.plain VALUES (1)');
    const options: ScenarioOptions = {
      settings: { objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 't', syncMode: 'incremental_append' }] },
    };
    await pair.once(options);
    await pair.source.query("BEGIN; INSERT INTO public.t VALUES (3, 'c'); UPDATE public.plain SET id = 2; COMMIT");
    await pair.once(options);
    await pair.expectEqual('plain');
    expect((await logOf(pair.destination, 'id')).at(-1)).toEqual(['insert', '3']);
  });

  test('is verified by the newest row of each key, after a restart that found the table empty too', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append());
    await pair.source.query(
      "INSERT INTO public.t VALUES (3, 'c'); UPDATE public.t SET id = 4 WHERE id = 1; DELETE FROM public.t WHERE id = 2",
    );
    await pair.once(append());
    const verify = async (): Promise<VerifyReport | undefined> => {
      const settings = pipelineSettings(pair.source, pair.destination, append());
      return (await verifyPipeline(settings, 'all', new AbortController().signal))[0];
    };
    expect(await verify()).toMatchObject({ source_rows: 2, destination_rows: 2, missing: 0, extra: 0, different: 0, unverified: null });
    await pair.source.query("TRUNCATE public.t; INSERT INTO public.t VALUES (9, 'z')");
    await pair.once(append());
    expect(await verify()).toMatchObject({ source_rows: 1, destination_rows: 1, missing: 0, extra: 0, different: 0, unverified: null });
    await pair.destination.query("UPDATE public.t SET v = 'wrong' WHERE id = 9");
    expect(await verify()).toMatchObject({ different: 1, sample_keys: ['9'] });
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.source.query('DELETE FROM public.t');
    await pair.once(append());
    expect(await verify()).toMatchObject({ source_rows: 0, destination_rows: 0, missing: 0, extra: 0, unverified: null });
  });

  test('is never made anew: a change of the columns stops it, and all that it held is there', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append());
    await pair.source.query('DELETE FROM public.t WHERE id = 1');
    await pair.once(append());
    await pair.source.query('ALTER TABLE public.t ADD COLUMN more int');
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.once(append());
    expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'failed', code: '2111' });
    expect(await logOf(pair.destination, 'id')).toHaveLength(3);
    await pair.destination.query('ALTER TABLE public.t RENAME TO t_until_now; UPDATE _millrace.object SET restart_requested = true');
    await pair.once(append());
    expect(await logOf(pair.destination, 'id, more')).toEqual([['load', '2', null]]);
    expect(await logOf(pair.destination, 'id', 't_until_now')).toHaveLength(3);
  });

  test('has the names that readers of Hevo tables know, where they have one', async () => {
    const pair = await servers.pair();
    await ofNumbers(pair);
    await pair.once(append({ metadata: 'hevo' }));
    await pair.source.query(
      "UPDATE public.t SET v = 'x' WHERE id = 1; DELETE FROM public.t WHERE id = 1; TRUNCATE public.t; INSERT INTO public.t VALUES (1, 'y')",
    );
    await pair.once(append({ metadata: 'hevo' }));
    expect(
      await pair.destination.query(
        'SELECT __hevo_op_type, id, __hevo__source_modified_at IS NOT NULL, __hevo__ingested_at IS NOT NULL FROM public.t ORDER BY _millrace_lsn, _millrace_seq, id',
      ),
    ).toEqual([
      ['R', '1', 't', 't'],
      ['R', '2', 't', 't'],
      ['U', '1', 't', 't'],
      ['D', '1', 't', 't'],
      ['T', null, 't', 't'],
      ['I', '1', 't', 't'],
    ]);
  });
});
