import { describe, expect, test } from 'vitest';
import { makePair, ownTables, type Pair, planPair } from '../../test/destination/pair.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { must } from '../lib/assert.ts';
import type { DestinationColumn } from '../model/destination-table.ts';
import { quoteName } from '../pg/ident.ts';
import { addKeys, createDestinationTable, reshapeTable, type TableOwner } from './ddl.ts';
import { loadObjects, takeOver } from './state.ts';
import type { Fence } from './state-records.ts';
import type { TablePlan } from './types-table.ts';

const pg = usePostgres();

type Planned = Extract<TablePlan, { kind: 'table' }>;

interface Prepared extends Pair {
  readonly fence: Fence;
  readonly owner: TableOwner;
  readonly plan: Planned;
}

/** Runs `ddl` at the source and plans its one table `public.t`. */
async function prepared(ddl: string): Promise<Prepared> {
  const databases = await makePair(pg);
  await databases.source.query(ddl);
  const plans = await planPair(databases);
  const fence = await ownTables(databases.session, plans.values());
  const plan = must(plans.get('t'), 'a plan');
  if (plan.kind === 'refused') throw new Error(JSON.stringify(plan.problems));
  return { ...databases, fence, plan, owner: { fence, source: plan.source } };
}

const create = ({ session, owner, plan }: Prepared) => createDestinationTable(session, owner, plan);

async function indexesOf({ destination }: Prepared): Promise<unknown> {
  return destination.query(`
    SELECT i.indisprimary, i.indimmediate, pg_catalog.pg_get_indexdef(i.indexrelid, 1, true), pg_catalog.pg_get_indexdef(i.indexrelid, 2, true)
      FROM pg_catalog.pg_index i WHERE i.indrelid = 'public.t'::pg_catalog.regclass ORDER BY i.indisprimary DESC`);
}

