// Rows that change their key: no order of statements may lose, double or mix up a row.
import { describe, expect, test } from 'vitest';
import { rowsOf, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

interface KeyCase {
  readonly table: string;
  readonly rows: string;
  readonly changes: string;
}

const NUMBERED = {
  table: 'CREATE TABLE public.t (id int PRIMARY KEY, v text)',
  rows: "SELECT i, 'v' || i FROM generate_series(1, 20) AS i",
};

const CASES: Readonly<Record<string, KeyCase>> = {
  'two keys swapped by way of a third': {
    ...NUMBERED,
    changes: 'UPDATE public.t SET id = 0 WHERE id = 1; UPDATE public.t SET id = 1 WHERE id = 2; UPDATE public.t SET id = 2 WHERE id = 0',
  },
  'two keys swapped in one statement': {
    table: 'CREATE TABLE public.t (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text); ALTER TABLE public.t REPLICA IDENTITY FULL',
    rows: NUMBERED.rows,
    changes: 'UPDATE public.t SET id = 3 - id WHERE id IN (1, 2)',
  },
  'a range of keys shifted by one': {
    ...NUMBERED,
    changes: 'UPDATE public.t SET id = -id; UPDATE public.t SET id = 1 - id; DELETE FROM public.t WHERE id = 5',
  },
  'a row moved to the key of a deleted one': {
    ...NUMBERED,
    changes: 'DELETE FROM public.t WHERE id = 3; UPDATE public.t SET id = 3 WHERE id = 4; INSERT INTO public.t VALUES (4, $$new$$)',
  },
  'a key moved there and back': {
    ...NUMBERED,
    changes: 'UPDATE public.t SET id = 100 WHERE id = 1; UPDATE public.t SET id = 1, v = $$back$$ WHERE id = 100',
  },
  'insert, delete and insert of the same key': {
    ...NUMBERED,
    changes:
      'INSERT INTO public.t VALUES (50, $$a$$); DELETE FROM public.t WHERE id IN (50, 1); INSERT INTO public.t VALUES (50, $$b$$), (1, $$c$$); DELETE FROM public.t WHERE id = 1',
  },
  'one column of two': {
    table: 'CREATE TABLE public.t (a int, b text, v text, PRIMARY KEY (a, b))',
    rows: "SELECT i % 3, 'b' || i, 'v' FROM generate_series(1, 12) AS i",
    changes:
      'UPDATE public.t SET b = b || $$x$$ WHERE a = 1; UPDATE public.t SET a = 7 WHERE a = 2; UPDATE public.t SET v = $$w$$ WHERE a = 7',
  },
  'only the case of a text key': {
    table: 'CREATE TABLE public.t (id text PRIMARY KEY, v text)',
    rows: "SELECT 'key' || i, 'v' FROM generate_series(1, 5) AS i",
    changes:
      'UPDATE public.t SET id = upper(id) WHERE id = $$key1$$; INSERT INTO public.t VALUES ($$key1$$, $$twin$$); UPDATE public.t SET id = $$ key2$$ WHERE id = $$key2$$',
  },
  'only the case of a key that is equal in any case': {
    table: 'CREATE TABLE public.t (id public.citext PRIMARY KEY, v text)',
    rows: "SELECT 'key' || i, 'v' FROM generate_series(1, 5) AS i",
    changes:
      'UPDATE public.t SET id = upper(id::text)::public.citext WHERE v = $$v$$; DELETE FROM public.t WHERE id OPERATOR(public.=) $$key3$$::public.citext',
  },
  'the scale of a numeric key': {
    table: 'CREATE TABLE public.t (id numeric PRIMARY KEY, v text)',
    rows: "SELECT i + 0.0, 'v' FROM generate_series(1, 5) AS i",
    changes:
      'UPDATE public.t SET id = id + 0.00; UPDATE public.t SET v = $$w$$ WHERE id = 2; DELETE FROM public.t WHERE id = 3; INSERT INTO public.t VALUES (3.0000, $$again$$)',
  },
  'the sign of a zero': {
    table: 'CREATE TABLE public.t (id float8 PRIMARY KEY, v text)',
    rows: "VALUES (0::float8, 'zero'), ('NaN', 'nan'), ('Infinity', 'inf')",
    changes: 'UPDATE public.t SET id = $$-0$$ WHERE id = 0; UPDATE public.t SET v = $$w$$; DELETE FROM public.t WHERE id = $$NaN$$',
  },
  'a boolean and a date': {
    table: 'CREATE TABLE public.t (a bool, b date, PRIMARY KEY (a, b))',
    rows: "VALUES (true, date 'infinity'), (false, '-infinity'), (false, '0044-03-15 BC')",
    changes: 'UPDATE public.t SET a = NOT a',
  },
};

/** One table per case, so that one pipeline tries them all. `watch` runs at the destination once the tables are there. */
async function tryAll(watch: (table: string) => string): Promise<void> {
  const pair = await servers.pair();
  await pair.destination.query('CREATE EXTENSION citext SCHEMA public');
  await pair.source.query('CREATE EXTENSION citext SCHEMA public');
  const cases = Object.entries(CASES).map(([name, parts], index) => ({ name, ...parts, own: `t${index}` }));
  for (const { own, table, rows } of cases) {
    await pair.source.query(`${table}; INSERT INTO public.t ${rows}; ALTER TABLE public.t RENAME TO ${own}`);
  }
  await pair.once();
  for (const { own, changes } of cases) {
    await pair.destination.query(watch(own));
    await pair.source.query(`BEGIN; ${changes.replaceAll('public.t ', `public.${own} `)}; COMMIT`);
  }
  await pair.once();
  for (const { own, name } of cases) expect(await rowsOf(pair.destination, own), name).toEqual(await rowsOf(pair.source, own));
}

describe('rows that change their key arrive as they are', () => {
  test('where they may be replaced', () => tryAll(() => 'SELECT 1'));

  test('where a trigger watches, so that they are changed in place', () =>
    tryAll(
      (table) => `
        CREATE OR REPLACE FUNCTION public.seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER seen AFTER INSERT OR UPDATE OR DELETE ON public.${table} FOR EACH ROW EXECUTE FUNCTION public.seen()`,
    ));
});
