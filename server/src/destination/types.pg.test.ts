import { describe, expect, test } from 'vitest';
import { createAll, makePair, type Pair, planPair } from '../../test/destination/pair.ts';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { must } from '../lib/assert.ts';
import type { SourceTable } from '../model/table.ts';
import { REFUSED_TYPES, TEXT_TYPES } from '../model/type-refusals.ts';
import { quoteIdent, quoteName } from '../pg/ident.ts';
import type { TablePlan } from './types-table.ts';

const pg = usePostgres();
const pair = () => makePair(pg);

function problemsOf(plans: ReadonlyMap<string, TablePlan>, table: string): unknown {
  const each = must(plans.get(table), table);
  return each.kind === 'refused' ? each.problems : [];
}

/** Copies the rows of every table as text through literals, which is what any path must equal. */
async function copyRows({ source, destination }: Pair, plans: ReadonlyMap<string, TablePlan & { source: SourceTable }>): Promise<void> {
  for (const each of plans.values()) {
    if (each.kind === 'refused') continue;
    const written = each.table.columns.filter((column) => column.transfer !== 'generated');
    const rows = await source.query(
      `SELECT ${written.map((column) => `${quoteIdent(column.sourceName)}::text`).join(', ')} FROM ${quoteName(each.source)}`,
    );
    const places = written.map((column, index) => `$${index + 1}::text::${column.typeSql}`).join(', ');
    for (const row of rows) {
      await destination.query(
        `INSERT INTO ${quoteName(each.table)} (${written.map(({ name }) => quoteIdent(name)).join(', ')}) VALUES (${places})`,
        row,
      );
    }
  }
}

async function textOf(database: TestDatabase, table: string, columns: string): Promise<unknown> {
  return database.query(
    `SELECT ${columns
      .split(' ')
      .map((column) => `${column}::text`)
      .join(', ')} FROM ${table}`,
  );
}

