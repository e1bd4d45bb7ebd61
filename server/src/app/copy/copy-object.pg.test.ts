import { describe, expect, test } from 'vitest';
import { binaryDigest, textDigest } from '../../../test/copy/binary-rows.ts';
import { attemptLoad, PIPELINE } from '../../../test/copy/copy-rig.ts';
import type { TestDatabase } from '../../../test/pg/test-database.ts';
import { usePostgres } from '../../../test/pg/use-postgres.ts';
import { waitFor } from '../../../test/pg/wait-for.ts';
import { discardSideTable } from '../../destination/load-place.ts';
import type { CopyProgress } from './copy-object.ts';
import type { CopyServers } from './sessions.ts';

const pg = usePostgres();
const T = { schema: 'public', name: 't' };

interface Pair {
  readonly source: TestDatabase;
  readonly destination: TestDatabase;
  readonly servers: CopyServers;
}

async function pair(): Promise<Pair> {
  const source = await pg.source.createDatabase();
  const destination = await pg.destination.createDatabase();
  return {
    source,
    destination,
    servers: { source: source.settings(), destination: destination.settings(), applicationName: 'millrace test' },
  };
}

/** A table of `rows` rows that is read in about ten pieces with `SMALL_PIECES`. */
async function fill(database: TestDatabase, rows: number, key = 'PRIMARY KEY'): Promise<void> {
  await database.query(`CREATE TABLE public.t (id int8 ${key}, v text NOT NULL)`);
  await database.query(
    "INSERT INTO public.t SELECT i, pg_catalog.repeat('x', (i % 100)::int4) FROM pg_catalog.generate_series(1, $1::int8) AS i",
    [rows],
  );
}

const SMALL_PIECES = { chunkBytes: 200_000 };

