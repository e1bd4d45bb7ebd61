// What people get wrong, and what servers do wrong: each ends with a code that says so, and leaves nothing behind on either side.
import { afterEach, describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/model/error.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { ConnectionSettings } from '../../src/model/connection.ts';
import { type Mischief, RogueServer } from '../net/rogue-server.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { usePostgres } from '../pg/use-postgres.ts';
import { waitFor } from '../pg/wait-for.ts';
import { type Ends, expectEqual, table, untilEqual } from '../pipeline/compare.ts';
import { startWatched, watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();
const rogues: RogueServer[] = [];

afterEach(async () => {
  await Promise.all(rogues.splice(0).map((rogue) => rogue.close()));
});

async function twoDatabases(): Promise<Ends> {
  const ends = { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
  await ends.source.query('CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1)');
  return ends;
}

/** What a pipeline would leave at its source. */
const TRACES = `
  SELECT 'slot' FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database()
  UNION ALL SELECT 'publication' FROM pg_catalog.pg_publication`;

async function failureOf(
  ends: Ends,
  change: { readonly source?: Partial<ConnectionSettings>; readonly destination?: Partial<ConnectionSettings> },
): Promise<MillraceError> {
  const error: unknown = await watchOnce(ends, {
    source: { name: 'source', type: 'generic', connection: { ...ends.source.settings(), ...change.source } },
    destination: { name: 'destination', connection: { ...ends.destination.settings(), ...change.destination } },
  }).then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MillraceError)) throw new Error('expected the run to fail with an error of ours', { cause: error });
  expect(error.fix).not.toBe('');
  return error;
}

async function hasTables(destination: TestDatabase): Promise<boolean> {
  return (await destination.query("SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = 'public'")).length > 0;
}

describe.each(['source', 'destination'] as const)('a wrong %s', (side) => {
  test.each([
    ['an unreachable port', { port: 1 }, 'connection_failed'],
    ['a host that does not exist', { host: 'no-such-host.invalid' }, 'connection_failed'],
    ['a wrong password', { password: new Secret('wrong') }, 'authentication_failed'],
    ['an unknown user', { user: 'nobody here' }, 'authentication_failed'],
    ['an unknown database', { database: 'no such database' }, 'database_missing'],
    [
      'a server without TLS where TLS is asked for',
      { ssl: { mode: 'require', ca: null, clientCertificate: null, clientKey: null } },
      'connection_settings_rejected',
    ],
  ] as const)('%s', async (_name, change, code) => {
    const ends = await twoDatabases();
    const error = await failureOf(ends, { [side]: change });
    expect([error.errorName, error.facts.side]).toEqual([code, side]);
    expect(JSON.stringify(error.facts)).not.toContain('wrong"');
    expect(await ends.source.query(TRACES)).toEqual([]);
    expect(await hasTables(ends.destination)).toBe(false);
  });

  test.each<Mischief>([
    'garbage',
    'huge_length',
    'negative_length',
    'wrong_message',
    'wrong_rows',
    'endless_notices',
    'goodbye',
    'reset',
    'http',
  ])('a server that answers with %s', async (mischief) => {
    const ends = await twoDatabases();
    const rogue = await RogueServer.start(mischief);
    rogues.push(rogue);
    const before = process.memoryUsage().rss;
    const error = await failureOf(ends, { [side]: { port: rogue.port, connectTimeoutMs: 2_000 } });
    expect(['protocol_violation', 'connection_lost', 'connection_failed', 'connection_settings_rejected', 'unexpected']).toContain(
      error.errorName,
    );
    expect(error.errorName).not.toBe('unexpected');
    await waitFor('no connection to be left', () => rogue.connections === 0);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024);
    expect(await ends.source.query(TRACES)).toEqual([]);
  });
});

test('a role without REPLICATION is told the grant, and works with it', async () => {
  const ends = await twoDatabases();
  const role = await pg.source.createRole();
  await ends.source.query(
    `GRANT ALL ON DATABASE "${ends.source.name}" TO "${role.name}"; ALTER TABLE public.t OWNER TO "${role.name}"; GRANT USAGE ON SCHEMA public TO "${role.name}"`,
  );
  const connection = ends.source.settings(role);
  const error = await failureOf(ends, { source: connection });
  expect([error.errorName, error.facts.side]).toEqual(['replication_role_missing', 'source']);
  await pg.source.query(`ALTER ROLE "${role.name}" REPLICATION`);
  await watchOnce(ends, { source: { name: 'source', type: 'generic', connection } });
  await expectEqual(ends, table('public.t'));
  await ends.source.dropSlots();
});

test('a destination role that may not create is told the grant, and nothing is left at the source', async () => {
  const ends = await twoDatabases();
  const role = await pg.destination.createRole();
  const error = await failureOf(ends, { destination: ends.destination.settings(role) });
  expect([error.errorName, error.facts.side]).toEqual(['destination_schema_denied', 'destination']);
  expect(error.fix).toContain('GRANT CREATE ON DATABASE');
  expect(await ends.source.query(TRACES)).toEqual([]);
});

