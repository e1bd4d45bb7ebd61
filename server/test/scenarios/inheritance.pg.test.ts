// Tables that inherit are objects of their own: a parent's rows are its own, and no child's row arrives twice.
import { expect, test } from 'vitest';
import { usePostgres } from '../pg/use-postgres.ts';
import { expectEqual, table } from '../pipeline/compare.ts';
import { watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();

test('parent, child and grandchild keep their own rows, also when changes go through the parent', async () => {
  const ends = { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
  const { source } = ends;
  await source.query(`
    CREATE TABLE public.animal (id int PRIMARY KEY, name text);
    CREATE TABLE public.dog (bark text, PRIMARY KEY (id)) INHERITS (public.animal);
    CREATE TABLE public.puppy (weeks int, PRIMARY KEY (id)) INHERITS (public.dog);
    CREATE TABLE public.thing (label text);
    CREATE TABLE public.dog_thing (PRIMARY KEY (id)) INHERITS (public.dog, public.thing);
    INSERT INTO public.animal VALUES (1, 'cat'), (2, 'bird');
    INSERT INTO public.dog VALUES (1, 'rex', 'woof'), (10, 'max', 'wau');
    INSERT INTO public.puppy VALUES (1, 'tiny', 'yip', 8);
    INSERT INTO public.dog_thing VALUES (1, 'both', 'bzz', 'label')`);
  const tables = ['animal', 'dog', 'puppy', 'thing', 'dog_thing'].map((name) => table(`public.${name}`));
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  await source.query(
    "UPDATE public.animal SET name = name || '!' WHERE id = 1; DELETE FROM public.dog WHERE id = 10; INSERT INTO public.puppy VALUES (2, 'new', 'w', 1)",
  );
  await source.query("INSERT INTO public.thing VALUES ('alone'); UPDATE ONLY public.animal SET id = 3 WHERE id = 2");
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  await source.query('TRUNCATE ONLY public.animal');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  await source.query("INSERT INTO public.animal VALUES (5, 'five'); TRUNCATE public.dog");
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  await source.dropSlots();
});
