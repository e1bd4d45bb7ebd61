import { afterEach, describe, expect, test } from 'vitest';
import { usePostgres } from '../../../test/pg/use-postgres.ts';
import { type Databases, inBoth, type NativePipeline, type SameTable, startNativePipeline } from '../../../test/verify/native-pipeline.ts';
import { formatLsn } from '../../pg/lsn.ts';

const pg = usePostgres();
const EQUAL = { missing: 0, extra: 0, different: 0, unverifiedRows: 0, unverifiedReason: null, sampleKeys: [] };
let pipeline: NativePipeline | null = null;

afterEach(async () => {
  await pipeline?.drop();
  pipeline = null;
});

/** A pipeline that has copied what `schema` and `rows` made, and stands still. */
async function stopped(schema: string, rows: string, encoding?: string): Promise<Databases & { pipeline: NativePipeline }> {
  const databases = { source: await pg.source.createDatabase({ encoding }), destination: await pg.destination.createDatabase() };
  await inBoth(databases, schema);
  await databases.source.query(rows);
  pipeline = await startNativePipeline(databases);
  await pipeline.stop();
  return { ...databases, pipeline };
}

const VALUES: SameTable = { name: 'v', columns: ['id', 't', 'n', 'f', 'j', 'c', 'b', 'p', 'a', 'nn'], key: ['id'] };
const VALUES_SCHEMA = `
  CREATE TYPE public.pair AS (x int, y text);
  CREATE TABLE public.v (id int PRIMARY KEY, t text, n numeric, f float8, j json, c bpchar, b bytea, p public.pair, a text[], nn text)`;
const VALUES_ROWS = `
  INSERT INTO public.v
  SELECT i, 'Some text ' || i, 1.50, 0, '{"a": 1}', 'x  ', '\\x00ff', ROW(NULL, NULL)::public.pair, ARRAY['a', NULL], ''
  FROM pg_catalog.generate_series(1, 3000) AS i`;

const DIFFERENCES = [
  ['one byte', `b = '\\x00fe'`],
  ['a letter', `t = 'Some texT ' || id`],
  ['a character that looks the same', `t = 'Some te\u0445t ' || id`],
  ['a blank at the end', `t = t || ' '`],
  ['the blanks of a bpchar', `c = 'x '`],
  ['the scale of a numeric', `n = 1.5`],
  ['the sign of zero', `f = '-0'`],
  ['not a number', `f = 'NaN'`],
  ['the smallest number', `f = 5e-324`],
  ['the blanks of a json', `j = '{"a":1}'`],
  ['NULL and an empty text', `nn = NULL`],
  ['NULL and the text NULL in an array', `a = ARRAY['a', 'NULL']`],
  ['the bounds of an array', `a = '[0:1]={a,NULL}'`],
  ['NULL and a composite of NULLs', `p = NULL`],
  ['NULL and an empty text in a composite', `p = ROW(NULL, '')::public.pair`],
  ['values that moved to the next column', `t = nn, nn = t`],
] as const;

