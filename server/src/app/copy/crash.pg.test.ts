import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { textDigest } from '../../../test/copy/binary-rows.ts';
import type { ChildAttempt, PlainConnection } from '../../../test/copy/copy-child.ts';
import { attemptLoad } from '../../../test/copy/copy-rig.ts';
import type { TestDatabase } from '../../../test/pg/test-database.ts';
import { usePostgres } from '../../../test/pg/use-postgres.ts';
import { waitFor } from '../../../test/pg/wait-for.ts';
import { FAILPOINTS } from '../../lib/failpoint.ts';
import type { ConnectionSettings } from '../../model/connection.ts';

const pg = usePostgres();
const T = { schema: 'public', name: 't' };
const CHILD = fileURLToPath(new URL('../../../test/copy/run-child.mjs', import.meta.url));
const TUNING = { chunkBytes: 200_000 };

/** Where a load can die, and in which pass, so that some pieces are finished by then and others are not. */
const DEATHS = FAILPOINTS.filter((name) => name.startsWith('copy.')).map((name) => ({ name, pass: passOf(name) }));

function passOf(name: (typeof FAILPOINTS)[number]): number {
  switch (name) {
    case 'copy.mid_chunk':
      return 5;
    case 'copy.before_chunk_commit':
    case 'copy.after_chunk_commit':
      // Before page ranges the table is a single piece.
      return pg.source.major >= 14 ? 3 : 1;
    default:
      return 1;
  }
}

describe('a load that is killed', () => {
  for (const { name, pass } of DEATHS) {
    test(`at ${name} goes on in another process and ends exact`, async () => {
      const { source, destination } = await filled('PRIMARY KEY');
      await die(source, destination, { failpoint: `${name}:${pass}`, mode: 'first' });
      await changeRows(source);
      await settle(source, destination);
    });

    test(`at ${name} while it reloads leaves the old rows, and ends exact`, async () => {
      const { source, destination } = await filled('PRIMARY KEY');
      await load(source, destination, 'first');
      const before = await textDigest(destination, T);
      await changeRows(source);
      const after = await textDigest(source, T);
      await die(source, destination, { failpoint: `${name}:${pass}`, mode: 'reload' });
      expect(await textDigest(destination, T)).toBe(name === 'copy.after_finish_commit' ? after : before);
      await load(source, destination, 'reload');
      expect(await textDigest(destination, T)).toBe(after);
    });

    test(`at ${name} of a table without a key begins anew, and doubles nothing`, async () => {
      const { source, destination } = await filled('');
      await die(source, destination, { failpoint: `${name}:${pass}`, mode: 'first' });
      await load(source, destination, 'first');
      expect(await textDigest(destination, T)).toBe(await textDigest(source, T));
    });
  }
});

async function filled(key: string): Promise<{ readonly source: TestDatabase; readonly destination: TestDatabase }> {
  const source = await pg.source.createDatabase();
  const destination = await pg.destination.createDatabase();
  await source.query(`CREATE TABLE public.t (id int8 ${key}, v text NOT NULL)`);
  await source.query(
    "INSERT INTO public.t SELECT i, pg_catalog.repeat('x', (i % 100)::int4) FROM pg_catalog.generate_series(1, 10000) AS i",
  );
  return { source, destination };
}

/** What happens between two attempts: rows go, come, and move to other pages, into and out of ranges that are finished. */
async function changeRows(source: TestDatabase): Promise<void> {
  await source.query(`
    UPDATE public.t SET v = v || 'moved' WHERE id % 10 = 0;
    UPDATE public.t SET id = -id WHERE id % 100 = 7;
    DELETE FROM public.t WHERE id % 100 = 8`);
  await source.query('VACUUM public.t');
  // These find the room that the deleted rows left, in pages all over the table.
  await source.query(`
    UPDATE public.t SET v = 'again' WHERE id % 50 = 1;
    INSERT INTO public.t SELECT i, 'new' FROM pg_catalog.generate_series(20001, 20300) AS i`);
}

async function load(source: TestDatabase, destination: TestDatabase, mode: 'first' | 'reload'): ReturnType<typeof attemptLoad> {
  const servers = { source: source.settings(), destination: destination.settings(), applicationName: 'millrace test' };
  return attemptLoad({ servers, table: T, mode, tuning: TUNING });
}

/** Finishes the load, and plays the part of the stream: what the hand-off's snapshot does not see is brought again. */
async function settle(source: TestDatabase, destination: TestDatabase): Promise<void> {
  const { outcome } = await load(source, destination, 'first');
  const current = await source.query('SELECT id, v FROM public.t ORDER BY id');
  const copied = new Map((await destination.query('SELECT id, v FROM public.t')).map(([id, v]) => [id, v]));
  if (outcome.overlap) {
    // Every row that is there now must have come, at its newest; only deleted rows may be left over, for the stream to delete.
    const missing = current.filter(([id, v]) => copied.get(id) !== v);
    expect(missing).toEqual([]);
  } else {
    await expectSnapshot(source, destination, outcome.snapshotText);
  }
}

/** Without an overlap, rows that no later transaction wrote must be equal, and nothing that one wrote may be there. */
async function expectSnapshot(source: TestDatabase, destination: TestDatabase, snapshotText: string): Promise<void> {
  const unchanged = await source.query(
    'SELECT id, v FROM public.t WHERE pg_catalog.pg_visible_in_snapshot(xmin::text::xid8, $1::pg_snapshot) ORDER BY id',
    [snapshotText],
  );
  const copied = await destination.query('SELECT id, v FROM public.t ORDER BY id');
  const byId = new Map(copied.map(([id, v]) => [id, v]));
  expect(unchanged.filter(([id, v]) => byId.get(id) !== v)).toEqual([]);
  const [[total] = []] = await source.query('SELECT count(*) FROM public.t');
  const isWhole = unchanged.length === Number(total);
  // Either the snapshot is of after the changes, and all is as it is now, or of before them, and none of them is in it.
  expect(copied.length).toBe(isWhole ? Number(total) : 10_000);
}

interface Death {
  readonly failpoint: string;
  readonly mode: 'first' | 'reload';
}

/** Runs an attempt in a process of its own until it dies, and waits until the servers have noticed. */
async function die(source: TestDatabase, destination: TestDatabase, { failpoint, mode }: Death): Promise<void> {
  const attempt: ChildAttempt = {
    source: plain(source.settings()),
    destination: plain(destination.settings()),
    table: T,
    mode,
    workers: 2,
    tuning: TUNING,
  };
  const env = { ...process.env, MILLRACE_FAILPOINT: failpoint, MILLRACE_TEST_ATTEMPT: JSON.stringify(attempt) };
  const child = spawn(process.execPath, [CHILD], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  expect({ signal, output }).toEqual({ signal: 'SIGKILL', output: '' });
  for (const database of [source, destination]) {
    await waitFor('the sessions of the dead process to end', async () => {
      const rows = await database.query(
        "SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND application_name LIKE 'millrace child%'",
      );
      return rows.length === 0;
    });
  }
}

function plain(settings: ConnectionSettings): PlainConnection {
  const { host, port, database, user, password } = settings;
  return { host, port, database, user, password: password?.reveal() ?? '' };
}
