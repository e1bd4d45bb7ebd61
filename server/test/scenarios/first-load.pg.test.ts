// The main job in small: rows that were there, then changes, both arrive as they are.
import { expect, test } from 'vitest';
import { usePostgres } from '../pg/use-postgres.ts';
import { runOnce } from '../pipeline/pipeline.ts';

const pg = usePostgres();

test('rows that were there arrive, then inserts, updates, deletes and a TRUNCATE', async () => {
  const source = await pg.source.createDatabase();
  const destination = await pg.destination.createDatabase();
  await source.query('CREATE TABLE public.t (id int PRIMARY KEY, a text, b numeric, c timestamptz)');
  await source.query("INSERT INTO public.t SELECT i, 'row ' || i, i / 7.0, now() FROM generate_series(1, 1000) AS i");
  await source.query('CREATE TABLE public.gone (id int PRIMARY KEY)');
  await source.query('INSERT INTO public.gone VALUES (1), (2)');
  await runOnce(source, destination);
  const all = 'SELECT t::text FROM public.t AS t ORDER BY id';
  expect(await destination.query(all)).toEqual(await source.query(all));
  await source.query("INSERT INTO public.t VALUES (2000, 'new', 1.50, 'infinity')");
  await source.query("UPDATE public.t SET a = 'changed' WHERE id % 3 = 0");
  await source.query('DELETE FROM public.t WHERE id % 5 = 0');
  await source.query('UPDATE public.t SET id = id + 10000 WHERE id % 7 = 0');
  await source.query('TRUNCATE public.gone');
  await runOnce(source, destination);
  expect(await destination.query(all)).toEqual(await source.query(all));
  expect(await destination.query('SELECT count(*) FROM public.gone')).toEqual([['0']]);
  await source.dropSlots();
});