describe('with a pipeline that stands still, verifyObject', () => {
  test('finds nothing where nothing is wrong, and names the checkpoint', async () => {
    const { pipeline, source } = await stopped(VALUES_SCHEMA, VALUES_ROWS);
    const result = await pipeline.verify(VALUES);
    const [row] = await source.query('SELECT confirmed_flush_lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = $1', [
      pipeline.name,
    ]);
    expect(result).toEqual({ ...EQUAL, sourceRows: 3000, destinationRows: 3000, position: result.position });
    expect(formatLsn(result.position)).toBe(row?.[0]);
  });

  test('finds a single difference of any kind', async () => {
    const { pipeline, destination } = await stopped(VALUES_SCHEMA, VALUES_ROWS);
    for (const [what, change] of DIFFERENCES) {
      await destination.query(
        `CREATE TABLE public.before AS SELECT * FROM public.v WHERE id = 1234; UPDATE public.v SET ${change} WHERE id = 1234`,
      );
      const result = await pipeline.verify(VALUES);
      expect(result, what).toMatchObject({ ...EQUAL, different: 1, sampleKeys: ['1234'], sourceRows: 3000, destinationRows: 3000 });
      await destination.query(`
        DELETE FROM public.v WHERE id = 1234; INSERT INTO public.v SELECT * FROM public.before; DROP TABLE public.before`);
    }
    expect(await pipeline.verify(VALUES)).toMatchObject(EQUAL);
  });

  test('counts what is missing, too many and different, and shows ten keys', async () => {
    const { pipeline, destination } = await stopped(VALUES_SCHEMA, VALUES_ROWS);
    await destination.query(`
      DELETE FROM public.v WHERE id BETWEEN 101 AND 105;
      INSERT INTO public.v (id) SELECT i FROM pg_catalog.generate_series(4001, 4007) AS i;
      UPDATE public.v SET t = 'wrong' WHERE id BETWEEN 1 AND 9;
      UPDATE public.v SET id = 5000 WHERE id = 3000`);
    const result = await pipeline.verify(VALUES);
    expect(result).toMatchObject({ missing: 6, extra: 8, different: 9, unverifiedRows: 0, sourceRows: 3000, destinationRows: 3002 });
    expect(result.sampleKeys).toHaveLength(10);
  });

  test('compares bucket by bucket when not all rows fit into one portion', async () => {
    const { pipeline, destination } = await stopped(VALUES_SCHEMA, VALUES_ROWS);
    await destination.query(`UPDATE public.v SET t = 'wrong' WHERE id % 10 = 0; DELETE FROM public.v WHERE id % 1000 = 1`);
    expect(await pipeline.verify(VALUES, { portionRows: 100 })).toMatchObject({ missing: 3, extra: 0, different: 300, unverifiedRows: 0 });
  });

  test('finds rows under one key twice where the destination has lost its unique index', async () => {
    const { pipeline, destination } = await stopped(VALUES_SCHEMA, VALUES_ROWS);
    await destination.query(`
      ALTER TABLE public.v DROP CONSTRAINT v_pkey;
      INSERT INTO public.v SELECT * FROM public.v WHERE id = 7;
      INSERT INTO public.v (id, t) VALUES (8, 'unlike')`);
    expect(await pipeline.verify(VALUES)).toMatchObject({ missing: 0, extra: 2, different: 0, unverifiedRows: 0, destinationRows: 3002 });
  });

  test('calls rows unverified that changed after the checkpoint, and still finds the wrong ones', async () => {
    const { pipeline, source, destination } = await stopped(VALUES_SCHEMA, VALUES_ROWS);
    await source.query(`
      UPDATE public.v SET t = 'newer' WHERE id IN (1, 2);
      DELETE FROM public.v WHERE id = 3;
      INSERT INTO public.v (id) VALUES (9001);
      UPDATE public.v SET id = 9002 WHERE id = 4`);
    await destination.query(`UPDATE public.v SET t = 'wrong' WHERE id = 5; DELETE FROM public.v WHERE id = 6`);
    const behind = await pipeline.verify(VALUES);
    expect(behind).toMatchObject({ missing: 1, extra: 0, different: 1, unverifiedRows: 6, sourceRows: 3000, destinationRows: 2999 });
    expect(behind.unverifiedReason).toMatch(/does not run, and the rows changed at the source after its checkpoint/);
    await pipeline.resume();
    expect(await pipeline.verify(VALUES)).toMatchObject({ missing: 1, extra: 0, different: 1, unverifiedRows: 0 });
  });

  test('calls everything unverified that differs after a TRUNCATE', async () => {
    const { pipeline, source } = await stopped(VALUES_SCHEMA, VALUES_ROWS);
    await source.query('TRUNCATE public.v');
    expect(await pipeline.verify(VALUES)).toMatchObject({ missing: 0, extra: 0, different: 0, unverifiedRows: 3000 });
  });

  test('says why when it can not look into the slot', async () => {
    const { pipeline, source } = await stopped(VALUES_SCHEMA, VALUES_ROWS);
    await source.query(`UPDATE public.v SET t = 'newer' WHERE id = 1; DROP PUBLICATION everything`);
    const result = await pipeline.verify(VALUES);
    expect(result).toMatchObject({ missing: 0, extra: 0, different: 0, unverifiedRows: 1 });
    expect(result.unverifiedReason).toMatch(/a publication of the pipeline is gone/);
  });
});

