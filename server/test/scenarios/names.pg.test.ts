// Whatever Postgres lets people call a schema, a table, a column or a database: the names arrive, nothing is run that a name says.
import { expect, test } from 'vitest';
import { quoteIdent, quoteName } from '../../src/pg/ident.ts';
import { usePostgres } from '../pg/use-postgres.ts';
import { type ComparedTable, type Ends, expectEqual, table } from '../pipeline/compare.ts';
import { runOnce } from '../pipeline/pipeline.ts';
import { watchOnce } from '../pipeline/watched.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const pg = usePostgres();

async function twoDatabases(): Promise<Ends> {
  return { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
}

const NAMES = [
  'plain',
  'Plain',
  'PLAIN',
  'with space',
  ' ',
  '"',
  '""',
  "'",
  "';--",
  '"; DROP TABLE public.canary; --',
  "'); DROP TABLE public.canary; --",
  '$$',
  '$1',
  '\\',
  '\\n',
  'tab\there',
  'line\nbreak',
  'return\r',
  'bell\u0007',
  '\u001b[31mred',
  '/* comment',
  '*/',
  'a.b',
  '"a"."b"',
  '%s',
  '%I',
  '{schema}',
  '${x}',
  '__proto__',
  'constructor',
  'select',
  'user',
  'table',
  'pgoutput',
  'millrace_k_1',
  '_millrace',
  'null',
  '1',
  '-1',
  'é',
  'e\u0301',
  '\u{1F980}',
  '\u202eabc',
  '\uFEFF',
  'x'.repeat(63),
  `${'x'.repeat(62)}y`,
  `${'x'.repeat(61)}é`,
  '\u{1F980}'.repeat(15),
  `${'\u{1F980}'.repeat(15)}abc`,
];

test('schemas, tables and columns of any name arrive, by snapshot and by stream', async () => {
  const ends = await twoDatabases();
  const { source, destination } = ends;
  const tables: ComparedTable[] = [];
  await source.query('CREATE TABLE public.canary (id int PRIMARY KEY)');
  for (const [index, name] of NAMES.entries()) {
    const schema = NAMES[(index * 7 + 3) % NAMES.length] ?? '';
    const other = NAMES[(index * 5 + 1) % NAMES.length] ?? '';
    if (schema !== '_millrace') await source.query(`CREATE SCHEMA IF NOT EXISTS ${quoteIdent(schema)}`);
    const place = { schema: schema === '_millrace' ? 'public' : schema, name };
    tables.push({ table: place });
    const columns = name === other ? '' : `, ${quoteIdent(other)} text`;
    await source.query(`CREATE TABLE ${quoteName(place)} (${quoteIdent(name)} int PRIMARY KEY${columns}, values text)`);
    await source.query(`INSERT INTO ${quoteName(place)} (${quoteIdent(name)}, values) VALUES (1, 'one'), (2, 'two'), (3, 'three')`);
  }
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  for (const [index, { table: place }] of tables.entries()) {
    const [name] = [quoteIdent(NAMES[index] ?? '')];
    if (index % 2 === 0) await source.query(`ALTER TABLE ${quoteName(place)} REPLICA IDENTITY FULL`);
    await source.query(
      `UPDATE ${quoteName(place)} SET values = 'changed' WHERE ${name} = 1; UPDATE ${quoteName(place)} SET ${name} = 20 WHERE ${name} = 2`,
    );
    await source.query(`DELETE FROM ${quoteName(place)} WHERE ${name} = 3; INSERT INTO ${quoteName(place)} (${name}) VALUES (4)`);
  }
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, ...tables);
  expect(await destination.query('SELECT count(*) FROM public.canary')).toEqual([['0']]);
  await source.dropSlots();
}, 120_000);

test('types, labels and constraints of hostile names arrive', async () => {
  const ends = await twoDatabases();
  const { source } = ends;
  const nasty = '\'); DROP TABLE public.t; --"';
  await source.query(`CREATE SCHEMA ${quoteIdent(nasty)}`);
  await source.query(
    `CREATE TYPE ${quoteName({ schema: nasty, name: nasty })} AS ENUM ('''); DROP TABLE public.t; --', '\\', E'new\\nline')`,
  );
  await source.query(`CREATE TYPE ${quoteName({ schema: nasty, name: 'row' })} AS (${quoteIdent(nasty)} int)`);
  await source.query(
    `CREATE TABLE public.t (id int CONSTRAINT ${quoteIdent(nasty)} PRIMARY KEY, e ${quoteName({ schema: nasty, name: nasty })}, r ${quoteName({ schema: nasty, name: 'row' })})`,
  );
  await source.query("INSERT INTO public.t VALUES (1, '''); DROP TABLE public.t; --', '(7)'), (2, E'new\\nline', '()')");
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await source.query("INSERT INTO public.t VALUES (3, '\\', NULL); UPDATE public.t SET e = '\\' WHERE id = 1");
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await source.dropSlots();
});

