// Types that users or extensions made: each becomes its twin at the destination with all its values, or is refused with the way out.
import { expect, test } from 'vitest';
import { usePostgres } from '../pg/use-postgres.ts';
import { type Ends, expectEqual, table, untilEqual } from '../pipeline/compare.ts';
import { startWatched, watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();

async function twoDatabases(): Promise<Ends> {
  return { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
}

const USER_TYPES = `
  CREATE SCHEMA app;
  CREATE TYPE app."mood ""x""" AS ENUM ('sad', 'it''s', '"quoted"', 'back\\slash', 'comma,{}', 'emoji \u{1F980}', ' ');
  CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
  CREATE DOMAIN app.small AS app.positive CHECK (VALUE < 100);
  CREATE DOMAIN app.numbers AS int[] CHECK (pg_catalog.array_length(VALUE, 1) < 9);
  CREATE DOMAIN app.word AS varchar(9) COLLATE "C" NOT NULL DEFAULT 'x';
  CREATE TYPE app.inner_pair AS (a text, "B ""b""" numeric(10,2));
  CREATE TYPE app.pair AS (p app.inner_pair, m app."mood ""x""", n app.numbers, l app.inner_pair[]);
  CREATE TYPE app.text_range AS RANGE (subtype = text, collation = "C");
  CREATE TYPE app.mood_range AS RANGE (subtype = app."mood ""x""");
  CREATE TABLE app.place (id int PRIMARY KEY, note text);`;

const USER_ROWS = `
  INSERT INTO app.t VALUES
    (1, 'it''s', ARRAY['"quoted"', NULL, 'comma,{}', 'back\\slash', ' ']::app."mood ""x"""[], 7, ARRAY[1, 2]::app.positive[], 42, ARRAY[3, NULL],
     '{"{1,2}",NULL,"{}"}', 'word',
     ROW('quote " \\ ( , )', 1.50), ARRAY[ROW('', NULL)::app.inner_pair, NULL],
     ROW(ROW('nested "" ''', 2), 'emoji \u{1F980}', '{5}', ARRAY[ROW('x', 1)::app.inner_pair, ROW(NULL, 2)::app.inner_pair]),
     ARRAY[ROW(NULL, NULL, NULL, NULL)::app.pair],
     '["a,""b",c)', ARRAY['empty', '(,"\\"")']::app.text_range[], '[sad,"comma,{}")', ARRAY['(,)']::app.mood_range[],
     ROW(9, 'a row of a table'), ARRAY[ROW(NULL, 'n')::app.place]),
    (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, 'sad', '[0:1]={sad,NULL}', 1, '{}', 1, '{}', '{}', 'w', '(,)', '{}', '(,,,)', '{}', 'empty', '{}', 'empty', '{}', '(,)', '{}')`;

const USER_TABLE = `
  CREATE TABLE app.t (
    id int PRIMARY KEY, mood app."mood ""x""", moods app."mood ""x"""[], positive app.positive, positives app.positive[], small app.small,
    numbers app.numbers, numberses app.numbers[], word app.word, pair app.inner_pair, pairs app.inner_pair[], nested app.pair, nesteds app.pair[],
    words app.text_range, wordses app.text_range[], good app.mood_range, goods app.mood_range[], spot app.place, spots app.place[]);
  CREATE TABLE app.unkeyed AS TABLE app.t;
  ALTER TABLE app.unkeyed REPLICA IDENTITY FULL;
  CREATE TABLE app.keyed (mood app."mood ""x""", small app.small, pair app.inner_pair, words app.text_range, note text, PRIMARY KEY (mood, small, pair, words))`;

test('enums, domains, composites, ranges, rows of tables and arrays of them arrive by snapshot and by stream', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(USER_TYPES);
  await source.query(USER_TABLE);
  await source.query(USER_ROWS);
  await source.query('INSERT INTO app.unkeyed TABLE app.t');
  await source.query(
    "INSERT INTO app.keyed SELECT 'sad', i, ROW('x', i)::app.inner_pair, '[a,b]', 'note' FROM pg_catalog.generate_series(1, 9) AS i",
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('app.t'), table('app.unkeyed'), table('app.keyed'));

  await source.query('UPDATE app.t SET id = id + 10');
  await source.query(USER_ROWS);
  await source.query('DELETE FROM app.t WHERE id = 12');
  await source.query(
    "DELETE FROM app.unkeyed WHERE id = 2; UPDATE app.unkeyed SET pair = ROW('changed', 7.1) WHERE id = 1; INSERT INTO app.unkeyed TABLE app.t",
  );
  await source.query(
    "UPDATE app.keyed SET mood = 'comma,{}', pair = ROW('\"', 0) WHERE small < 4; DELETE FROM app.keyed WHERE small > 7; UPDATE app.keyed SET note = NULL WHERE small = 5",
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('app.t'), table('app.unkeyed'), table('app.keyed'));
  await source.dropSlots();
});

test('a label that the source adds to an enum arrives, whether it was added between two runs or while the pipeline runs', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query("CREATE TYPE public.mood AS ENUM ('sad', 'glad'); CREATE TABLE public.t (id int PRIMARY KEY, mood public.mood)");
  await source.query(
    "CREATE TABLE public.many (moods public.mood[]); CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO public.t VALUES (1, 'sad')",
  );
  const tables = [table('public.t'), table('public.many'), table('public.other')];
  await watchOnce(ends);
  await source.query("ALTER TYPE public.mood ADD VALUE 'angry' BEFORE 'glad'");
  await source.query(
    "INSERT INTO public.t VALUES (2, 'angry'); INSERT INTO public.other VALUES (1); INSERT INTO public.many VALUES ('{angry,NULL}')",
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  const pipeline = startWatched(ends);
  await pipeline.seen.until('public.t', 'streaming');
  await source.query("ALTER TYPE public.mood ADD VALUE 'calm'");
  await source.query(
    "UPDATE public.t SET mood = 'calm' WHERE id = 1; INSERT INTO public.other VALUES (2); INSERT INTO public.many VALUES ('{calm}')",
  );
  await untilEqual(ends, ...tables);
  await pipeline.stop();
  await source.dropSlots();
});

test('a composite type that got another attribute is reported, and the other tables go on', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  await source.query(
    'CREATE TYPE public.pair AS (a int, b int); CREATE TABLE public.t (id int PRIMARY KEY, p public.pair); CREATE TABLE public.other (id int PRIMARY KEY)',
  );
  const pipeline = startWatched(ends);
  await pipeline.seen.until('public.t', 'streaming');
  await source.query('ALTER TYPE public.pair ADD ATTRIBUTE c text');
  await source.query("INSERT INTO public.t VALUES (1, '(1,2,x)'); INSERT INTO public.other VALUES (1)");
  await pipeline.seen.until('public.t', 'ineligible');
  await untilEqual(ends, table('public.other'));
  expect(pipeline.seen.reason('public.t')?.errorName).toBe('type_conflict');
  await pipeline.stop();
  await source.dropSlots();
});