describe('creating a destination table', () => {
  test('keeps hostile names, and remembers in the state that the table is ours', async () => {
    const databases = await makePair(pg);
    const hostile = { schema: 'S"; DROP SCHEMA public; --', name: 't\'"\\\n😀' };
    await databases.source.query(`
      CREATE SCHEMA ${quoteName({ schema: hostile.schema, name: 'x' }).split('.')[0]};
      CREATE TABLE ${quoteName(hostile)} ("__proto__" int, "a""b" text, "c'd;--" int, "${'é'.repeat(31)}" int, PRIMARY KEY ("c'd;--", "a""b"))`);
    const plans = await planPair(databases);
    const fence = await ownTables(databases.session, plans.values());
    const plan = must(plans.get(hostile.name), 'a plan');
    if (plan.kind === 'refused') throw new Error('refused');
    const { oid } = await createDestinationTable(databases.session, { fence, source: hostile }, plan);
    await addKeys(databases.session, fence, plan.table);
    const [object] = await loadObjects(databases.session, fence.pipeline);
    expect(object).toMatchObject({
      destination: hostile,
      destinationOid: oid,
      columns: plan.table.columns,
      identity: { kind: 'key', columns: ["c'd;--", 'a"b'] },
    });
    await databases.destination.query(`INSERT INTO ${quoteName(hostile)} VALUES (NULL, 'x', 1, NULL)`);
    await expect(databases.destination.query(`INSERT INTO ${quoteName(hostile)} VALUES (NULL, 'x', 1, NULL)`)).rejects.toMatchObject({
      facts: { sqlstate: '23505' },
    });
  });

  test('takes no constraint, default or identity along, and NOT NULL for the key alone', async () => {
    const given = await prepared(`
      CREATE TABLE public.o (id int PRIMARY KEY);
      CREATE TABLE public.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text NOT NULL DEFAULT 'x' CHECK (a <> ''), b int UNIQUE REFERENCES public.o)`);
    await create(given);
    await addKeys(given.session, given.fence, given.plan.table);
    await given.destination.query("INSERT INTO public.t VALUES (1, NULL, 7), (2, '', 7)");
    await expect(given.destination.query('INSERT INTO public.t VALUES (NULL)')).rejects.toMatchObject({ facts: { sqlstate: '23502' } });
    expect(
      await given.destination.query(
        "SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid = 'public.t'::pg_catalog.regclass AND contype NOT IN ('p', 'n')",
      ),
    ).toEqual([]);
  });

  test('can be done for no columns and for 1,600', async () => {
    const none = await prepared('CREATE TABLE public.t ()');
    expect((await create(none)).kind).toBe('created');
    const wide = await prepared(`CREATE TABLE public.t (${Array.from({ length: 1600 }, (_, index) => `c${index} bool`).join(', ')})`);
    expect((await create(wide)).kind).toBe('created');
  });

  test('recreates a generated column of built-in functions and leaves out one of users’', async () => {
    const given = await prepared(`
      CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
      CREATE TABLE public.t (price numeric, n int, "Odd ""c" text, total numeric GENERATED ALWAYS AS (price * n) STORED,
        joined text GENERATED ALWAYS AS ("Odd ""c" || E'it''s \\\\') STORED, f int GENERATED ALWAYS AS (public.f(n)) STORED)`);
    expect(given.plan.table.excluded).toMatchObject([{ sourceName: 'f', reason: 'expression_uses_user_objects' }]);
    await create(given);
    await given.destination.query("INSERT INTO public.t VALUES (1.50, 3, 'ABC')");
    expect(await given.destination.query('SELECT total, joined FROM public.t')).toEqual([['4.50', "ABCit's \\"]]);
  });

  test('rolls everything back when an expression reaches for a function of the destination', async () => {
    const given = await prepared('CREATE TABLE public.t (a int, b int GENERATED ALWAYS AS (a + 1) STORED)');
    await given.destination.query("CREATE FUNCTION public.evil(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'");
    const columns = given.plan.table.columns.map((column) => (column.name === 'b' ? { ...column, expression: 'public.evil(a)' } : column));
    const plan = { ...given.plan, table: { ...given.plan.table, columns } };
    await expect(createDestinationTable(given.session, given.owner, plan)).rejects.toMatchObject({ errorName: 'type_refused' });
    expect(await given.destination.query("SELECT 1 FROM pg_catalog.pg_class WHERE relname = 't'")).toEqual([]);
  });

  test('twice finds the same table, and another shape of it', async () => {
    const given = await prepared('CREATE TABLE public.t (a numeric(5,2), b text[])');
    const first = await create(given);
    expect(await create(given)).toEqual({ kind: 'found', oid: first.oid });
    const other = { ...given.plan, table: { ...given.plan.table, columns: given.plan.table.columns.slice(1) } };
    expect(await createDestinationTable(given.session, given.owner, other)).toEqual({ kind: 'differs', oid: first.oid });
    expect((await loadObjects(given.session, given.fence.pipeline))[0]).toMatchObject({ columns: given.plan.table.columns });
  });

  test.each([
    'CREATE TABLE public.t (y int)',
    'CREATE VIEW public.t AS SELECT 1 AS x',
    'CREATE SEQUENCE public.t',
    "CREATE TYPE public.t AS ENUM ('x')",
  ])('refuses a name that is taken: %s', async (ddl) => {
    const given = await prepared('CREATE TABLE public.t (x int)');
    await given.destination.query(ddl);
    await expect(create(given)).rejects.toMatchObject({ errorName: 'destination_table_exists', facts: { object: 'public.t' } });
  });

  test('refuses a table that another object of ours has', async () => {
    const given = await prepared('CREATE TABLE public.t (x int); CREATE TABLE public.u (x int)');
    await create(given);
    const owner = { ...given.owner, source: { schema: 'public', name: 'u' } };
    await expect(createDestinationTable(given.session, owner, given.plan)).rejects.toMatchObject({ errorName: 'destination_table_exists' });
  });

  test('is refused to a process that was superseded', async () => {
    const given = await prepared('CREATE TABLE public.t (x int)');
    await takeOver(given.session, { pipeline: given.fence.pipeline, sourceSystemId: '1', sourceDatabase: 'd' });
    await expect(create(given)).rejects.toMatchObject({ errorName: 'fenced' });
    expect(await given.destination.query("SELECT 1 FROM pg_catalog.pg_class WHERE relname = 't'")).toEqual([]);
  });

  test('needs CREATE on the schema only, where the schema exists', async () => {
    const databases = await makePair(pg);
    await databases.source.query("CREATE SCHEMA s; CREATE TYPE s.e AS ENUM ('x'); CREATE TABLE s.t (e s.e)");
    const role = await pg.destination.createRole();
    const session = await databases.destination.open({ role });
    await databases.destination.query(`CREATE SCHEMA _millrace AUTHORIZATION "${role.name}"`);
    const plans = await planPair({ ...databases, session });
    const fence = await ownTables(session, plans.values());
    const plan = must(plans.get('t'), 'a plan');
    if (plan.kind === 'refused') throw new Error('refused');
    const attempt = () => createDestinationTable(session, { fence, source: plan.source }, plan);
    const absent = await attempt().catch((error: unknown) => error);
    expect(absent).toMatchObject({
      errorName: 'destination_schema_denied',
      fix: expect.stringContaining(`GRANT CREATE ON DATABASE "${databases.destination.name}" TO "${role.name}"`),
    });
    await databases.destination.query('CREATE SCHEMA s');
    const denied = await attempt().catch((error: unknown) => error);
    expect(denied).toMatchObject({
      errorName: 'destination_schema_denied',
      fix: expect.stringContaining(`GRANT USAGE, CREATE ON SCHEMA "s" TO "${role.name}"`),
    });
    await databases.destination.query(`GRANT USAGE, CREATE ON SCHEMA s TO "${role.name}"`);
    expect((await attempt()).kind).toBe('created');
    await databases.destination.query(`DROP OWNED BY "${role.name}"`);
  });
});

