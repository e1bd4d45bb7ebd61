// How rows are found again: every replica identity, tables without a key, and an identity that changes while the pipeline runs.
import { describe, expect, test } from 'vitest';
import { waitFor } from '../pg/wait-for.ts';
import { objectStates, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

const CHANGES = `
  UPDATE public.t SET v = v || '!' WHERE id % 2 = 0;
  DELETE FROM public.t WHERE id % 5 = 0;
  INSERT INTO public.t (id, code, v) VALUES (100, 'c100', 'new'), (101, 'c101', NULL);
  UPDATE public.t SET v = NULL WHERE id = 100;
  UPDATE public.t SET id = id + 1000, code = code || 'x' WHERE id IN (2, 3)`;

const IDENTITIES: Readonly<Record<string, string>> = {
  'the primary key': 'ALTER TABLE public.t ADD PRIMARY KEY (id)',
  'a primary key of two columns': 'ALTER TABLE public.t ADD PRIMARY KEY (code, id)',
  'a deferrable primary key under REPLICA IDENTITY FULL':
    'ALTER TABLE public.t ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED; ALTER TABLE public.t REPLICA IDENTITY FULL',
  'the primary key under REPLICA IDENTITY FULL': 'ALTER TABLE public.t ADD PRIMARY KEY (id); ALTER TABLE public.t REPLICA IDENTITY FULL',
  'a unique index': 'CREATE UNIQUE INDEX by_code ON public.t (code); ALTER TABLE public.t REPLICA IDENTITY USING INDEX by_code',
  'a unique index beside a primary key':
    'ALTER TABLE public.t ADD PRIMARY KEY (id); CREATE UNIQUE INDEX by_code ON public.t (code); ALTER TABLE public.t REPLICA IDENTITY USING INDEX by_code',
  'the whole row': 'ALTER TABLE public.t REPLICA IDENTITY FULL',
};

describe('rows are found again by', () => {
  test.for(Object.entries(IDENTITIES))('%s', async ([, identity]) => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int NOT NULL, code text NOT NULL, v text);
      ${identity};
      INSERT INTO public.t SELECT i, 'c' || i, 'v' FROM generate_series(1, 30) AS i`);
    await pair.once();
    await pair.source.query(`BEGIN; ${CHANGES}; COMMIT`);
    await pair.once();
    await pair.expectEqual('t');
    // The same again, each change in a transaction and a batch of its own.
    for (const change of CHANGES.replaceAll('100', '200').replaceAll('101', '201').replace('(2, 3)', '(7, 8)').split(';')) {
      await pair.source.query(change);
    }
    await pair.once({ tuning: { batchBytes: 1 } });
    await pair.expectEqual('t');
  });
});

describe('a table whose rows can not be found again', () => {
  const KEYLESS: Readonly<Record<string, string>> = {
    'without a key': 'SELECT 1',
    'with REPLICA IDENTITY NOTHING': 'ALTER TABLE public.t ADD PRIMARY KEY (id); ALTER TABLE public.t REPLICA IDENTITY NOTHING',
    'with a deferrable primary key': 'ALTER TABLE public.t ADD PRIMARY KEY (id) DEFERRABLE',
  };

  test.for(Object.entries(KEYLESS))('%s gets the inserts, and the application may update and delete', async ([, identity]) => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int NOT NULL, code text NOT NULL, v text);
      ${identity};
      INSERT INTO public.t SELECT i, 'c' || i, 'v' FROM generate_series(1, 10) AS i`);
    const pipeline = pair.start();
    await pair.untilState('streaming', 't');
    await pair.source.query("INSERT INTO public.t VALUES (11, 'c11', 'new')");
    await pair.untilEqual('t');
    await pair.source.query("UPDATE public.t SET v = 'changed' WHERE id = 1; DELETE FROM public.t WHERE id = 2");
    await pair.source.query("INSERT INTO public.t VALUES (12, 'c12', 'new')");
    await waitFor('the last insert', async () => (await pair.destination.query('SELECT 1 FROM public.t WHERE id = 12')).length === 1);
    expect(await pair.destination.query('SELECT count(*) FROM public.t')).toEqual([['12']]);
    await pair.source.query('TRUNCATE public.t');
    await pair.untilEqual('t');
    await pipeline.stop();
  });
});