describe('without a key, verifyObject', () => {
  const LOG: SameTable = { name: 'log', columns: ['at', 'what'], key: [] };
  const SCHEMA = 'CREATE TABLE public.log (at int, what text); ALTER TABLE public.log REPLICA IDENTITY FULL';
  const ROWS = `INSERT INTO public.log SELECT i / 3, 'event' FROM pg_catalog.generate_series(0, 2999) AS i`;

  test('counts equal rows on both sides', async () => {
    const { pipeline, destination } = await stopped(SCHEMA, ROWS);
    expect(await pipeline.verify(LOG)).toMatchObject({ ...EQUAL, sourceRows: 3000, destinationRows: 3000 });
    await destination.query(`
      INSERT INTO public.log VALUES (5, 'event');
      DELETE FROM public.log WHERE ctid = (SELECT pg_catalog.min(ctid) FROM public.log WHERE at = 9);
      DELETE FROM public.log WHERE at = 11;
      UPDATE public.log SET what = 'Event' WHERE ctid = (SELECT pg_catalog.min(ctid) FROM public.log WHERE at = 20)`);
    const result = await pipeline.verify(LOG);
    expect(result).toMatchObject({ missing: 5, extra: 2, different: 0, unverifiedRows: 0, sourceRows: 3000, destinationRows: 2997 });
    expect(result.sampleKeys).toHaveLength(5);
    expect(result.sampleKeys[0]).toMatch(/^row with hash [0-9a-f]{32}$/);
  });

  test('calls differences unverified as long as changes of the table wait', async () => {
    const { pipeline, source } = await stopped(SCHEMA, ROWS);
    await source.query(`INSERT INTO public.log VALUES (1, 'event'), (-1, NULL)`);
    expect(await pipeline.verify(LOG)).toMatchObject({ missing: 0, extra: 0, unverifiedRows: 2 });
    await pipeline.resume();
    expect(await pipeline.verify(LOG)).toMatchObject({ ...EQUAL, sourceRows: 3002, destinationRows: 3002 });
  });

  test('compares a table without columns by the number of its rows', async () => {
    const { pipeline, destination } = await stopped('CREATE TABLE public.nothing ()', 'INSERT INTO public.nothing DEFAULT VALUES');
    const table = { name: 'nothing', columns: [], key: [] };
    expect(await pipeline.verify(table)).toMatchObject({ ...EQUAL, sourceRows: 1, destinationRows: 1 });
    await destination.query('INSERT INTO public.nothing DEFAULT VALUES');
    expect(await pipeline.verify(table)).toMatchObject({ missing: 0, extra: 1 });
  });
});