describe('adding the keys', () => {
  test('makes the identity the primary key, at once checked, and does nothing the second time', async () => {
    const given = await prepared('CREATE TABLE public.t (a int, b text, PRIMARY KEY (b, a))');
    await create(given);
    await addKeys(given.session, given.fence, given.plan.table);
    await addKeys(given.session, given.fence, given.plan.table);
    expect(await indexesOf(given)).toEqual([['t', 't', 'b', 'a']]);
  });

  test('adds a unique index where rows are found by another one, and defers the primary key to the commit', async () => {
    const given = await prepared(`
      CREATE TABLE public.t (id int PRIMARY KEY, code text NOT NULL);
      CREATE UNIQUE INDEX by_code ON public.t (code); ALTER TABLE public.t REPLICA IDENTITY USING INDEX by_code`);
    await create(given);
    await addKeys(given.session, given.fence, given.plan.table);
    await addKeys(given.session, given.fence, given.plan.table);
    expect(await indexesOf(given)).toEqual([
      ['t', 'f', 'id', ''],
      ['f', 't', 'code', ''],
    ]);
    await given.destination.query("INSERT INTO public.t VALUES (1, 'a'), (2, 'b')");
    await given.destination.query(
      "BEGIN; UPDATE public.t SET id = 2 WHERE code = 'a'; UPDATE public.t SET id = 1 WHERE code = 'b'; COMMIT",
    );
  });

  test('adds none where only inserts arrive', async () => {
    const given = await prepared('CREATE TABLE public.t (id int PRIMARY KEY); ALTER TABLE public.t REPLICA IDENTITY NOTHING');
    await create(given);
    await addKeys(given.session, given.fence, given.plan.table);
    expect(await indexesOf(given)).toEqual([]);
  });

  test('says so when rows are there twice', async () => {
    const given = await prepared('CREATE TABLE public.t (id int PRIMARY KEY)');
    await create(given);
    await given.destination.query('INSERT INTO public.t VALUES (1), (1)');
    await expect(addKeys(given.session, given.fence, given.plan.table)).rejects.toMatchObject({ facts: { sqlstate: '23505' } });
  });
});