describe('types of PostgreSQL itself', () => {
  test('every one, and an array of it, is either the same at the destination, or text, or on the list of refusals', async () => {
    const databases = await pair();
    const rows = await databases.source.query(`
      SELECT t.typname, n.nspname, t.typarray <> 0
        FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
       WHERE n.nspname IN ('pg_catalog', 'information_schema') AND t.typtype IN ('b', 'r', 'm', 'd', 'e')
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type e WHERE e.typarray = t.oid)
       ORDER BY 1`);
    expect(rows.length).toBeGreaterThan(70);
    for (const [name, schema, hasArray] of rows) {
      const type = quoteName({ schema: must(schema, 'a schema'), name: must(name, 'a name') });
      await databases.source.query(
        `CREATE TABLE public.${quoteIdent(`t_${name}`)} (v ${type}${hasArray === 't' ? `, list ${type}[]` : ''})`,
      );
    }
    const plans = await planPair(databases);
    const older = pg.destination.major < pg.source.major;
    const usable = new Map([...plans].filter(([, each]) => each.kind === 'table'));
    for (const [name] of rows) {
      const each = must(plans.get(`t_${name}`), `a plan for ${name}`);
      if (each.kind === 'table') {
        const expected = TEXT_TYPES.has(name ?? '') ? 'text' : 'same';
        expect(each.table.columns.map((column) => column.transfer)).toEqual([expected, expected]);
        if (expected === 'text') expect(each.table.binarySafe).toBe(false);
      } else {
        const missing = each.problems.every((problem) => problem.errorName === 'type_missing');
        expect(REFUSED_TYPES.has(name ?? '') || (older && missing), `${name}: ${JSON.stringify(each.problems)}`).toBe(true);
      }
    }
    if (!older) expect(usable.size).toBe(rows.filter(([name]) => !REFUSED_TYPES.has(name ?? '')).length);
    await createAll(databases.session, usable);
    for (const [table] of usable) {
      const [format] = [
        `SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
        WHERE attrelid = (SELECT oid FROM pg_catalog.pg_class WHERE relname = $1) AND attnum > 0 ORDER BY attnum`,
      ];
      const twin = await databases.destination.query(format, [table]);
      if (TEXT_TYPES.has(table.slice(2))) expect(twin).toEqual([['text'], ['text[]']]);
      else expect(twin).toEqual(await databases.source.query(format, [table]));
    }
  });

  test('keep every length, precision, scale and interval field', async () => {
    const databases = await pair();
    const fields = ['YEAR', 'MONTH', 'DAY', 'HOUR', 'MINUTE', 'SECOND', 'YEAR TO MONTH', 'DAY TO HOUR', 'DAY TO MINUTE', 'DAY TO SECOND'];
    const types = [
      'varchar',
      'varchar(1)',
      'varchar(10485760)',
      'bpchar',
      'char(7)',
      'bit',
      'bit(9)',
      'varbit',
      'varbit(3)',
      'numeric',
      'numeric(5)',
      'numeric(1000,1000)',
      ...(pg.source.major >= 15 && pg.destination.major >= 15 ? ['numeric(3,-2)', 'numeric(3,7)', 'numeric(5,-1000)'] : []),
      ...['time', 'timetz', 'timestamp', 'timestamptz'].flatMap((type) => [type, ...[0, 3, 6].map((n) => `pg_catalog.${type}(${n})`)]),
      'interval',
      'interval(0)',
      'interval(6)',
      ...fields.map((field) => `interval ${field}`),
      'interval DAY TO SECOND(2)',
      'interval HOUR TO SECOND(4)',
      'varchar(3)[]',
      'numeric(4,1)[]',
      'interval YEAR[]',
      'timestamptz(2)[]',
      'char(2)[][]',
      '"char"',
      'name',
      'int2vector',
      'oidvector',
      'int2vector[]',
    ];
    await databases.source.query(`CREATE TABLE public.t (${types.map((type, index) => `c${index} ${type}`).join(', ')})`);
    await createAll(databases.session, await planPair(databases));
    const columns = `SELECT attname, pg_catalog.format_type(atttypid, atttypmod), atttypmod FROM pg_catalog.pg_attribute
      WHERE attrelid = 'public.t'::pg_catalog.regclass AND attnum > 0 ORDER BY attnum`;
    expect(await databases.destination.query(columns)).toEqual(await databases.source.query(columns));
  });

  test('that name objects of the source become text with the same bytes, also inside arrays, domains and composites', async () => {
    const databases = await pair();
    await databases.source.query(`
      CREATE SCHEMA "o'dd"; CREATE TABLE "o'dd"."T t" ();
      CREATE DOMAIN public.relation AS regclass;
      CREATE TYPE public.pointer AS (what regclass, many regtype[]);
      CREATE TABLE public.t (a regclass, b regproc[], c public.relation, d public.pointer, e aclitem, f regrole);
      INSERT INTO public.t VALUES ('"o''dd"."T t"', '{now,array_ndims}', '"o''dd"."T t"',
        ROW('"o''dd"."T t"', '{integer,"timestamp with time zone"}'), 'postgres=r/postgres', 'postgres')`);
    const plans = new Map([...(await planPair(databases))].filter(([name]) => name === 't'));
    await createAll(databases.session, plans);
    await copyRows(databases, plans);
    expect(must(plans.get('t'), 't')).toMatchObject({ table: { binarySafe: false } });
    expect(await textOf(databases.destination, 'public.t', 'a b c d e f')).toEqual(
      await textOf(databases.source, 'public.t', 'a b c d e f'),
    );
  });

  test('that no server reads back are refused with the column and the reason', async () => {
    const databases = await pair();
    await databases.source.query(
      'CREATE TABLE public.t (id int, node pg_node_tree, nodes pg_catalog.gtsvector[], cat pg_catalog.pg_class)',
    );
    expect(problemsOf(await planPair(databases), 't')).toMatchObject([
      { errorName: 'type_refused', column: 'node' },
      { errorName: 'type_refused', column: 'nodes' },
      { errorName: 'type_refused', column: 'cat' },
    ]);
  });
});