describe('verifyObject reads', () => {
  test('keys of many types and hostile names through their index', async () => {
    const names = ['a"b', 'select', '$1', "quo'te", 'Ünï', 'b c', 'k7', 'k8', 'k9'];
    const [u, n, t, c, d, e, i, x, q] = names.map((name) => `"${name.replaceAll('"', '""')}"`);
    const schema = `
      CREATE EXTENSION citext SCHEMA public;
      CREATE COLLATION public.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE TYPE public."mo od" AS ENUM ('so ', 'la''la');
      CREATE SCHEMA "s.1";
      CREATE TABLE "s.1"."ta.ble" (${u} uuid, ${n} numeric, ${t} text COLLATE public.nocase, ${c} bpchar, ${d} date, ${e} public."mo od",
        ${i} public.citext, ${x} "char", ${q} int[], v text, PRIMARY KEY (${[u, n, t, c, d, e, i, x, q].join(', ')}))`;
    const rows = `
      INSERT INTO "s.1"."ta.ble"
      SELECT pg_catalog.md5(i::text)::uuid, i / 8.0, 'Tëxt ' || i, 'x ', '2024-01-01'::date + i, 'la''la', 'CI' || i, 'z', ARRAY[i, NULL], 'v'
      FROM pg_catalog.generate_series(1, 1500) AS i`;
    const { pipeline, destination } = await stopped(schema, rows);
    const table = { schema: 's.1', name: 'ta.ble', columns: [...names, 'v'], key: names };
    expect(await pipeline.verify(table)).toMatchObject({ ...EQUAL, sourceRows: 1500 });
    await destination.query(`
      UPDATE "s.1"."ta.ble" SET v = 'w' WHERE ${n} < 100;
      UPDATE "s.1"."ta.ble" SET ${i} = 'ci1500' WHERE ${d} = '2024-01-01'::date + 1500;
      UPDATE "s.1"."ta.ble" SET ${t} = 'tëxt 1499' WHERE ${d} = '2024-01-01'::date + 1499`);
    expect(await pipeline.verify(table)).toMatchObject({ different: 799, missing: 2, extra: 2, unverifiedRows: 0 });
  });

  test('a partitioned table as one, and an inheritance parent without its children', async () => {
    const schema = `
      CREATE TABLE public.p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
      CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (500);
      CREATE TABLE public.p2 PARTITION OF public.p FOR VALUES FROM (500) TO (1001);
      CREATE TABLE public.parent (id int PRIMARY KEY);`;
    const rows = `
      CREATE TABLE public.child () INHERITS (public.parent);
      INSERT INTO public.p SELECT i, 'v' FROM pg_catalog.generate_series(1, 1000) AS i;
      INSERT INTO public.parent VALUES (1), (2);
      INSERT INTO public.child VALUES (3)`;
    const databases = { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
    await inBoth(databases, schema);
    await databases.source.query(rows);
    await databases.destination.query('CREATE TABLE public.child (id int)');
    pipeline = await startNativePipeline(databases);
    await pipeline.stop();
    expect(await pipeline.verify({ name: 'p', columns: ['id', 'v'], key: ['id'] })).toMatchObject({ ...EQUAL, sourceRows: 1000 });
    expect(await pipeline.verify({ name: 'parent', columns: ['id'], key: ['id'], only: true })).toMatchObject({ ...EQUAL, sourceRows: 2 });
    await databases.destination.query('DELETE FROM public.p WHERE id = 600');
    await databases.source.query(`UPDATE public.p SET v = 'newer' WHERE id IN (600, 601)`);
    const result = await pipeline.verify({ name: 'p', columns: ['id', 'v'], key: ['id'] });
    expect(result).toMatchObject({ missing: 0, unverifiedRows: 2 });
  });

  test('a source of another encoding', async () => {
    const schema = 'CREATE TABLE public.t (k text PRIMARY KEY, v text)';
    const { pipeline, source, destination } = await stopped(schema, `INSERT INTO public.t VALUES ('Zoë', 'Größe'), ('b', 'c')`, 'LATIN1');
    const table = { name: 't', columns: ['k', 'v'], key: ['k'] };
    expect(await pipeline.verify(table)).toMatchObject({ ...EQUAL, sourceRows: 2 });
    await destination.query(`UPDATE public.t SET v = 'Grösse' WHERE k = 'Zoë'`);
    expect(await pipeline.verify(table)).toMatchObject({ different: 1, sampleKeys: ['Zoë'] });
    await source.query(`UPDATE public.t SET v = 'größer' WHERE k = 'Zoë'`);
    expect(await pipeline.verify(table)).toMatchObject({ different: 0, unverifiedRows: 1 });
  });
});
