// Tables of unusual shape: no columns, as many as there can be, computed ones, columns that were dropped, and names that we use ourselves.
import { expect, test } from 'vitest';
import { quoteIdent } from '../../src/pg/ident.ts';
import { usePostgres } from '../pg/use-postgres.ts';
import { type Ends, expectEqual, table } from '../pipeline/compare.ts';
import { watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();

async function twoDatabases(): Promise<Ends> {
  return { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
}

test('a table without columns keeps its number of rows, through deletes and TRUNCATE', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query('CREATE TABLE public.nothing (); ALTER TABLE public.nothing REPLICA IDENTITY FULL; CREATE TABLE public.emptied ()');
  await source.query(
    'INSERT INTO public.nothing SELECT FROM pg_catalog.generate_series(1, 100); INSERT INTO public.emptied DEFAULT VALUES',
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.nothing'), table('public.emptied'));
  await source.query('INSERT INTO public.nothing SELECT FROM pg_catalog.generate_series(1, 50)');
  await source.query('DELETE FROM public.nothing WHERE ctid IN (SELECT ctid FROM public.nothing LIMIT 7)');
  await source.query('TRUNCATE public.emptied; INSERT INTO public.emptied DEFAULT VALUES; INSERT INTO public.emptied DEFAULT VALUES');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.nothing'), table('public.emptied'));
  await source.dropSlots();
});

test('a table of 1,600 columns arrives, and its changes too', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  const columns = Array.from({ length: 1_600 }, (_, index) => `c${index}`);
  await source.query(
    `CREATE TABLE public.wide (${columns.map((name, index) => `${name} ${index === 0 ? 'int PRIMARY KEY' : 'bool'}`).join(', ')})`,
  );
  await source.query('INSERT INTO public.wide (c0, c1, c1599) SELECT i, i % 2 = 0, i % 3 = 0 FROM pg_catalog.generate_series(1, 20) AS i');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.wide'));
  await source.query(
    'INSERT INTO public.wide (c0, c800) VALUES (100, true); UPDATE public.wide SET c1598 = true WHERE c0 > 10; DELETE FROM public.wide WHERE c0 < 5',
  );
  await source.query('UPDATE public.wide SET c0 = c0 + 1000 WHERE c0 = 7');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.wide'));
  await source.dropSlots();
});

test('generated columns have the values that the source shows', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(`CREATE TABLE public.t (
    a int, twice int GENERATED ALWAYS AS (a * 2) STORED, id int PRIMARY KEY, shout text GENERATED ALWAYS AS (pg_catalog.reverse(note) || '!') STORED, note text)`);
  await source.query(
    `CREATE TABLE public.keyed (k int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, plus int GENERATED ALWAYS AS (a + 1) STORED NOT NULL)`,
  );
  await source.query(
    "INSERT INTO public.t (a, id, note) VALUES (1, 1, 'x'), (NULL, 2, NULL); INSERT INTO public.keyed (a) VALUES (1), (2), (3)",
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'), table('public.keyed'));
  await source.query(
    "UPDATE public.t SET a = 5, note = 'y' WHERE id = 1; INSERT INTO public.t (a, id) VALUES (9, 9); UPDATE public.t SET id = 20 WHERE id = 2",
  );
  await source.query('INSERT INTO public.keyed (a) VALUES (4); UPDATE public.keyed SET a = a * 10; DELETE FROM public.keyed WHERE k = 2');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'), table('public.keyed'));
  await source.dropSlots();
});

test('generated columns that came, went or got another expression have the values that the source shows', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(
    'CREATE TABLE public.t (id int PRIMARY KEY, a int, gone int GENERATED ALWAYS AS (a * 3) STORED, other int GENERATED ALWAYS AS (a * 5) STORED)',
  );
  await source.query(
    'CREATE TABLE public.same (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO public.same VALUES (1)',
  );
  await source.query('INSERT INTO public.t (id, a) VALUES (1, 1), (2, 2)');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await source.query('ALTER TABLE public.t DROP COLUMN gone, ADD COLUMN came int GENERATED ALWAYS AS (a * 2) STORED');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await source.query('ALTER TABLE public.t DROP COLUMN other, ADD COLUMN other int GENERATED ALWAYS AS (a * 7) STORED');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'), table('public.same'));
  if (pg.source.major >= 17) {
    await source.query('ALTER TABLE public.t ALTER COLUMN other SET EXPRESSION AS (a * 9)');
    expect((await watchOnce(ends)).complaints).toEqual([]);
    await expectEqual(ends, table('public.t'));
  }
  const [loads] = await ends.destination.query("SELECT copy_generation FROM _millrace.object WHERE source_name = 'same'");
  expect(loads).toEqual(['1']);
  await source.dropSlots();
});

test.skipIf(pg.source.major < 18)('virtual generated columns arrive as their values', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query('CREATE TABLE public.t (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) VIRTUAL)');
  await source.query('INSERT INTO public.t (id, a) VALUES (1, 1), (2, NULL)');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await source.query('UPDATE public.t SET a = 7 WHERE id = 2; INSERT INTO public.t (id, a) VALUES (3, 3)');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await source.dropSlots();
});

