// Databases that are not UTF8: every character arrives as the same character, or that table alone is refused, loudly.
import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../pg/test-database.ts';
import { usePostgres } from '../pg/use-postgres.ts';
import { type Ends, expectEqual, table, untilEqual } from '../pipeline/compare.ts';
import { startWatched, watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();

async function encoded(source: string | undefined, destination: string | undefined): Promise<Ends> {
  return {
    source: await pg.source.createDatabase({ encoding: source }),
    destination: await pg.destination.createDatabase({ encoding: destination }),
  };
}

const TABLES = `
  CREATE TYPE public.mood AS ENUM ('gl\u00fccklich', 'plain');
  CREATE TABLE public."t\u00e9st" (id int PRIMARY KEY, "sp\u00e4lte" text, c varchar(9), j json, a text[], m public.mood, x xml);
  CREATE TABLE public."k\u00e9y" (k text PRIMARY KEY, n int)`;
const ROWS = `
  INSERT INTO public."t\u00e9st" VALUES (1, '\u00e4\u00f6\u00fc\u00df\u00e9\u00ff', '\u00bf\u00d8\u00f7', '{"\u00e9": "\\u20ac"}', '{\u00e9,NULL}', 'gl\u00fccklich', '<\u00e9/>'), (2, 'plain', 'p', '1', '{}', 'plain', '');
  INSERT INTO public."k\u00e9y" VALUES ('\u00fc', 1), ('u', 2)`;
const CHANGES = `
  INSERT INTO public."t\u00e9st" SELECT id + 10, "sp\u00e4lte" || '\u00b5', c, j, a, m, x FROM public."t\u00e9st";
  UPDATE public."t\u00e9st" SET "sp\u00e4lte" = '\u00ff\u00fe' WHERE id = 2;
  UPDATE public."k\u00e9y" SET k = '\u00e5' WHERE k = '\u00fc'; DELETE FROM public."k\u00e9y" WHERE k = 'u'`;

const accented = [{ table: { schema: 'public', name: 't\u00e9st' } }, { table: { schema: 'public', name: 'k\u00e9y' } }];

describe.each([
  ['LATIN1', undefined],
  ['LATIN1', 'LATIN1'],
  [undefined, 'LATIN1'],
  ['WIN1252', undefined],
  ['SQL_ASCII', undefined],
] as const)('from %s to %s', (from, to) => {
  test('names, text, labels and keys are the same characters, by snapshot and by stream', async () => {
    const ends = await encoded(from, to);
    await ends.source.query(TABLES);
    await ends.source.query(ROWS);
    expect((await watchOnce(ends)).complaints).toEqual([]);
    await expectEqual(ends, ...accented);
    await ends.source.query(CHANGES);
    expect((await watchOnce(ends)).complaints).toEqual([]);
    await expectEqual(ends, ...accented);
    await ends.source.dropSlots();
  });
});

test('Japanese in EUC_JP arrives', async () => {
  const ends = await encoded('EUC_JP', undefined);
  await ends.source.query("CREATE TABLE public.t (id int PRIMARY KEY, s text); INSERT INTO public.t VALUES (1, '\u65e5\u672c\u8a9e')");
  await watchOnce(ends);
  await ends.source.query(
    "INSERT INTO public.t VALUES (2, '\u30ab\u30bf\u30ab\u30ca'); UPDATE public.t SET s = s || '\u3002' WHERE id = 1",
  );
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await ends.source.dropSlots();
});

/** Bytes that are no UTF-8, where nothing checks them. */
async function insertRawBytes(database: TestDatabase, name: string, id: number): Promise<void> {
  await database.query(`INSERT INTO public.${name} VALUES (${id}, pg_catalog.convert_from('\\xfffe41', 'SQL_ASCII'))`);
}

test('bytes of an SQL_ASCII database that are no UTF-8 stop the historical load of their table, and of no other', async () => {
  const ends = await encoded('SQL_ASCII', undefined);
  const { source } = ends;
  await source.query(
    "CREATE TABLE public.raw (id int PRIMARY KEY, s text); CREATE TABLE public.fine (id int PRIMARY KEY, s text); INSERT INTO public.fine VALUES (1, '\u00e9')",
  );
  await insertRawBytes(source, 'raw', 1);
  const seen = await watchOnce(ends);
  expect(seen.all('failed')).toEqual(['public.raw']);
  expect(seen.reason('public.raw')).toMatchObject({ errorName: 'text_not_decodable', facts: { object: 'public.raw' } });
  await expectEqual(ends, table('public.fine'));
  await source.dropSlots();
});

test('bytes of an SQL_ASCII database that are no UTF-8 stop the stream of their table, and of no other', async () => {
  const ends = await encoded('SQL_ASCII', undefined);
  const { source } = ends;
  await source.query('CREATE TABLE public.raw (id int PRIMARY KEY, s text); CREATE TABLE public.fine (id int PRIMARY KEY, s text)');
  const pipeline = startWatched(ends);
  await pipeline.seen.until('public.raw', 'streaming');
  await insertRawBytes(source, 'raw', 1);
  await source.query("INSERT INTO public.fine VALUES (1, '\u00e9')");
  await pipeline.seen.until('public.raw', 'failed');
  expect(pipeline.seen.reason('public.raw')).toMatchObject({ errorName: 'text_not_decodable', facts: { object: 'public.raw' } });
  await untilEqual(ends, table('public.fine'));
  await pipeline.stop();
  await source.dropSlots();
});

test('SQL_ASCII to SQL_ASCII carries any bytes', async () => {
  const ends = await encoded('SQL_ASCII', 'SQL_ASCII');
  const { source, destination } = ends;
  await source.query('CREATE TABLE public.raw (id int PRIMARY KEY, s text)');
  await insertRawBytes(source, 'raw', 1);
  await watchOnce(ends);
  await insertRawBytes(source, 'raw', 2);
  expect((await watchOnce(ends)).complaints).toEqual([]);
  const bytes = "SELECT id, pg_catalog.encode(pg_catalog.convert_to(s, 'SQL_ASCII'), 'hex') FROM public.raw ORDER BY id";
  expect(await destination.query(bytes)).toEqual(await source.query(bytes));
  await source.dropSlots();
});

test('a character that a LATIN1 destination does not have stops its table alone, by load and by stream', async () => {
  const ends = await encoded(undefined, 'LATIN1');
  const { source } = ends;
  await source.query(
    'CREATE TABLE public.euro (id int PRIMARY KEY, s text); CREATE TABLE public.later (id int PRIMARY KEY, s text); CREATE TABLE public.fine (id int PRIMARY KEY, s text)',
  );
  await source.query("INSERT INTO public.euro VALUES (1, '\u20ac'); INSERT INTO public.fine VALUES (1, '\u00e9')");
  const first = await watchOnce(ends);
  expect(first.all('failed')).toEqual(['public.euro']);
  await source.query("INSERT INTO public.later VALUES (1, '\u20ac'); INSERT INTO public.fine VALUES (2, '\u00fc')");
  const second = await watchOnce(ends);
  expect(second.all('failed')).toEqual(['public.euro', 'public.later']);
  expect([first.reason('public.euro')?.errorName, second.reason('public.later')?.errorName]).toEqual([
    'destination_encoding',
    'destination_encoding',
  ]);
  await expectEqual(ends, table('public.fine'));
  await source.dropSlots();
});
