import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connect } from '../../db/connect.ts';
import { must } from '../../lib/assert.ts';
import { Secret } from '../../lib/secret.ts';
import type { ConnectionSettings } from '../../model/connection.ts';
import { POSTGRES_MAJORS } from './binaries.ts';
import { type ClusterOptions, type EmbeddedCluster, startCluster } from './cluster.ts';

const PASSWORD = new Secret(String.raw`pass 'word\ "quoted"`);

let directory = '';
const clusters: EmbeddedCluster[] = [];
const bundles: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-embedded-'));
  // When root runs the tests, the servers run as somebody else, who must get to the directories in here.
  await chmod(directory, 0o711);
});

afterEach(async () => {
  await Promise.all(clusters.splice(0).map((cluster) => cluster.stop('immediate')));
  for (const path of [directory, ...bundles.splice(0)]) await rm(path, { recursive: true, force: true });
});

async function start(name: string, options: Partial<ClusterOptions> = {}): Promise<EmbeddedCluster> {
  const cluster = await startCluster({ dataDir: join(directory, name), password: PASSWORD, settings: {}, durable: false, ...options });
  clusters.push(cluster);
  return cluster;
}

async function ask(settings: ConnectionSettings, sql: string): Promise<string | null> {
  const session = await connect(settings, { applicationName: 'millrace test', side: 'source' });
  try {
    const rows = await session.query(sql);
    return rows[0]?.[0] ?? null;
  } finally {
    await session.close();
  }
}

describe('a cluster', () => {
  test.each(POSTGRES_MAJORS)('of version %i starts, decodes logically and stops', async (version) => {
    const cluster = await start('db', { version });
    const settings = cluster.connection();
    expect(await ask(settings, "SELECT pg_catalog.current_setting('server_version')")).toMatch(new RegExp(`^${version}\\.`));
    expect(await ask(settings, "SELECT pg_catalog.current_setting('server_encoding')")).toBe('UTF8');
    await ask(settings, "SELECT 1 FROM pg_catalog.pg_create_logical_replication_slot('s', 'pgoutput')");
    await cluster.stop('fast');
    expect(cluster.pid).toBeNull();
    await expect(ask(settings, 'SELECT 1')).rejects.toMatchObject({ code: '1006' });
  });

  test('keeps its data and its port through a restart, and takes changed settings', async () => {
    const cluster = await start('db');
    const settings = cluster.connection();
    await ask(settings, 'CREATE TABLE public.t AS SELECT 7 AS n');
    await cluster.restart({ settings: { wal_level: 'replica' } });
    expect(cluster.connection()).toEqual(settings);
    expect(await ask(settings, 'SELECT n FROM public.t')).toBe('7');
    expect(await ask(settings, "SELECT pg_catalog.current_setting('wal_level')")).toBe('replica');
  });

  test('recovers after a kill of the postmaster, even while backends still hold its memory', async () => {
    const cluster = await start('db');
    const settings = cluster.connection();
    await ask(settings, 'CREATE TABLE public.t AS SELECT 7 AS n');
    const busy = await connect(settings, { applicationName: 'busy', side: 'source' });
    const query = busy.query('SELECT pg_catalog.count(*) FROM pg_catalog.generate_series(1, 10000000)').catch(() => []);
    await cluster.kill();
    expect(cluster.pid).toBeNull();
    await cluster.start();
    expect(await ask(settings, 'SELECT n FROM public.t')).toBe('7');
    await query;
    busy.destroy();
  });

  test('is found again in its directory by the next start', async () => {
    const first = await start('db');
    await ask(first.connection(), 'CREATE TABLE public.t AS SELECT 7 AS n');
    await first.stop('fast');
    const second = await start('db');
    expect(await ask(second.connection(), 'SELECT n FROM public.t')).toBe('7');
  });

  test('listens on the loopback address only and keeps strangers out', async () => {
    const cluster = await start('db');
    expect(await ask(cluster.connection(), "SELECT pg_catalog.current_setting('listen_addresses')")).toBe('127.0.0.1');
    await expect(ask(cluster.connection({ password: new Secret('wrong') }), 'SELECT 1')).rejects.toMatchObject({ code: '1003' });
  });

  test('says that the password is not the one it was made with', async () => {
    const cluster = await start('db');
    await cluster.stop('fast');
    await expect(start('db', { password: new Secret('other') })).rejects.toThrow(/the password is not the one/);
  });

  test('refuses the data of another major version and names both', async () => {
    const cluster = await start('db', { version: 15 });
    await cluster.stop('fast');
    await expect(start('db', { version: 17 })).rejects.toThrow(/PostgreSQL 15, and this is PostgreSQL 17/);
  });

  test('says why it did not start, in the words of the server', async () => {
    await expect(start('db', { settings: { shared_buffers: 'plenty' } })).rejects.toThrow(/invalid value for parameter "shared_buffers"/);
  });

  test('starts over a postmaster.pid whose number now belongs to another program', async () => {
    const cluster = await start('db');
    const file = join(cluster.dataDir, 'data', 'postmaster.pid');
    const left = await readFile(file, 'utf8');
    await cluster.stop('fast');
    await writeFile(file, left.replace(/^\d+/, String(process.pid)));
    await cluster.start();
    expect(cluster.pid).not.toBeNull();
  });

  test('leaves a directory alone in which a server runs', async () => {
    const cluster = await start('db');
    await expect(start('db')).rejects.toThrow(/already runs in/);
    expect(await ask(cluster.connection(), 'SELECT 1')).toBe('1');
  });

  test('takes another port when the first one is lost to another program', async () => {
    const cluster = await start('db');
    await cluster.stop('fast');
    const thief = createServer((socket) => socket.destroy());
    thief.listen(cluster.port, '127.0.0.1');
    await once(thief, 'listening');
    const stolen = cluster.port;
    await cluster.start('any_port');
    expect(cluster.port).not.toBe(stolen);
    expect(await ask(cluster.connection(), 'SELECT 1')).toBe('1');
    thief.close();
    await once(thief, 'close');
  });

  test('does not collide with others that start at the same moment', async () => {
    const started = await Promise.all(['a', 'b', 'c'].map((name) => start(name)));
    const directories = await Promise.all(
      started.map((cluster) => ask(cluster.connection(), "SELECT pg_catalog.current_setting('data_directory')")),
    );
    expect(directories).toEqual(started.map((cluster) => join(cluster.dataDir, 'data')));
  });
});