describe('the first load of a table', () => {
  test('brings every row in pieces, the key, and the counts of both', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 20_000);
    const told: CopyProgress[] = [];
    const { outcome } = await attemptLoad({
      servers,
      table: T,
      tuning: SMALL_PIECES,
      hooks: { onProgress: (progress) => void told.push(progress) },
    });
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
    expect(outcome).toMatchObject({ rows: 20_000, overlap: false });
    const pieces = await destination.query('SELECT count(*), sum(rows), sum(bytes) FROM _millrace.chunk');
    const expectedPieces = pg.source.major >= 14 ? '10' : '1';
    expect(pieces).toEqual([[expectedPieces, '20000', String(outcome.bytes)]]);
    expect(await destination.query('SELECT state, rows_copied, bytes_copied FROM _millrace.object')).toEqual([
      ['catching_up', '20000', String(outcome.bytes)],
    ]);
    expect(await destination.query("SELECT indisprimary FROM pg_catalog.pg_index WHERE indrelid = 'public.t'::regclass")).toEqual([['t']]);
    expect(await destination.query("SELECT reltuples FROM pg_catalog.pg_class WHERE oid = 'public.t'::regclass")).toEqual([['20000']]);
    const last = told.at(-1);
    expect(last).toEqual({ rows: 20_000, bytes: outcome.bytes, piecesDone: Number(expectedPieces), piecesTotal: Number(expectedPieces) });
  });

  test('counts the bytes that COPY would write to a file', async () => {
    const { source, servers } = await pair();
    await fill(source, 1_000);
    const [[fileBytes] = []] = await source.query(`
      SELECT pg_catalog.sum(pg_catalog.length(id::text) + pg_catalog.length(v) + 2) FROM public.t`);
    const { outcome } = await attemptLoad({ servers, table: T, asText: true });
    expect(outcome.bytes).toBe(Number(fileBytes));
  });

  test('brings exactly the rows of its snapshot while writers go on', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 20_000);
    const writing = new AbortController();
    const writers = [1, 2].map((seed) => write(source, seed, writing.signal));
    const stop = async (): Promise<number> => {
      writing.abort();
      return (await Promise.all(writers)).reduce((sum, count) => sum + count, 0);
    };
    await waitFor('the writers to be under way', async () => Number((await source.query('SELECT max(id) FROM public.t'))[0]?.[0]) > 20_050);
    const witness = await source.open();
    await attemptLoad({ servers, table: T, tuning: SMALL_PIECES, onBegin: () => joinSnapshotOfLoad(witness) });
    const written = await stop();
    const digest = await witness.query(DIGEST);
    expect(await destination.query(DIGEST)).toEqual(digest);
    expect(await source.query(DIGEST)).not.toEqual(digest);
    expect(written).toBeGreaterThan(0);
  });

  test('of an empty table, and of one without columns, is complete at once', async () => {
    const { source, destination, servers } = await pair();
    await source.query(
      'CREATE TABLE public.t (id int8 PRIMARY KEY, v text); CREATE TABLE public.none (); INSERT INTO public.none DEFAULT VALUES',
    );
    expect((await attemptLoad({ servers, table: T })).outcome).toMatchObject({ rows: 0, bytes: 21 });
    for (const asText of [false, true]) {
      await destination.query('DROP SCHEMA IF EXISTS _millrace CASCADE; DROP TABLE IF EXISTS public.none');
      expect((await attemptLoad({ servers, table: { schema: 'public', name: 'none' }, asText })).outcome).toMatchObject({ rows: 1 });
      expect(await destination.query('SELECT count(*) FROM public.none')).toEqual([['1']]);
    }
  });

  test('brings 1,600 columns', async () => {
    const { source, destination, servers } = await pair();
    const columns = Array.from({ length: 1_599 }, (_, index) => `c${index} int2 DEFAULT ${index}`).join(', ');
    await source.query(`CREATE TABLE public.t (id int8 PRIMARY KEY, ${columns})`);
    await source.query('INSERT INTO public.t (id) SELECT i FROM pg_catalog.generate_series(1, 50) AS i');
    await attemptLoad({ servers, table: T });
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
  });

  test('finds its way through hostile names', async () => {
    const { source, destination, servers } = await pair();
    const table = { schema: `s'";--\n\\ 😀`, name: `t"'$$ {} %s ${'é'.repeat(20)}` };
    const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
    const columns = ['__proto__', 'ctid; DROP', 'select', 'a"b', '\\', '😀', 'then'];
    const list = columns.map((name) => `${quoted(name)} text`).join(', ');
    const target = `${quoted(table.schema)}.${quoted(table.name)}`;
    await source.query(
      `CREATE SCHEMA ${quoted(table.schema)}; CREATE TABLE ${target} (${list}, PRIMARY KEY (${columns.slice(0, 2).map(quoted).join(', ')}))`,
    );
    await source.query(
      `INSERT INTO ${target} SELECT i, ${columns
        .slice(1)
        .map((_, index) => `i + ${index}`)
        .join(', ')} FROM pg_catalog.generate_series(1, 100) AS i`,
    );
    await attemptLoad({ servers, table });
    expect(await textDigest(destination, table)).toBe(await textDigest(source, table));
    await attemptLoad({ servers, table, mode: 'reload' });
    expect(await textDigest(destination, table)).toBe(await textDigest(source, table));
  });

  test('puts all partitions into one table, whatever the order of their columns', async () => {
    const { source, destination, servers } = await pair();
    await source.query(PARTITIONED);
    await source.query(`INSERT INTO public.t (id, region, v)
      SELECT i, CASE WHEN i % 3 = 0 THEN 'us' ELSE 'eu' END, 'v' || i FROM pg_catalog.generate_series(0, 199) AS i`);
    const { outcome } = await attemptLoad({ servers, table: T });
    expect(outcome.rows).toBe(200);
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
  });

  test('reads partitions through their root where only the root may be read', async () => {
    const { source, destination, servers } = await pair();
    await source.query(PARTITIONED);
    await source.query("INSERT INTO public.t (id, region, v) SELECT i, 'eu', 'v' FROM pg_catalog.generate_series(0, 99) AS i");
    const role = await pg.source.createRole();
    await source.query(`GRANT SELECT ON public.t TO "${role.name}"`);
    const { outcome } = await attemptLoad({ servers: { ...servers, source: source.settings(role) }, table: T });
    expect(outcome.rows).toBe(100);
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
    await source.query(`DROP OWNED BY "${role.name}"`);
  });

  test('leaves the rows of inheritance children to their own tables', async () => {
    const { source, destination, servers } = await pair();
    await source.query(`CREATE TABLE public.t (id int8 PRIMARY KEY, v text); CREATE TABLE public.child (w text) INHERITS (public.t);
      INSERT INTO public.t VALUES (1, 'parent'); INSERT INTO public.child VALUES (2, 'child', 'w')`);
    await attemptLoad({ servers, table: T });
    expect(await destination.query('SELECT id, v FROM public.t')).toEqual([['1', 'parent']]);
  });

  test('lets the destination compute generated columns, and keeps what names things of the source as text', async () => {
    const { source, destination, servers } = await pair();
    await source.query(
      `CREATE TABLE public.t (id int8 PRIMARY KEY, twice int8 GENERATED ALWAYS AS (id * 2) STORED, r regclass, rs regtype[])`,
    );
    await source.query("INSERT INTO public.t (id, r, rs) VALUES (1, 'public.t', '{int4,text}'), (2, NULL, '{}')");
    await attemptLoad({ servers, table: T });
    expect(await destination.query('SELECT id, twice, r, rs FROM public.t ORDER BY id')).toEqual([
      ['1', '2', 'public.t', '{integer,text}'],
      ['2', '4', null, '{}'],
    ]);
  });
});

