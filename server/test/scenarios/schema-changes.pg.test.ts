// Columns that come, go, are renamed or get another type while a pipeline runs: the destination table follows at that place of the stream.
import { describe, expect, test } from 'vitest';
import { type Pair, rowsOf, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

/** A table of three rows that streams, and how often it was loaded. */
async function streaming(pair: Pair, create = 'CREATE TABLE public.t (id int PRIMARY KEY, v text)') {
  await pair.source.query(create);
  await pair.source.query("INSERT INTO public.t (id, v) VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  const pipeline = pair.start();
  await pair.untilState('streaming', 't');
  const before = await loads(pair);
  return { pipeline, untilFollowed: () => untilFollowed(pair, before) };
}

/** Equal columns and rows at both ends, without another load. */
async function untilFollowed(pair: Pair, before: string): Promise<void> {
  await pair.untilEqual('t');
  expect(await columnsOf(pair.destination)).toEqual(await columnsOf(pair.source));
  expect(await loads(pair)).toBe(before);
}

async function loads(pair: Pair): Promise<string> {
  const [row] = await pair.destination.query("SELECT copy_generation, destination_oid FROM _millrace.object WHERE source_name = 't'");
  return String(row);
}

function columnsOf(database: Pair['source']) {
  return database.query(
    `SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
      WHERE attrelid = 'public.t'::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
  );
}

describe('a column that is added', () => {
  test('is NULL in the rows that are there, and has its values from then on', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.source.query(
      "ALTER TABLE public.t ADD COLUMN w int; INSERT INTO public.t VALUES (4, 'd', 4); UPDATE public.t SET w = 1 WHERE id = 1",
    );
    await untilFollowed();
    await pipeline.stop();
  });

  test('with a constant default has it in the rows that are there, and the destination gets no default of its own', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.source.query(`
      ALTER TABLE public.t ADD COLUMN n numeric(10,2) DEFAULT 1.50, ADD COLUMN s text DEFAULT 'it''s \\ {"x"}', ADD COLUMN a int[] DEFAULT '{1,2}',
        ADD COLUMN at timestamptz DEFAULT '2020-02-03 04:05:06.789+01';
      UPDATE public.t SET v = 'x' WHERE id = 1;
      INSERT INTO public.t (id, n) VALUES (4, NULL)`);
    await untilFollowed();
    expect(await pair.destination.query("SELECT 1 FROM pg_catalog.pg_attrdef WHERE adrelid = 'public.t'::regclass")).toEqual([]);
    await pipeline.stop();
  });

  test('with a volatile default has the object loaded again, in the table that is there', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair);
    const [before] = await pair.destination.query("SELECT 'public.t'::regclass::oid");
    await pair.source.query('ALTER TABLE public.t ADD COLUMN u uuid DEFAULT gen_random_uuid(); UPDATE public.t SET id = id + 10');
    await pair.untilEqual('t');
    await pair.untilState('streaming', 't');
    expect(await pair.destination.query("SELECT 'public.t'::regclass::oid")).toEqual([before]);
    await pair.source.query("INSERT INTO public.t VALUES (4, 'd')");
    await pair.untilEqual('t');
    await pipeline.stop();
  });
});

describe('a column that is dropped', () => {
  test('goes at the destination too', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair, 'CREATE TABLE public.t (id int PRIMARY KEY, v text, w int)');
    await pair.source.query('UPDATE public.t SET w = id; ALTER TABLE public.t DROP COLUMN w; INSERT INTO public.t VALUES (4)');
    await untilFollowed();
    await pipeline.stop();
  });

  test('stays where a view needs it, and nothing writes it', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair);
    await pair.destination.query('CREATE VIEW public.seen AS SELECT id, v FROM public.t');
    await pair.source.query('ALTER TABLE public.t DROP COLUMN v; INSERT INTO public.t VALUES (4); DELETE FROM public.t WHERE id = 1');
    const seen = () => pair.destination.query('SELECT id, v FROM public.seen ORDER BY id');
    await pair.source.query('CREATE TABLE public.after (id int PRIMARY KEY); INSERT INTO public.after VALUES (1)');
    await pair.untilEqual('after');
    await expect.poll(seen).toEqual([
      ['2', 'b'],
      ['3', 'c'],
      ['4', null],
    ]);
    await pair.source.query('ALTER TABLE public.t ADD COLUMN w int; INSERT INTO public.t VALUES (5, 50)');
    await expect.poll(() => pair.destination.query('SELECT id, v, w FROM public.t WHERE id = 5')).toEqual([['5', null, '50']]);
    await pipeline.stop();
    await pair.once();
    await pair.source.query('INSERT INTO public.t VALUES (6, 60)');
    await pair.once();
    expect(await pair.destination.query('SELECT id, v, w FROM public.t WHERE id = 6')).toEqual([['6', null, '60']]);
    await pair.destination.query('DROP VIEW public.seen');
  });
});

describe('a column that is renamed', () => {
  test('keeps its values and the views on it', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.destination.query('CREATE VIEW public.seen AS SELECT id, v FROM public.t; CREATE INDEX by_v ON public.t (v)');
    await pair.source.query('ALTER TABLE public.t RENAME COLUMN v TO "new ""name"; INSERT INTO public.t VALUES (4, \'d\')');
    await untilFollowed();
    expect(await pair.destination.query('SELECT v FROM public.seen WHERE id = 4')).toEqual([['d']]);
    await pair.destination.query('DROP VIEW public.seen');
    await pipeline.stop();
  });

  test('may be the key', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair);
    await pair.source.query(
      "ALTER TABLE public.t RENAME COLUMN id TO key; UPDATE public.t SET v = 'x' WHERE key = 1; DELETE FROM public.t WHERE key = 2",
    );
    await untilFollowed();
    await pair.source.query('UPDATE public.t SET key = 30 WHERE key = 3');
    await untilFollowed();
    await pipeline.stop();
    await pair.source.query('UPDATE public.t SET key = 31 WHERE key = 30');
    await pair.once();
    await untilFollowed();
  });

  test('may swap its name with another', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(pair, 'CREATE TABLE public.t (id int PRIMARY KEY, v text, w text)');
    await pair.source.query(`
      UPDATE public.t SET w = 'w' || id;
      ALTER TABLE public.t RENAME COLUMN v TO x; ALTER TABLE public.t RENAME COLUMN w TO v; ALTER TABLE public.t RENAME COLUMN x TO w;
      INSERT INTO public.t (id, v, w) VALUES (4, 'v4', 'w4')`);
    await untilFollowed();
    await pipeline.stop();
  });
});

describe('a column whose type changes', () => {
  test('follows where no value changes', async () => {
    const pair = await servers.pair();
    const { pipeline, untilFollowed } = await streaming(
      pair,
      'CREATE TABLE public.t (id int PRIMARY KEY, v varchar(3), n numeric(6,2), at timestamp(0), w varchar(9))',
    );
    await pair.source.query(`
      ALTER TABLE public.t ALTER COLUMN v TYPE varchar(20), ALTER COLUMN n TYPE numeric(12,2), ALTER COLUMN at TYPE timestamp(6), ALTER COLUMN w TYPE text;
      INSERT INTO public.t VALUES (4, 'much longer', 1234567.89, '2020-01-01 00:00:00.123456', 'longer than nine')`);
    await untilFollowed();
    await pipeline.stop();
  });

  test('and whose values are rewritten has the object loaded again, in the table that is there', async () => {
    const pair = await servers.pair();
    const { pipeline } = await streaming(pair, 'CREATE TABLE public.t (id int PRIMARY KEY, v text, n int)');
    const reader = await servers.destination.createRole();
    await pair.destination.query(
      `GRANT SELECT ON public.t TO "${reader.name}"; CREATE INDEX by_v ON public.t (v); COMMENT ON TABLE public.t IS 'ours'`,
    );
    await pair.destination.query('CREATE VIEW public.seen AS SELECT id, v FROM public.t');
    const facts = () =>
      pair.destination.query(
        `SELECT oid, relacl, pg_catalog.obj_description(oid), (SELECT count(*) FROM pg_catalog.pg_index WHERE indrelid = c.oid)
           FROM pg_catalog.pg_class AS c WHERE oid = 'public.t'::regclass`,
      );
    const before = await facts();
    await pair.source.query('ALTER TABLE public.t ALTER COLUMN n TYPE bigint USING id * 10000000000; INSERT INTO public.t VALUES (4)');
    await pair.untilEqual('t');
    await pair.untilState('streaming', 't');
    expect(await columnsOf(pair.destination)).toEqual(await columnsOf(pair.source));
    expect(await facts()).toEqual(before);
    await pair.source.query('INSERT INTO public.t VALUES (5)');
    await pair.untilEqual('t');
    expect(await rowsOf(pair.destination, 'seen')).toHaveLength(5);
    await pair.destination.query(`DROP VIEW public.seen; DROP OWNED BY "${reader.name}"`);
    await pipeline.stop();
  });
});
