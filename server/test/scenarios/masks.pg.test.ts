// Masked columns: load and stream must leave the same values, and no unmasked one may leave this process in any form.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { quoteIdent, quoteLiteral } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';
import { ChunkGate } from '../pipeline/chunk-gate.ts';
import { filteredObject, SALT, SHA256 } from '../pipeline/filters.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, rowsOf, useScenarios } from '../pipeline/scenario.ts';
import { samplesFor } from '../pipeline/type-samples.ts';

const servers = useScenarios();

/** What `sha256` leaves of a column, said independently of the product. */
function hashOf(column: string): string {
  return `pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(${quoteLiteral(SALT)} || pg_catalog.concat(${column}), 'UTF8')), 'hex')`;
}

async function verified(pair: Pair, objects: readonly ReturnType<typeof filteredObject>[]) {
  const settings = pipelineSettings(pair.source, pair.destination, { settings: { objects } });
  return verifyPipeline(settings, 'all', new AbortController().signal);
}

const CLEAN = { missing: 0, extra: 0, different: 0, unverified: null };

describe('a hash of values of every built-in type', () => {
  let types: readonly string[];
  beforeAll(async () => {
    const source = await servers.source.createDatabase();
    const rows = await source.query(
      `SELECT typname FROM pg_catalog.pg_type
       WHERE typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND typtype IN ('b', 'r', 'm') AND typarray <> 0`,
    );
    types = rows.flatMap(([name]) => (samplesFor(name ?? '', servers.source.major).length > 0 ? [name ?? ''] : []));
  });

  test('is the same by load and by stream, and the one that is documented', async () => {
    expect(types.length).toBeGreaterThan(50);
    const pair = await servers.pair();
    const objects = types.map((type) => filteredObject(type, { masks: { v: SHA256, a: SHA256 } }));
    const samples = (type: string, from: number): string =>
      samplesFor(type, servers.source.major)
        .map((value, index) => {
          const literal = `${quoteLiteral(value)}::pg_catalog.${quoteIdent(type)}`;
          return `INSERT INTO public.${quoteIdent(type)} VALUES (${from + index}, ${literal}, ARRAY[${literal}, NULL]);`;
        })
        .join('\n');
    await pair.source.query('CREATE SCHEMA no_types; CREATE TABLE no_types.place (id int PRIMARY KEY)');
    for (const type of types) {
      const name = `pg_catalog.${quoteIdent(type)}`;
      await pair.source.query(`CREATE TABLE public.${quoteIdent(type)} (id int PRIMARY KEY, v ${name}, a ${name}[])`);
      await pair.source.query(`${samples(type, 0)} INSERT INTO public.${quoteIdent(type)} VALUES (-1, NULL, NULL)`);
    }
    await pair.once({ settings: { objects } });
    for (const type of types)
      await pair.source.query(`${samples(type, 1000)} INSERT INTO public.${quoteIdent(type)} VALUES (-2, NULL, NULL)`);
    await pair.once({ settings: { objects } });
    for (const type of types) {
      const table = `public.${quoteIdent(type)}`;
      const expected = await pair.source.query(
        `SELECT id, CASE WHEN id >= 0 THEN ${hashOf('v')} END, CASE WHEN id >= 0 THEN ${hashOf('a')} END FROM ${table} ORDER BY id`,
      );
      expect(await pair.destination.query(`SELECT id, v, a FROM ${table} ORDER BY id`), type).toEqual(expected);
    }
    const reports = await verified(pair, objects);
    expect(reports).toHaveLength(types.length + 1);
    for (const report of reports) expect(report).toMatchObject(CLEAN);
  }, 120_000);
});