/** Literals of each type; all are modules that a default installation has. */
const EXTENSIONS: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  hstore: { hstore: ['', '"a"=>"1", "b"=>NULL, "quote \\""=>"\\\\"', '"__proto__"=>""'] },
  citext: { citext: ['', 'MiXeD', '\u{1F980}'] },
  ltree: { ltree: ['', 'a.b.c', 'Top.Child_1'], lquery: ['*.a|b{1,2}', '!x.*'], ltxtquery: ['a & !b@*'] },
  cube: { cube: ['(0)', '(1,2,3),(4,5,6)', '(1e-300,NaN)'] },
  isn: { isbn: ['0-306-40615-2'], isbn13: ['978-0-306-40615-7'], ean13: ['220-356483481-6'], issn: ['0317-8471'] },
  seg: { seg: ['1', '1.50 .. 2', '~5', '<3.0', '1(+-)0.1'] },
  intarray: { query_int: ['1&(2|!3)'] },
  lo: { lo: ['0', '4294967295'] },
};

test('types of extensions that both sides have arrive, wherever the destination has them', async () => {
  const ends = await twoDatabases();
  const { source, destination } = ends;
  await destination.query('CREATE SCHEMA elsewhere');
  const names: string[] = [];
  for (const [extension, types] of Object.entries(EXTENSIONS)) {
    await source.query(`CREATE EXTENSION ${extension} SCHEMA public`);
    await destination.query(`CREATE EXTENSION ${extension} SCHEMA elsewhere`);
    for (const [type, literals] of Object.entries(types)) {
      names.push(type);
      const values = literals.map(
        (literal, index) => `(${index}, '${literal}'::public.${type}, ARRAY['${literal}', NULL]::public.${type}[])`,
      );
      await source.query(`CREATE TABLE public."t ${type}" (id int PRIMARY KEY, v public.${type}, a public.${type}[])`);
      await source.query(`INSERT INTO public."t ${type}" VALUES ${values.join(', ')}`);
    }
  }
  await source.query(
    "CREATE TABLE public.caseless (k public.citext PRIMARY KEY, n int); INSERT INTO public.caseless VALUES ('One', 1), ('two', 2)",
  );
  const tables = [...names.map((name) => ({ table: { schema: 'public', name: `t ${name}` } })), table('public.caseless')];
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  for (const name of names) {
    await source.query(
      `INSERT INTO public."t ${name}" SELECT id + 100, v, a FROM public."t ${name}"; UPDATE public."t ${name}" SET a = a || v WHERE id = 0`,
    );
  }
  // Only the case of a key changes: to the type it is the same key.
  await source.query(
    "UPDATE public.caseless SET k = 'ONE', n = 3 WHERE k OPERATOR(public.=) 'one'; DELETE FROM public.caseless WHERE k OPERATOR(public.=) 'TWO'; INSERT INTO public.caseless VALUES ('Two', 4)",
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  await source.dropSlots();
});

test('a type of an extension that the destination lacks is refused with the statement that mends it, and then it works', async () => {
  const ends = await twoDatabases();
  const { source, destination } = ends;
  await source.query(
    "CREATE EXTENSION hstore SCHEMA public; CREATE TABLE public.t (id int PRIMARY KEY, h public.hstore); INSERT INTO public.t VALUES (1, 'a=>1')",
  );
  await source.query('CREATE TABLE public.fine (id int PRIMARY KEY); INSERT INTO public.fine VALUES (1)');
  const seen = await watchOnce(ends);
  expect(seen.all('ineligible')).toEqual(['public.t']);
  expect([seen.reason('public.t')?.errorName, seen.reason('public.t')?.fix]).toEqual(['type_missing', 'CREATE EXTENSION hstore;']);
  await expectEqual(ends, table('public.fine'));
  await source.query("INSERT INTO public.t VALUES (2, 'b=>2')");
  await destination.query('CREATE EXTENSION hstore SCHEMA public');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await source.dropSlots();
});

test.skipIf(pg.destination.major >= 14 || pg.source.major < 14)(
  'a type that an older destination lacks is refused, and nothing else suffers',
  async () => {
    const ends = await twoDatabases();
    await ends.source.query('CREATE TABLE public.t (id int PRIMARY KEY, m int4multirange); CREATE TABLE public.fine (id int PRIMARY KEY)');
    const seen = await watchOnce(ends);
    expect(seen.all('ineligible')).toEqual(['public.t']);
    expect(seen.reason('public.t')?.errorName).toBe('type_missing');
    await expectEqual(ends, table('public.fine'));
    await ends.source.dropSlots();
  },
);