describe('values', () => {
  for (const format of ['binary', 'text'] as const) {
    test(`of every kind arrive byte for byte in ${format} form`, async () => {
      const { source, destination, servers } = await pair();
      await source.query(MANY_TYPES);
      // The server can't read its own binary form of an empty tsquery.
      if (format === 'binary') await source.query('ALTER TABLE public.t DROP COLUMN tsq');
      const { destination: planned } = await attemptLoad({ servers, table: T, asText: format === 'text' });
      expect(planned.binarySafe).toBe(format === 'binary');
      const rows = { table: T, columns: planned.columns.map((column) => column.name), orderBy: 'id' };
      expect(await binaryDigest(destination, rows)).toBe(await binaryDigest(source, rows));
    });
  }

  test('of types that carry OIDs of the source arrive in text form', async () => {
    const { source, destination, servers } = await pair();
    await source.query(`CREATE TYPE public.mood AS ENUM ('sad', 'it''s "ok"', '😀'); CREATE TYPE public.pair AS (a int4, m public.mood);
      CREATE TABLE public.t (id int8 PRIMARY KEY, m public.mood, ms public.mood[], p public.pair, ps public.pair[])`);
    await source.query(`INSERT INTO public.t VALUES
      (1, '😀', ARRAY['sad', 'it''s "ok"']::public.mood[], ROW(1, 'sad'), ARRAY[ROW(2, '😀'), NULL]::public.pair[]), (2, NULL, '{}', NULL, NULL)`);
    const { destination: planned } = await attemptLoad({ servers, table: T });
    expect(planned.binarySafe).toBe(false);
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
  });

  test('of tens of megabytes pass without being gathered many times over', async () => {
    const { source, destination, servers } = await pair();
    await source.query('CREATE TABLE public.t (id int8 PRIMARY KEY, v bytea); ALTER TABLE public.t ALTER COLUMN v SET STORAGE EXTERNAL');
    await source.query(
      `INSERT INTO public.t SELECT i, pg_catalog.decode(pg_catalog.repeat('0badcafe', 5000000), 'hex') FROM pg_catalog.generate_series(1, 4) AS i`,
    );
    await attemptLoad({ servers, table: T, workers: 1 });
    expect(await destination.query('SELECT id, pg_catalog.length(v), pg_catalog.md5(v) FROM public.t ORDER BY id')).toEqual(
      await source.query('SELECT id, pg_catalog.length(v), pg_catalog.md5(v) FROM public.t ORDER BY id'),
    );
  });
});