test('a pipeline with a name of 255 characters, and two that differ in the last one, keep apart', async () => {
  const ends = await twoDatabases();
  const { source, destination } = ends;
  await source.query('CREATE SCHEMA a; CREATE TABLE a.t (id int PRIMARY KEY); CREATE SCHEMA b; CREATE TABLE b.t (id int PRIMARY KEY)');
  const base = `\u{1F980} "quoted" ';-- \\ ${'n'.repeat(240)}`.slice(0, 254);
  for (let round = 0; round < 2; round++) {
    await source.query(`INSERT INTO a.t VALUES (${round}); INSERT INTO b.t VALUES (${round})`);
    for (const schema of ['a', 'b']) await runOnce(source, destination, { name: `${base}${schema}`, settings: { schemas: [schema] } });
    await expectEqual(ends, table('a.t'), table('b.t'));
  }
  expect(await source.query('SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database()')).toEqual(
    [['2']],
  );
  await source.dropSlots();
});

test('databases may be named with spaces, quotes, backslashes and emoji', async () => {
  const suffix = ` "q" 'a' \\ \u{1F980} =;`;
  const ends = { source: await pg.source.createDatabase({ suffix }), destination: await pg.destination.createDatabase({ suffix }) };
  await ends.source.query('CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1)');
  await watchOnce(ends);
  await ends.source.query('INSERT INTO public.t VALUES (2)');
  expect((await watchOnce(ends)).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'));
  await ends.source.dropSlots();
});

test('tables land in the schema that the namespace says', async () => {
  const ends = await twoDatabases();
  await ends.source.query(
    "CREATE SCHEMA shop; CREATE TYPE shop.mood AS ENUM ('x'); CREATE TABLE shop.t (id int PRIMARY KEY, m shop.mood); INSERT INTO shop.t VALUES (1, 'x')",
  );
  await ends.source.query('CREATE TABLE public.u (id int PRIMARY KEY); INSERT INTO public.u VALUES (1)');
  await runOnce(ends.source, ends.destination, { name: 'fixed', settings: { namespace: { kind: 'destination', schema: 'ware "house"' } } });
  await runOnce(ends.source, ends.destination, { name: 'pattern', settings: { namespace: { kind: 'pattern', pattern: 'eu_{schema}' } } });
  await expectEqual(
    ends,
    { table: { schema: 'shop', name: 't' }, target: { schema: 'ware "house"', name: 't' } },
    { table: { schema: 'public', name: 'u' }, target: { schema: 'ware "house"', name: 'u' } },
    { table: { schema: 'shop', name: 't' }, target: { schema: 'eu_shop', name: 't' } },
    { table: { schema: 'public', name: 'u' }, target: { schema: 'eu_public', name: 'u' } },
  );
  await ends.source.dropSlots();
});

test('of two tables that want one name the second gets a suffix, and keeps it', async () => {
  const ends = await twoDatabases();
  await ends.source.query('CREATE SCHEMA a; CREATE TABLE a.t (id int PRIMARY KEY); CREATE SCHEMA b; CREATE TABLE b.t (id int PRIMARY KEY)');
  const namespace = { kind: 'destination', schema: 'one' } as const;
  await watchOnce(ends, { namespace });
  await ends.source.query('INSERT INTO a.t VALUES (1); INSERT INTO b.t VALUES (2); DROP TABLE a.t');
  await watchOnce(ends, { namespace });
  const [first, second] = (await ends.destination.query(TABLES_SQL, ['one'])).map(([name]) => ({ schema: 'one', name: name ?? '' }));
  expect([first?.name, second?.name]).toEqual(['t', expect.stringMatching(/^t_[0-9a-f]{12}$/)]);
  await expectEqual(ends, { ...table('b.t'), target: second ?? table('b.t').table });
  await ends.source.dropSlots();
});

test('two targets of one name are refused before anything is made', async () => {
  const ends = await twoDatabases();
  await ends.source.query('CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY)');
  const objects = ['a', 'b'].map((name) => ({ ...PLAIN_OBJECT, schema: 'public', name, target: 'one' }));
  await expect(watchOnce(ends, { objects })).rejects.toMatchObject({ errorName: 'name_collision' });
  expect(
    await ends.source.query('SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database()'),
  ).toEqual([]);
  expect(await ends.destination.query(TABLES_SQL, ['public'])).toEqual([]);
});

const TABLES_SQL = 'SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = $1 ORDER BY tablename';