describe("users' types", () => {
  const nested = `
    CREATE SCHEMA "Ty""pes";
    CREATE TYPE "Ty""pes"."mo'od" AS ENUM ('ok', 'it''s', 'a"b', E'back\\\\slash', '', E'new\\nline', 'ünï😀');
    CREATE DOMAIN "Ty""pes".short AS varchar(5) NOT NULL DEFAULT 'x' CHECK (VALUE <> 'no');
    CREATE DOMAIN "Ty""pes".shorter AS "Ty""pes".short;
    CREATE TYPE "Ty""pes".inner AS (a numeric(6,2), "b b" "Ty""pes"."mo'od"[], c "Ty""pes".shorter);
    CREATE DOMAIN "Ty""pes".inners AS "Ty""pes".inner[];
    CREATE TYPE "Ty""pes".outer AS (x "Ty""pes".inners, y "Ty""pes".inner);
    CREATE TYPE "Ty""pes".textrange AS RANGE (SUBTYPE = text, COLLATION = "C");
    CREATE TYPE "Ty""pes".moodrange AS RANGE (SUBTYPE = "Ty""pes"."mo'od");
    CREATE TYPE "Ty""pes".nothing AS ();
    CREATE TYPE "Ty""pes".void AS ENUM ();
    CREATE TABLE "Ty""pes".person (name text, born date);
    CREATE TABLE public.t (
      a "Ty""pes"."mo'od", b "Ty""pes"."mo'od"[], c "Ty""pes".outer, d "Ty""pes".textrange, e "Ty""pes".moodrange[],
      f "Ty""pes".nothing, g "Ty""pes".void, h "Ty""pes".person, i "Ty""pes".person[], j "Ty""pes".shorter);
    INSERT INTO public.t VALUES (
      'it''s', '{"a\\"b","back\\\\slash",""}', ROW(ARRAY[ROW(1.50, '{ok}', 'ab')::"Ty""pes".inner], ROW(NULL, '{}', 'c,"d')),
      '[B,a)', '{"[ok,it''s)",empty}', ROW(), NULL, ROW('O"Neil, (x)', 'infinity'), ARRAY[ROW(NULL, '0044-03-15 BC')]::"Ty""pes".person[], 'short')`;

  test('are made at the destination, however deep they nest, and print the same values', async () => {
    const databases = await pair();
    await databases.source.query(nested);
    const plans = await planPair(databases);
    await createAll(databases.session, plans);
    await copyRows(databases, plans);
    const columns = 'a b c d e f g h i j';
    expect(await textOf(databases.destination, 'public.t', columns)).toEqual(await textOf(databases.source, 'public.t', columns));
  });

  test('are made where the namespace rule says, and found there again', async () => {
    const databases = await pair();
    await databases.source.query(nested);
    const rule = { kind: 'destination', schema: 'd"w' } as const;
    await createAll(databases.session, await planPair(databases, rule));
    const again = must((await planPair(databases, rule)).get('t'), 't');
    expect(again).toMatchObject({ kind: 'table', definitions: [] });
    const schemas = await databases.destination.query(`
      SELECT DISTINCT n.nspname FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
       WHERE t.oid >= 16384 AND n.nspname NOT IN ('_millrace', 'pg_toast')`);
    expect(schemas).toEqual([['d"w']]);
  });

  test('of several schemas keep apart in one destination schema', async () => {
    const databases = await pair();
    await databases.source.query(`
      CREATE SCHEMA a; CREATE SCHEMA b;
      CREATE TYPE a.mood AS ENUM ('x'); CREATE TYPE b.mood AS ENUM ('y'); CREATE TYPE b.t1 AS ENUM ('z');
      CREATE TABLE a.t1 (m a.mood); CREATE TABLE b.t2 (m b.mood, t b.t1)`);
    await createAll(databases.session, await planPair(databases, { kind: 'destination', schema: 'dw' }));
    await databases.destination.query("INSERT INTO dw.t1 VALUES ('x'); INSERT INTO dw.t2 VALUES ('y', 'z')");
  });

  test('that stand there with another definition are a conflict, and stay as they are', async () => {
    const databases = await pair();
    await databases.source.query(`
      CREATE TYPE public.e AS ENUM ('a', 'b', 'c'); CREATE TYPE public.k AS (x int, y text); CREATE DOMAIN public.d AS int; CREATE TYPE public.r AS RANGE (SUBTYPE = int8);
      CREATE TABLE public.t (e public.e, k public.k[], d public.d, r public.r)`);
    await databases.destination.query(`
      CREATE TYPE public.e AS ENUM ('a', 'c'); CREATE TYPE public.k AS (x int, y varchar); CREATE DOMAIN public.d AS int CHECK (VALUE > 0); CREATE TYPE public.r AS RANGE (SUBTYPE = int4)`);
    const problems = problemsOf(await planPair(databases), 't') as { errorName: string; fix?: string }[];
    expect(problems.map((problem) => problem.errorName)).toEqual(['type_conflict', 'type_conflict', 'type_conflict', 'type_conflict']);
    expect(problems[0]?.fix).toBe(`ALTER TYPE "public"."e" ADD VALUE 'b' AFTER 'a';`);
    await databases.destination.query(must(problems[0]?.fix, 'a fix'));
    const after = problemsOf(await planPair(databases), 't') as { column: string }[];
    expect(after.map((problem) => problem.column)).toEqual(['k', 'd', 'r']);
  });

  test('that stand there with the same definition are used', async () => {
    const databases = await pair();
    await databases.source.query(nested);
    await databases.destination.query(
      nested
        .replace(" NOT NULL DEFAULT 'x' CHECK (VALUE <> 'no')", '')
        .replace(/INSERT[^]*/, '')
        .replace(/CREATE TABLE public.t[^]*/, ''),
    );
    const each = must((await planPair(databases)).get('t'), 't');
    // Only the row type of a table has no twin: the destination's table of that name is not a mere type.
    expect(each.kind === 'table' ? each.definitions.map((definition) => definition.source.name) : each.problems).toEqual(['person']);
  });

  test('that we made get the labels that the source added', async () => {
    const databases = await pair();
    await databases.source.query("CREATE TYPE public.e AS ENUM ('b', 'd'); CREATE TABLE public.t (e public.e)");
    await createAll(databases.session, await planPair(databases));
    await databases.source.query("ALTER TYPE public.e ADD VALUE 'c' BEFORE 'd'");
    await databases.source.query("ALTER TYPE public.e ADD VALUE 'a' BEFORE 'b'");
    await databases.source.query("ALTER TYPE public.e ADD VALUE 'it''s' AFTER 'd'");
    await createAll(databases.session, await planPair(databases));
    const labels = "SELECT enumlabel FROM pg_catalog.pg_enum WHERE enumtypid = 'public.e'::pg_catalog.regtype ORDER BY enumsortorder";
    expect(await databases.destination.query(labels)).toEqual([['a'], ['b'], ['c'], ['d'], ["it's"]]);
  });

  test.skipIf(pg.source.major < 14)('bring their multirange along, or are refused by a destination that has none', async () => {
    const databases = await pair();
    await databases.source.query(`
      CREATE TYPE public.r AS RANGE (SUBTYPE = float8, MULTIRANGE_TYPE_NAME = public."m R");
      CREATE TABLE public.t (m public."m R", r public.r, b int4multirange);
      INSERT INTO public.t VALUES ('{[1.5,2),[3,)}', '[1,2]', '{[1,5)}')`);
    const plans = await planPair(databases);
    if (pg.destination.major < 14) {
      expect(problemsOf(plans, 't')).toMatchObject([
        { errorName: 'type_missing', column: 'm' },
        { errorName: 'type_missing', column: 'b' },
      ]);
      return;
    }
    await createAll(databases.session, plans);
    await copyRows(databases, plans);
    expect(await textOf(databases.destination, 'public.t', 'm r b')).toEqual(await textOf(databases.source, 'public.t', 'm r b'));
    expect(must((await planPair(databases)).get('t'), 't')).toMatchObject({ kind: 'table', definitions: [], table: { binarySafe: true } });
  });
});