test('masks hold for every kind of change, for keys and for rows without a key, over a restart', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE TABLE public.people (email varchar(80) PRIMARY KEY, note jsonb, city varchar(20), big text);
    CREATE TABLE public.log (who text, what text);
    ALTER TABLE public.log REPLICA IDENTITY FULL;
    ALTER TABLE public.people ALTER COLUMN big SET STORAGE EXTERNAL;
    INSERT INTO public.people SELECT 'p' || i, '{"a": 1}', NULL, pg_catalog.repeat('b', 9000) FROM pg_catalog.generate_series(1, 20) AS i;
    INSERT INTO public.log VALUES ('ann', 'in'), ('ann', 'in'), ('bob', 'in')`);
  const objects = [
    filteredObject('people', {
      masks: { email: SHA256, note: { kind: 'null' }, city: { kind: 'fixed', text: "the city's" }, big: SHA256 },
    }),
    filteredObject('log', { masks: { who: SHA256 } }),
  ];
  const settings = { objects };
  const expectMasked = async (): Promise<void> => {
    const people = await pair.source.query(
      `SELECT ${hashOf('email')} AS e, NULL, 'the city''s', CASE WHEN big IS NOT NULL THEN ${hashOf('big')} END FROM public.people ORDER BY e`,
    );
    expect(await pair.destination.query('SELECT email, note, city, big FROM public.people ORDER BY email')).toEqual(people);
    const log = await pair.source.query(
      `SELECT CASE WHEN who IS NOT NULL THEN ${hashOf('who')} END AS w, what FROM public.log ORDER BY w, what`,
    );
    expect(await pair.destination.query('SELECT who, what FROM public.log ORDER BY who, what')).toEqual(log);
  };
  await pair.once({ settings });
  await expectMasked();
  const running = pair.start({ settings });
  await pair.source.query(`
    UPDATE public.people SET city = 'x', note = NULL WHERE email = 'p1';
    UPDATE public.people SET email = 'moved' WHERE email = 'p2';
    UPDATE public.people SET big = NULL WHERE email = 'p3';
    DELETE FROM public.people WHERE email = 'p4';
    DELETE FROM public.log WHERE ctid = '(0,1)';
    UPDATE public.log SET what = 'out' WHERE who = 'bob'`);
  await waitFor('the changes', async () => (await rowsOf(pair.destination, 'log')).length === 2);
  await running.stop();
  await pair.source.query(
    "TRUNCATE public.log; INSERT INTO public.log VALUES (NULL, 'after'); UPDATE public.people SET email = email || '!'",
  );
  await pair.once({ settings });
  await expectMasked();
  for (const report of await verified(pair, objects)) expect(report).toMatchObject(CLEAN);
});

test.skipIf(process.platform !== 'linux')('no unmasked value is in a spool file, nor in any file of the destination', async () => {
  const pair = await servers.pair();
  await pair.once();
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, plain text, secret text, gone text);
    INSERT INTO public.t SELECT i, 'plain-' || i, 'unseen7c1f-' || i, 'unseen7c1f-' || i FROM pg_catalog.generate_series(1, 2000) AS i`);
  const objects = [filteredObject('t', { columns: ['id', 'plain', 'secret'], masks: { secret: SHA256 } })];
  const gate = await ChunkGate.close(pair.destination);
  const running = pair.start({ settings: { objects }, tuning: { chunkBytes: 50_000, workersPerLoad: 1 } });
  await pair.untilState('copying', 't');
  await pair.source.query("UPDATE public.t SET plain = 'kept-' || id, secret = 'unseen7c1f-' || id, gone = 'unseen7c1f-again'");
  await pair.source.query(
    "INSERT INTO public.t SELECT i, 'kept-' || i, 'unseen7c1f-' || i, 'x' FROM pg_catalog.generate_series(3000, 9000) AS i",
  );
  const spool = await waitFor('changes that are kept aside', async () => spooledBytes('kept-8'));
  expect(spool.includes('unseen7c1f-')).toBe(false);
  await gate.open();
  await pair.untilState('streaming', 't');
  await waitFor('the rows', async () => (await rowsOf(pair.destination, 't')).length === 8001);
  await running.stop();
  await pair.destination.query('CHECKPOINT');
  expect(await filesHold(pair.destination, 'kept-8')).toBe(true);
  expect(await filesHold(pair.destination, 'unseen7c1f-')).toBe(false);
  expect(await verified(pair, objects)).toEqual(expect.arrayContaining([expect.objectContaining({ object: 'public.t', ...CLEAN })]));
});

test('a masked column that is renamed stops its object, and its values go nowhere', async () => {
  const pair = await servers.pair();
  await pair.source.query("CREATE TABLE public.t (id int PRIMARY KEY, email text); INSERT INTO public.t VALUES (1, 'a')");
  const settings = { objects: [filteredObject('t', { masks: { email: { kind: 'null' } } })] };
  const running = pair.start({ settings });
  await pair.untilState('streaming', 't');
  await pair.source.query("ALTER TABLE public.t RENAME COLUMN email TO mail; INSERT INTO public.t VALUES (2, 'seen')");
  await waitFor('the object to stop', async () =>
    ['failed', 'ineligible'].includes((await objectStates(pair.destination))['t']?.state ?? ''),
  );
  await running.stop();
  expect(await rowsOf(pair.destination, 't')).toEqual(['(1,)']);
  await pair.once({ settings });
  expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'ineligible', code: '2110' });
});

test('an object that comes to be hashed while others stream in binary form has the stream begin anew, as text', async () => {
  const pair = await servers.pair();
  await pair.source.query('CREATE TABLE public.other (id int PRIMARY KEY); CREATE TABLE public.t (id int PRIMARY KEY, mail text)');
  const settings = { objects: [filteredObject('t', { masks: { email: SHA256 } })] };
  const running = pair.start({ settings });
  await pair.untilState('ineligible', 't');
  await pair.source.query("ALTER TABLE public.t RENAME COLUMN mail TO email; INSERT INTO public.t VALUES (1, 'a')");
  // The catalogue's digest does not count names of columns: any other change has it read again.
  await pair.source.query('CREATE TABLE public.third (id int PRIMARY KEY)');
  await pair.untilState('streaming', 't', 'third');
  await pair.source.query("INSERT INTO public.t VALUES (2, 'a'); INSERT INTO public.other VALUES (1)");
  await pair.untilEqual('other');
  await running.stop();
  expect(await pair.destination.query('SELECT id, email FROM public.t ORDER BY id')).toEqual(
    await pair.source.query(`SELECT id, ${hashOf('email')} FROM public.t ORDER BY id`),
  );
});