describe('a reload', () => {
  test('shows readers the old rows until all new ones are there, and keeps what was built on the table', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 5_000);
    await attemptLoad({ servers, table: T, tuning: SMALL_PIECES });
    await destination.query('CREATE VIEW public.summary AS SELECT count(*) AS n, sum(id) AS total FROM public.t');
    const oid = await destination.query("SELECT 'public.t'::regclass::oid");
    await source.query("DELETE FROM public.t WHERE id <= 1000; UPDATE public.t SET id = id + 100000, v = 'new' WHERE id % 2 = 0");
    const before = await destination.query('SELECT n, total FROM public.summary');
    const after = await source.query('SELECT count(*), sum(id) FROM public.t');
    const reader = await destination.open();
    const seen = new Set<string>();
    const reading = new AbortController();
    const read = repeat(reading.signal, async () => void seen.add(String(await reader.query('SELECT n, total FROM public.summary'))));
    await attemptLoad({ servers, table: T, mode: 'reload', tuning: SMALL_PIECES });
    await waitFor('the reader to see the new rows', () => seen.has(String(after)));
    reading.abort();
    await read;
    expect([...seen]).toEqual([String(before), String(after)]);
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
    expect(await destination.query("SELECT 'public.t'::regclass::oid")).toEqual(oid);
    expect(await sideTables(destination)).toEqual([]);
  });

  test('that is given up leaves nothing, once it is told to', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 1_000);
    await attemptLoad({ servers, table: T });
    const giveUp = (): Promise<void> => Promise.reject(new Error('given up'));
    await expect(attemptLoad({ servers, table: T, mode: 'reload', hooks: { finish: giveUp } })).rejects.toThrow('given up');
    expect(await sideTables(destination)).toHaveLength(1);
    const session = await destination.open();
    await discardSideTable(session, T);
    await discardSideTable(session, T);
    expect(await sideTables(destination)).toEqual([]);
  });

  test('whose server crashed in between begins anew: its side table is empty then', async () => {
    const { cluster, server } = await pg.ownCluster({ side: 'destination' });
    const source = await pg.source.createDatabase();
    const destination = await cluster.createDatabase();
    const servers = { source: source.settings(), destination: destination.settings(), applicationName: 'millrace test' };
    await fill(source, 20_000);
    await attemptLoad({ servers, table: T, tuning: SMALL_PIECES });
    const giveUp = (): Promise<void> => Promise.reject(new Error('given up'));
    const tuning = SMALL_PIECES;
    await expect(attemptLoad({ servers, table: T, mode: 'reload', tuning, hooks: { finish: giveUp } })).rejects.toThrow('given up');
    await destination.closeSessions();
    await server.kill();
    await server.start();
    const { started } = await attemptLoad({ servers, table: T, mode: 'reload', tuning });
    expect(started).toBe('fresh');
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
  });

  test('of a table without a key replaces its rows as they are, doubles included', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 1_000, '');
    await attemptLoad({ servers, table: T });
    await source.query("DELETE FROM public.t WHERE id > 500; INSERT INTO public.t SELECT 7, 'twice' FROM pg_catalog.generate_series(1, 2)");
    await attemptLoad({ servers, table: T, mode: 'reload' });
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
  });

  test('deletes no row of a table that somebody made depend on ours', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 1_000);
    await attemptLoad({ servers, table: T });
    await destination.query(`CREATE TABLE public.notes (t_id int8 REFERENCES public.t (id) ON DELETE CASCADE, note text);
      INSERT INTO public.notes SELECT id, 'mine' FROM public.t`);
    await source.query(
      "DELETE FROM public.t WHERE id = 1000; UPDATE public.t SET v = 'new' WHERE id <= 10; INSERT INTO public.t VALUES (2000, 'x')",
    );
    await attemptLoad({ servers, table: T, mode: 'reload' });
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
    expect(await destination.query('SELECT count(*) FROM public.notes')).toEqual([['999']]);
  });
});