describe('rows without a key under REPLICA IDENTITY FULL', () => {
  test('are taken away one by one, also when they are equal, hold NULLs or types without equality', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (gone int, n int, j json, p point, x xml, f float8, d numeric);
      ALTER TABLE public.t DROP COLUMN gone;
      ALTER TABLE public.t REPLICA IDENTITY FULL;
      INSERT INTO public.t
      SELECT NULLIF(i % 3, 0), '{"a": 1}', '(1,2)', '<a/>', CASE i % 4 WHEN 0 THEN '-0' WHEN 1 THEN 'NaN' WHEN 2 THEN '0' END::float8,
             CASE i % 2 WHEN 0 THEN 1.0 ELSE 1.00 END
      FROM generate_series(1, 48) AS i`);
    await pair.once();
    await pair.expectEqual('t');
    await pair.source.query('DELETE FROM public.t WHERE ctid IN (SELECT min(ctid) FROM public.t GROUP BY n, f::text, d::text)');
    await pair.once();
    await pair.expectEqual('t');
    await pair.source.query(`
      UPDATE public.t SET j = '{"a":  1}' WHERE ctid IN (SELECT max(ctid) FROM public.t GROUP BY n);
      UPDATE public.t SET f = 0 WHERE f::text = '-0';
      INSERT INTO public.t SELECT * FROM public.t;
      DELETE FROM public.t WHERE ctid = (SELECT min(ctid) FROM public.t)`);
    await pair.once();
    await pair.expectEqual('t');
  });

  test('may be all NULL, and a row that was never there is no reason to take another', async () => {
    const pair = await servers.pair();
    await pair.source.query('CREATE TABLE public.t (a int, b text); ALTER TABLE public.t REPLICA IDENTITY FULL');
    await pair.source.query("INSERT INTO public.t VALUES (NULL, NULL), (NULL, NULL), (NULL, ''), (NULL, 'NULL')");
    await pair.once();
    await pair.source.query('DELETE FROM public.t WHERE ctid = (SELECT min(ctid) FROM public.t WHERE b IS NULL)');
    await pair.once();
    await pair.expectEqual('t');
  });
});

describe('an identity that changes while the pipeline runs', () => {
  test('from none to the whole row, to a key, to another key and back', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int NOT NULL, code text NOT NULL, v text);
      CREATE TABLE public.other (id int PRIMARY KEY);
      INSERT INTO public.t SELECT i, 'c' || i, 'v' FROM generate_series(1, 10) AS i`);
    const pipeline = pair.start();
    await pair.untilState('streaming', 't', 'other');
    const steps = [
      'ALTER TABLE public.t REPLICA IDENTITY FULL',
      'ALTER TABLE public.t ADD PRIMARY KEY (id)',
      'ALTER TABLE public.t REPLICA IDENTITY DEFAULT',
      'CREATE UNIQUE INDEX by_code ON public.t (code); ALTER TABLE public.t REPLICA IDENTITY USING INDEX by_code',
      'ALTER TABLE public.t DROP CONSTRAINT t_pkey',
      'ALTER TABLE public.t REPLICA IDENTITY FULL; DROP INDEX public.by_code; INSERT INTO public.t SELECT * FROM public.t LIMIT 2',
    ];
    for (const [round, step] of steps.entries()) {
      await pair.source.query(step);
      await pair.source.query(`UPDATE public.t SET v = 'round ${round}' WHERE id % 3 = 0`).catch((error: unknown) => {
        // Only a table without identity that is still published with updates; never after one look at the catalogue.
        if (round > 0) throw error;
      });
      await pair.source.query(`INSERT INTO public.t VALUES (${1000 + round}, 'k${round}', 'inserted')`);
      await pair.untilEqual('t');
      await pair.source.query(`DELETE FROM public.t WHERE id = ${1000 + round}; UPDATE public.t SET v = 'after' WHERE id = 4`);
      await pair.untilEqual('t');
    }
    expect((await objectStates(pair.destination))['other']?.state).toBe('streaming');
    await pipeline.stop();
  });

  test('while it stands still', async () => {
    const pair = await servers.pair();
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, code text NOT NULL, v text);
      INSERT INTO public.t SELECT i, 'c' || i, 'v' FROM generate_series(1, 10) AS i`);
    await pair.once();
    await pair.source.query(`
      UPDATE public.t SET v = 'before' WHERE id < 4;
      ALTER TABLE public.t DROP CONSTRAINT t_pkey;
      ALTER TABLE public.t ADD PRIMARY KEY (code);
      UPDATE public.t SET id = 7;
      DELETE FROM public.t WHERE code = 'c3'`);
    await pair.once();
    await pair.expectEqual('t');
    await pair.source.query("UPDATE public.t SET v = 'after', code = code || 'x' WHERE code = 'c5'");
    await pair.once();
    await pair.expectEqual('t');
  });
});