test('a source with wal_level = replica, and one without a free slot, are told apart', async () => {
  const destination = await pg.destination.createDatabase();
  for (const [settings, code] of [
    [{ wal_level: 'replica', max_replication_slots: '9' }, 'wal_level_not_logical'],
    [{ max_replication_slots: '0' }, 'no_free_slot'],
    [{ max_replication_slots: '1' }, 'no_free_slot'],
  ] as const) {
    const { cluster } = await pg.ownCluster({ settings });
    const source = await cluster.createDatabase();
    await source.query('CREATE TABLE public.t (id int PRIMARY KEY)');
    if (settings.max_replication_slots === '1') await source.query("SELECT pg_catalog.pg_create_physical_replication_slot('taken')");
    const error = await failureOf({ source, destination }, {});
    expect([error.errorName, error.facts.side]).toEqual([code, 'source']);
    await source.closeSessions();
  }
});

test('the slot waits for an open transaction, and gives the wish up when it is stopped', async () => {
  const ends = await twoDatabases();
  const writer = await ends.source.open();
  await writer.query('BEGIN; INSERT INTO public.t VALUES (2)');
  const pipeline = startWatched(ends);
  const waiting =
    "SELECT 1 FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND query LIKE 'CREATE_REPLICATION_SLOT%' AND state = 'active'";
  await waitFor('the slot to wait', async () => (await ends.source.query(waiting)).length > 0);
  await pipeline.stop();
  expect(await ends.source.query('SELECT 1 FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database()')).toEqual(
    [],
  );
  const again = startWatched(ends);
  await waitFor('the slot to wait', async () => (await ends.source.query(waiting)).length > 0);
  await writer.query('COMMIT');
  await again.seen.until('public.t', 'streaming');
  await again.stop();
  await expectEqual(ends, table('public.t'));
  await ends.source.dropSlots();
});

test("a destination table that is somebody else's is not touched, and the other tables go on", async () => {
  const ends = await twoDatabases();
  await ends.destination.query("CREATE TABLE public.t (mine text); INSERT INTO public.t VALUES ('precious')");
  await ends.source.query('CREATE TABLE public.u (id int PRIMARY KEY); INSERT INTO public.u VALUES (1)');
  const seen = await watchOnce(ends);
  expect(seen.all('failed')).toEqual(['public.t']);
  expect(seen.reason('public.t')?.errorName).toBe('destination_table_exists');
  expect(await ends.destination.query('SELECT mine FROM public.t')).toEqual([['precious']]);
  await expectEqual(ends, table('public.u'));
  await ends.source.dropSlots();
});

test('a row that the destination refuses is told with the SQL that mends it; once that has run, its table goes on by itself', async () => {
  const ends = await twoDatabases();
  const pipeline = startWatched(ends);
  await pipeline.seen.until('public.t', 'streaming');
  await ends.destination.query('ALTER TABLE public.t ADD CONSTRAINT small CHECK (id < 10)');
  await ends.source.query('INSERT INTO public.t VALUES (50)');
  await pipeline.seen.until('public.t', 'failed');
  const fix = pipeline.seen.reason('public.t')?.fix ?? '';
  expect(fix).toContain('ALTER TABLE "public"."t" DROP CONSTRAINT "small";');
  await ends.destination.query(fix);
  await pipeline.seen.until('public.t', 'streaming');
  await untilEqual(ends, table('public.t'));
  await pipeline.stop();
  await ends.source.dropSlots();
});

test('a row that the destination refuses fails its table alone; when the cause is gone, nothing is missing', async () => {
  const ends = await twoDatabases();
  await ends.source.query('CREATE TABLE public.u (id int PRIMARY KEY)');
  const pipeline = startWatched(ends);
  await pipeline.seen.until('public.u', 'streaming');
  await pipeline.seen.until('public.t', 'streaming');
  await ends.destination.query('ALTER TABLE public.t ADD CONSTRAINT small CHECK (id < 10)');
  await ends.source.query('INSERT INTO public.t VALUES (5), (50); INSERT INTO public.u VALUES (1); INSERT INTO public.t VALUES (6)');
  await pipeline.seen.until('public.t', 'failed');
  expect(pipeline.seen.reason('public.t')).toMatchObject({ errorName: 'row_rejected', facts: { object: 'public.t', side: 'destination' } });
  await waitFor('the other table to go on', async () => (await ends.destination.query('SELECT 1 FROM public.u')).length === 1);
  await pipeline.stop();
  // Nobody asks for anything: a new process tries it once more.
  await watchOnce(ends);
  expect(await ends.destination.query("SELECT state FROM _millrace.object WHERE source_name = 't'")).toEqual([['failed']]);
  await ends.destination.query('ALTER TABLE public.t DROP CONSTRAINT small');
  await watchOnce(ends);
  await expectEqual(ends, table('public.t'), table('public.u'));
  await ends.source.dropSlots();
});