describe('a load that fails', () => {
  test('for a row that the destination refuses says so, and leaves nothing of the piece', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 2_000);
    await attemptLoad({ servers, table: T });
    await destination.query('ALTER TABLE public.t ADD CHECK (id < 2001)');
    await source.query("INSERT INTO public.t SELECT i, 'x' FROM pg_catalog.generate_series(2001, 200000) AS i");
    await destination.query('DELETE FROM public.t; UPDATE _millrace.object SET snapshot = NULL');
    await expect(attemptLoad({ servers, table: T, tuning: { chunkBytes: 1e9 } })).rejects.toMatchObject({
      errorName: 'row_rejected',
      facts: { object: 'public.t', side: 'destination', sqlstate: '23514' },
    });
    expect(await destination.query('SELECT count(*) FROM public.t')).toEqual([['0']]);
  });

  test('because it was stopped gives the reason, and goes on later with the pieces that are there', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 20_000);
    const stopping = new AbortController();
    const reason = new Error('stopped by the test');
    const onProgress = (progress: CopyProgress): void => {
      if (progress.piecesDone === 3) stopping.abort(reason);
    };
    const stopped = attemptLoad({ servers, table: T, workers: 1, tuning: SMALL_PIECES, signal: stopping.signal, hooks: { onProgress } });
    if (pg.source.major < 14) return void (await stopped);
    await expect(stopped).rejects.toBe(reason);
    const [[kept] = []] = await destination.query('SELECT count(*) FROM _millrace.chunk');
    expect(kept).toBe('3');
    const { started, outcome } = await attemptLoad({ servers, table: T, tuning: SMALL_PIECES });
    expect(started).toBe('resumed');
    expect(outcome).toMatchObject({ overlap: true, rows: 20_000 });
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
  });

  test('because the pipeline was taken over writes nothing any more', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 20_000);
    const usurp = async (): Promise<void> => {
      const other = await destination.open();
      // The load holds the row while it begins; what comes after this is refused.
      void other.query('UPDATE _millrace.pipeline SET epoch = epoch + 1 WHERE name = $1', [PIPELINE]);
      await waitFor('the usurper to be there', async () => true);
    };
    await expect(attemptLoad({ servers, table: T, tuning: SMALL_PIECES, onBegin: usurp })).rejects.toMatchObject({ errorName: 'fenced' });
    expect(await destination.query('SELECT count(*) FROM _millrace.chunk')).toEqual([['0']]);
    expect(await destination.query('SELECT count(*) FROM public.t')).toEqual([['0']]);
  });

  test('because its reader was ended at the source can go on', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 20_000);
    let isKilled = false;
    const onProgress = (progress: CopyProgress): void => {
      if (progress.piecesDone !== 1 || isKilled) return;
      isKilled = true;
      void source.query(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name LIKE '%copy reader' AND datname = current_database()",
      );
    };
    await attemptLoad({ servers, table: T, workers: 1, tuning: { chunkBytes: 8192 }, hooks: { onProgress } }).then(
      () => expect(pg.source.major).toBeLessThan(14),
      (error: unknown) => expect(error).toMatchObject({ errorName: 'connection_lost', facts: { side: 'source', object: 'public.t' } }),
    );
    await attemptLoad({ servers, table: T });
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
  });
});