test('identity columns, defaults and columns dropped before do not shift or change a value', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(`CREATE TABLE public.t (
    gone1 text, id bigint GENERATED ALWAYS AS IDENTITY, gone2 int, other int GENERATED BY DEFAULT AS IDENTITY, n int DEFAULT 7, gone3 bool, PRIMARY KEY (id))`);
  await source.query("INSERT INTO public.t (gone1, gone2, gone3) VALUES ('a', 1, true), ('b', 2, false)");
  await source.query("ALTER TABLE public.t DROP COLUMN gone1, DROP COLUMN gone2, DROP COLUMN gone3, ADD COLUMN late text DEFAULT 'here'");
  await source.query('CREATE TABLE public.loose AS TABLE public.t; ALTER TABLE public.loose REPLICA IDENTITY FULL, DROP COLUMN n');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'), table('public.loose'));
  await source.query(
    "INSERT INTO public.t (n, late) VALUES (NULL, NULL); INSERT INTO public.t OVERRIDING SYSTEM VALUE VALUES (-5, 1, 1, 'x'); UPDATE public.t SET n = 8 WHERE id = 1",
  );
  await source.query(
    "DELETE FROM public.loose WHERE id = 1; UPDATE public.loose SET late = 'later'; INSERT INTO public.loose VALUES (9, 9, '9')",
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'), table('public.loose'));
  await source.dropSlots();
});

test('columns may be named as things of JavaScript, of Postgres and of our own staging tables are', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  const names = [
    '__proto__',
    'constructor',
    'toString',
    'o0',
    'c0',
    's',
    't',
    'd',
    'wanted',
    '?column?',
    'example',
    'copies',
    'nth',
    '_millrace_lsn',
    'select',
    '1',
    '',
    ' ',
    '"',
    "it's",
    'ctid2',
    '"',
    'é',
    '\u{1F980}',
    'A',
    'a',
  ];
  const columns = [...new Set(names)].filter((name) => name !== '');
  const list = columns.map((name) => `${quoteIdent(name)} text`).join(', ');
  for (const [name, key] of [
    ['keyed', ', PRIMARY KEY ("o0", "__proto__")'],
    ['loose', ''],
    ['only_key', ''],
  ] as const) {
    await source.query(`CREATE TABLE public.${name} (${list}${key})`);
    await source.query(
      `INSERT INTO public.${name} SELECT ${columns.map((_, index) => `'${index} ' || i`).join(', ')} FROM pg_catalog.generate_series(1, 9) AS i`,
    );
  }
  await source.query(
    `ALTER TABLE public.loose REPLICA IDENTITY FULL; ALTER TABLE public.only_key ADD PRIMARY KEY (${columns.map(quoteIdent).join(', ')})`,
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.keyed'), table('public.loose'), table('public.only_key'));
  for (const name of ['keyed', 'loose', 'only_key']) {
    await source.query(
      `UPDATE public.${name} SET "c0" = 'changed', "s" = "t" WHERE "o0" LIKE '% 2'; UPDATE public.${name} SET "o0" = 'moved' WHERE "__proto__" LIKE '% 3'`,
    );
    await source.query(
      `DELETE FROM public.${name} WHERE "?column?" LIKE '% 4'; INSERT INTO public.${name} SELECT * FROM public.${name} WHERE false`,
    );
  }
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.keyed'), table('public.loose'), table('public.only_key'));
  await source.dropSlots();
});

test('rows that are nothing but their key are inserted, moved and deleted', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(
    "CREATE TABLE public.t (a int, b text, PRIMARY KEY (b, a)); INSERT INTO public.t SELECT i, 'x' FROM pg_catalog.generate_series(1, 10) AS i",
  );
  await watchOnce(ends);
  await source.query(
    "UPDATE public.t SET a = a + 100; UPDATE public.t SET b = 'y' WHERE a = 105; DELETE FROM public.t WHERE a = 110; INSERT INTO public.t VALUES (1, 'x')",
  );
  await source.query(
    "UPDATE public.t SET a = a WHERE a = 103; BEGIN; DELETE FROM public.t WHERE a = 104; INSERT INTO public.t VALUES (104, 'x'); COMMIT",
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await source.dropSlots();
});

test('a key that only changes how it is written takes the new form', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(
    "CREATE TABLE public.t (k numeric PRIMARY KEY, f float8, n int); INSERT INTO public.t VALUES (1.0, '0', 1), (2.0, '0', 2), (3.0, 0, 3)",
  );
  await watchOnce(ends);
  await source.query(
    "UPDATE public.t SET k = 1.00, f = '-0' WHERE k = 1; BEGIN; DELETE FROM public.t WHERE k = 2; INSERT INTO public.t VALUES (2.000, '-0', 5); COMMIT",
  );
  await source.query(
    'BEGIN; UPDATE public.t SET k = 3.0000 WHERE k = 3; UPDATE public.t SET n = 9 WHERE k = 3; UPDATE public.t SET k = 3 WHERE k = 3; COMMIT',
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await source.dropSlots();
});