describe('giving a destination table other columns', () => {
  const reshape = async (given: Prepared, columns: readonly DestinationColumn[], known: readonly DestinationColumn[] | null) => {
    const table = { ...given.plan.table, columns };
    await given.session.transaction('BEGIN', () => reshapeTable(given.session, given.owner, table, known));
  };
  const columnsOf = async ({ destination }: Prepared) =>
    (
      await destination.query(
        `SELECT attname, pg_catalog.format_type(atttypid, atttypmod), attgenerated FROM pg_catalog.pg_attribute
          WHERE attrelid = 'public.t'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1`,
      )
    ).map((row) => row.join(' ').trim());

  test('adds, drops, renames and retypes, and keeps the table', async () => {
    const given = await prepared('CREATE TABLE public.t (id int PRIMARY KEY, a text, b text, c int, d int)');
    const { oid } = await create(given);
    await given.destination.query("INSERT INTO public.t VALUES (1, 'a', 'b', 3, 4)");
    const known = given.plan.table.columns;
    await given.source.query(`
      ALTER TABLE public.t RENAME COLUMN a TO x; ALTER TABLE public.t RENAME COLUMN b TO a; ALTER TABLE public.t DROP COLUMN c;
      ALTER TABLE public.t ALTER COLUMN d TYPE date USING NULL, ADD COLUMN e int GENERATED ALWAYS AS (id + 1) STORED`);
    const planned = must((await planPair(given)).get('t'), 'a plan');
    if (planned.kind === 'refused') throw new Error('refused');
    await reshape(given, planned.table.columns, known);
    expect(await columnsOf(given)).toEqual(['a text', 'd date', 'e integer s', 'id integer', 'x text']);
    expect(await given.destination.query('SELECT id, x, a, d, e FROM public.t')).toEqual([['1', 'a', 'b', null, '2']]);
    const [object] = await loadObjects(given.session, given.fence.pipeline);
    expect(object).toMatchObject({ destinationOid: oid, columns: planned.table.columns });
    await reshape(given, planned.table.columns, object?.columns ?? null);
  });

  test('keeps a column that a view needs, and says where a view is in the way of its type', async () => {
    const given = await prepared('CREATE TABLE public.t (id int PRIMARY KEY, a text, b int)');
    await create(given);
    await given.destination.query('CREATE VIEW public.report AS SELECT a, b FROM public.t');
    const known = given.plan.table.columns;
    await reshape(given, known.slice(0, 1), known);
    expect(await columnsOf(given)).toEqual(['a text', 'b integer', 'id integer']);
    const [object] = await loadObjects(given.session, given.fence.pipeline);
    expect(object?.columns?.map(({ name, transfer }) => `${name} ${transfer}`)).toEqual(['id same', 'a retired', 'b retired']);
    expect((await createDestinationTable(given.session, given.owner, { ...given.plan, known: object?.columns })).kind).toBe('differs');
    const retyped = known.map((column) =>
      column.name === 'b' ? { ...column, type: { ...column.type, name: 'int8' }, typeSql: 'pg_catalog.int8' } : column,
    );
    await expect(reshape(given, retyped, known)).rejects.toMatchObject({
      errorName: 'destination_has_dependents',
      fix: expect.stringContaining('ALTER TABLE "public"."t" ALTER COLUMN "b" TYPE pg_catalog.int8'),
    });
    expect(await given.destination.query('SELECT a, b FROM public.report')).toEqual([]);
  });

  test('never changes what we did not create', async () => {
    const given = await prepared('CREATE TABLE public.t (id int PRIMARY KEY, a text)');
    await create(given);
    await given.destination.query('ALTER TABLE public.t RENAME TO ours; CREATE TABLE public.t (mine int)');
    await expect(reshape(given, given.plan.table.columns, null)).rejects.toMatchObject({ errorName: 'destination_table_exists' });
    expect(await columnsOf(given)).toEqual(['mine integer']);
  });

  test('tries an expression before it meets a row', async () => {
    const given = await prepared('CREATE TABLE public.t (a int, b int GENERATED ALWAYS AS (a + 1) STORED)');
    await create(given);
    await given.destination.query(`
      CREATE TABLE public.called (); INSERT INTO public.t VALUES (1);
      CREATE FUNCTION public.evil(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN INSERT INTO public.called DEFAULT VALUES; RETURN 1; END'`);
    const columns = given.plan.table.columns.map((column) => (column.name === 'b' ? { ...column, expression: 'public.evil(a)' } : column));
    await expect(reshape(given, columns, given.plan.table.columns)).rejects.toMatchObject({ errorName: 'type_refused' });
    expect(await given.destination.query('SELECT FROM public.called')).toEqual([]);
  });
});