describe('types of extensions', () => {
  test('are missing until the extension is there, in whatever schema', async () => {
    const databases = await pair();
    await databases.source.query(`
      CREATE SCHEMA x; CREATE EXTENSION citext SCHEMA x; CREATE EXTENSION hstore SCHEMA x; CREATE EXTENSION "cube" SCHEMA x;
      CREATE TABLE public.t (a x.citext PRIMARY KEY, b x.hstore[], c x.cube)`);
    expect(problemsOf(await planPair(databases), 't')).toMatchObject([
      { errorName: 'type_missing', column: 'a', fix: 'CREATE EXTENSION citext;' },
      { errorName: 'type_missing', column: 'b', fix: 'CREATE EXTENSION hstore;' },
      { errorName: 'type_missing', column: 'c', fix: 'CREATE EXTENSION cube;' },
    ]);
    await databases.destination.query(
      'CREATE SCHEMA "e x t"; CREATE EXTENSION citext SCHEMA "e x t"; CREATE EXTENSION hstore SCHEMA public; CREATE EXTENSION cube SCHEMA public',
    );
    const plans = await planPair(databases);
    expect(must(plans.get('t'), 't')).toMatchObject({ kind: 'table', definitions: [], table: { binarySafe: false } });
    await createAll(databases.session, plans);
    expect(
      await databases.destination.query(
        "SELECT pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute WHERE attrelid = 'public.t'::pg_catalog.regclass AND attnum > 0 ORDER BY attnum",
      ),
    ).toEqual([['"e x t".citext'], ['public.hstore[]'], ['public.cube']]);
  });
});