test('a load that is cut short goes on with the same masks, and none of its rows is left unmasked', async () => {
  const pair = await servers.pair();
  await pair.once();
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v text);
    INSERT INTO public.t SELECT i, pg_catalog.repeat('x', 500) || i FROM pg_catalog.generate_series(1, 2000) AS i`);
  const settings = { objects: [filteredObject('t', { masks: { v: SHA256 } })] };
  const gate = await ChunkGate.close(pair.destination);
  const running = pair.start({ settings, tuning: { chunkBytes: 100_000, workersPerLoad: 1 } });
  await gate.pass();
  const stopped = running.stop();
  await gate.open();
  await stopped;
  expect((await objectStates(pair.destination))['t']).toMatchObject({ state: 'copying' });
  await pair.source.query("UPDATE public.t SET v = 'changed' || id WHERE id % 10 = 0; DELETE FROM public.t WHERE id % 7 = 0");
  await pair.once({ settings, tuning: { chunkBytes: 100_000 } });
  expect(await pair.destination.query('SELECT id, v FROM public.t ORDER BY id')).toEqual(
    await pair.source.query(`SELECT id, ${hashOf('v')} FROM public.t ORDER BY id`),
  );
  expect(await pair.destination.query('SELECT copy_generation FROM _millrace.object')).toEqual([['1']]);
});

test('another salt, another mask and none load the object again', async () => {
  const pair = await servers.pair();
  await pair.source.query("CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'a'), (2, NULL)");
  const values = () => pair.destination.query('SELECT v FROM public.t ORDER BY id');
  const run = (...objects: readonly ReturnType<typeof filteredObject>[]) => pair.once({ settings: { objects } });
  await run();
  expect(await values()).toEqual([['a'], [null]]);
  const hashed = filteredObject('t', { masks: { v: SHA256 } });
  const [unverified] = await verified(pair, [hashed]);
  expect(unverified?.unverified).toContain('let the pipeline run first');
  await run(hashed);
  expect(await values()).toEqual([...(await pair.source.query(`SELECT ${hashOf('v')} FROM public.t WHERE id = 1`)), [null]]);
  await run(filteredObject('t', { masks: { v: { kind: 'fixed', text: '\\N' } } }));
  expect(await values()).toEqual([['\\N'], ['\\N']]);
  await run(filteredObject('t', { masks: { v: { kind: 'null' } } }));
  expect(await values()).toEqual([[null], [null]]);
  await run();
  expect(await values()).toEqual([['a'], [null]]);
  const [state] = await pair.destination.query('SELECT layout, copy_generation FROM _millrace.object');
  expect(state?.[1]).toBe('5');
});

test("the salt is in no statement, no application_name and no log of the source's statements", async () => {
  const settings = { log_statement: 'all', log_min_duration_statement: '0', log_connections: 'on', log_min_messages: 'debug1' };
  const { cluster } = await servers.ownCluster({ settings });
  const database = await cluster.createDatabase();
  const pair = servers.pairOf(database, await servers.destination.createDatabase());
  await database.query("CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'a')");
  const objects = [filteredObject('t', { masks: { v: SHA256 } })];
  await pair.once({ settings: { objects } });
  await verified(pair, objects);
  const [directory] = await database.query("SELECT pg_catalog.current_setting('data_directory')");
  const log = readFileSync(join(directory?.[0] ?? '', '..', 'server.log'), 'utf8');
  expect(log).toContain('pg_catalog.sha256');
  expect(log).not.toContain(SALT);
  expect(log).not.toContain(Buffer.from(SALT).toString('hex'));
  await database.dropSlots();
});

/** The bytes of this process's files that have no name any more, once one of them holds `marker`. */
function spooledBytes(marker: string): Buffer | null {
  const files = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = join('/proc/self/fd', fd);
      return readlinkSync(path).endsWith(' (deleted)') ? [readFileSync(path)] : [];
    } catch {
      return [];
    }
  });
  const all = Buffer.concat(files);
  return all.includes(marker) ? all : null;
}

/** Whether the text is in the log or in a table's file of the database, as it was a moment ago. */
async function filesHold(database: TestDatabase, text: string): Promise<boolean> {
  const [row] = await database.query(
    "SELECT pg_catalog.current_setting('data_directory'), oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()",
  );
  const directory = row?.[0] ?? '';
  const files = ['pg_wal', join('base', row?.[1] ?? '')].flatMap((folder) =>
    readdirSync(join(directory, folder), { withFileTypes: true }).flatMap((entry) =>
      entry.isFile() ? [join(directory, folder, entry.name)] : [],
    ),
  );
  return files.some((file) => readFileSync(file).includes(text));
}