describe('a cluster whose owner dies', () => {
  test.each(['SIGKILL', 'SIGTERM', 'exit'] as const)('by %s does not stay behind', async (death) => {
    const owner = await startOwner(death === 'exit');
    const ended = once(owner, 'exit');
    const postmaster = await firstLine(owner);
    if (death !== 'exit') {
      expect(() => process.kill(postmaster, 0)).not.toThrow();
      owner.kill(death);
    }
    await ended;
    await vi.waitFor(() => expect(() => process.kill(postmaster, 0)).toThrow('ESRCH'), { timeout: 10_000, interval: 20 });
  });
});

/** A Node process of its own that starts a cluster, prints the postmaster's process id and then waits or exits. */
async function startOwner(exitsAtOnce: boolean): Promise<ChildProcess> {
  const source = (file: string): string => JSON.stringify(fileURLToPath(new URL(file, import.meta.url)));
  // Beside the other bundles, because from there the packages are found.
  const bundle = fileURLToPath(new URL(`../../../dist/owner-${process.pid}.test.mjs`, import.meta.url));
  bundles.push(bundle);
  const contents = `
    import { startCluster } from ${source('./cluster.ts')};
    import { Secret } from ${source('../../lib/secret.ts')};
    const dataDir = ${JSON.stringify(join(directory, 'owned'))};
    const cluster = await startCluster({ dataDir, password: new Secret('x'), settings: {}, durable: false });
    process.stdout.write(cluster.pid + '\\n', () => ${exitsAtOnce} && process.exit(0));
  `;
  const stdin = { contents, resolveDir: directory };
  await build({ stdin, outfile: bundle, bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'error' });
  return spawn(process.execPath, [bundle], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** The postmaster's process id. Rejects when the owner ends without a word. */
async function firstLine(owner: ChildProcess): Promise<number> {
  for await (const chunk of must(owner.stdout, 'standard output')) return Number(String(chunk));
  throw new Error('the owner ended before its cluster ran');
}