describe('DDL of the application', () => {
  test('waits no longer than the load may make it wait', async () => {
    const { source, destination, servers } = await pair();
    await fill(source, 20_000);
    const application = await source.open();
    let truncated: Promise<unknown> = Promise.resolve();
    const onBegin = async (): Promise<void> => {
      truncated = application.query('TRUNCATE public.t');
      await waitFor('the TRUNCATE to wait', async () => {
        const rows = await source.query('SELECT pid FROM pg_catalog.pg_locks WHERE NOT granted AND pid = $1', [application.backendPid]);
        return rows.length > 0;
      });
    };
    const tuning = { chunkBytes: 8192, yieldAfterMs: 100 };
    const load = attemptLoad({ servers, table: T, tuning, onBegin });
    await expect(load).rejects.toMatchObject({ errorName: 'copy_interrupted', facts: { object: 'public.t' } });
    await truncated;
    const { started, outcome } = await attemptLoad({ servers, table: T, tuning });
    expect(started).toBe('fresh');
    expect(outcome.rows).toBe(0);
    expect(await destination.query('SELECT count(*) FROM public.t')).toEqual([['0']]);
  });

  test('that rewrote the table after the snapshot was lost is noticed: its rows would be missed in silence', async (context) => {
    if (pg.source.major < 14) context.skip('needs page ranges');
    const { source, destination, servers } = await pair();
    await source.query('CREATE TABLE public.t (id int8, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id)');
    await source.query(
      'CREATE TABLE public.big PARTITION OF public.t FOR VALUES FROM (0) TO (1000000); CREATE TABLE public.small PARTITION OF public.t DEFAULT',
    );
    await source.query(
      "INSERT INTO public.t SELECT i, 'x' FROM pg_catalog.generate_series(1, 200000) AS i; INSERT INTO public.t VALUES (-1, 'y')",
    );
    const application = await source.open();
    const rewritten: Promise<unknown>[] = [];
    // The one reader has joined the snapshot and reads the large partition; the small one, which it has not touched, is rewritten.
    const onProgress = (progress: CopyProgress): void => {
      if (progress.piecesDone !== 1 || rewritten.length > 0) return;
      rewritten.push(
        source
          .query(`SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
            WHERE application_name LIKE '%copy snapshot' AND datname = pg_catalog.current_database()`)
          .then(() => application.query('VACUUM FULL public.small')),
      );
    };
    const load = attemptLoad({ servers, table: T, workers: 1, tuning: { chunkBytes: 50_000 }, hooks: { onProgress } });
    await expect(load).rejects.toMatchObject({ facts: { side: 'source', object: 'public.t' } });
    await Promise.all(rewritten);
    expect(rewritten).toHaveLength(1);
    await attemptLoad({ servers, table: T });
    expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
  });
});

/** Rows by count and content, cheaply. */
const DIGEST = `
  SELECT pg_catalog.count(*), pg_catalog.md5(pg_catalog.string_agg(id || ':' || v, ',' ORDER BY id)) FROM public.t`;

const PARTITIONED = `
  CREATE TABLE public.t (id int8, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
  CREATE TABLE public.t_eu PARTITION OF public.t FOR VALUES IN ('eu') PARTITION BY RANGE (id);
  CREATE TABLE public.t_eu_low PARTITION OF public.t_eu FOR VALUES FROM (0) TO (100);
  CREATE TABLE public.t_eu_high PARTITION OF public.t_eu FOR VALUES FROM (100) TO (200);
  CREATE TABLE public.t_us (v text, dropped int4, id int8 NOT NULL, region text NOT NULL);
  ALTER TABLE public.t_us DROP COLUMN dropped;
  ALTER TABLE public.t ATTACH PARTITION public.t_us FOR VALUES IN ('us')`;

const MANY_TYPES = `
  CREATE DOMAIN public.email AS text CHECK (VALUE LIKE '%@%');
  CREATE TABLE public.t (
    id int8 PRIMARY KEY, i2 int2, i4 int4, f4 float4, f8 float8, n numeric, nt numeric(12,4), b bool, c bpchar(5), vc varchar(9), t text, ba bytea,
    d date, tm time, tz timetz, ts timestamp, tstz timestamptz, iv interval, u uuid, j json, jb jsonb, x xml, ip inet, net cidr, mac macaddr,
    bits bit(5), vb varbit, pt point, bx box, m money, tsv tsvector, tsq tsquery, r int4range, nr numrange, ia int4[], ta text[], na numeric[][],
    em public.email, lsn pg_lsn, o oid, ch "char", nm name);
  INSERT INTO public.t VALUES
    (1, -32768, 2147483647, '-0', 'NaN', 'NaN', 1.5, true, 'ab', '', E'tab\\there\\nline\\\\ \\\\N', E'\\\\x00ff5c6e', 'infinity', '24:00',
     '01:02:03.000001+14:59', '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999+00', '-1 mons +2 days -00:00:00.000001',
     '00000000-0000-0000-0000-000000000000', '{"a" : 1,  "a":2}', '{"b": [1.10, null, "é"]}', '<a>ä</a>', '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03',
     B'10101', B'', '(1e-300,-0)', '((1,2),(3,4))', '-92233720368547758.08', 'a:1A b:2', 'a & !b', 'empty', '[1.10,)', '[0:1]={7,NULL}',
     '{"",NULL,"NULL","a,b"}', '{{1.0,2.00},{3.000,NaN}}', 'a@b', '16/B374D848', 4294967295, 'z', 'näme'),
    (2, NULL, NULL, 'Infinity', '5e-324', '1e-130', NULL, NULL, NULL, NULL, '', '', '-infinity', NULL, NULL, 'infinity', '-infinity', NULL, NULL, 'null', 'null',
     '', NULL, NULL, NULL, NULL, B'1', NULL, NULL, NULL, '', '', '(,)', NULL, '{}', '{}', '{}', NULL, NULL, 0, '', '')`;

/** Inserts, updates, deletes and key changes until the signal; resolves to the number of statements. */
async function write(database: TestDatabase, seed: number, signal: AbortSignal): Promise<number> {
  const session = await database.open();
  let statements = 0;
  await repeat(signal, async () => {
    const id = 1 + ((statements * 7919 + seed * 104_729) % 20_000);
    const fresh = 20_000 + seed + statements * 2;
    await session.query('BEGIN');
    await session.query("UPDATE public.t SET v = v || 'y' WHERE id = $1", [id]);
    await session.query('DELETE FROM public.t WHERE id = $1', [id + 1]);
    await session.query("INSERT INTO public.t VALUES ($1, 'inserted')", [fresh]);
    if (statements % 3 === 0) await session.query('UPDATE public.t SET id = -id WHERE id = $1', [id + 2]);
    await session.query('COMMIT');
    statements += 1;
  });
  return statements;
}

async function repeat(signal: AbortSignal, step: () => Promise<void>): Promise<void> {
  while (!signal.aborted) await step();
}

/** Joins the snapshot that a load in this session's database has just exported. */
async function joinSnapshotOfLoad(session: Awaited<ReturnType<TestDatabase['open']>>): Promise<void> {
  const names = await session.query('SELECT pg_catalog.pg_ls_dir($1)', ['pg_snapshots']);
  for (const [name] of names) {
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    try {
      await session.query(`SET TRANSACTION SNAPSHOT '${name ?? ''}'`);
      return;
    } catch {
      // Another database's.
      await session.query('ROLLBACK');
    }
  }
  throw new Error('no snapshot of this database is exported');
}

async function sideTables(database: TestDatabase): Promise<readonly unknown[]> {
  return database.query(`SELECT c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = '_millrace' AND c.relpersistence = 'u'`);
}
