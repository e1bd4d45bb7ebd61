import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { connect } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import type { ConnectionSettings } from '../../model/connection.ts';
import { type DemoClusters, startDemoClusters } from './clusters.ts';
import { createShop } from './shop.ts';

let clusters: DemoClusters | null = null;
const sessions: PgSession[] = [];
const bundles: string[] = [];

afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
  await clusters?.stop();
  clusters = null;
  for (const path of bundles.splice(0)) await rm(path, { force: true });
});

async function open(settings: ConnectionSettings): Promise<PgSession> {
  const session = await connect(settings, { applicationName: 'millrace test', side: 'source' });
  sessions.push(session);
  return session;
}

async function demoDirectories(pid: number): Promise<readonly string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith(`millrace-demo-${pid}-`));
}

describe('the demo clusters', () => {
  test('let each role do its part and no more, and leave nothing behind', async () => {
    clusters = await startDemoClusters();
    const [shop, source, destination] = [await open(clusters.shop), await open(clusters.source), await open(clusters.destination)];
    await createShop(shop, { scale: 0.01 });
    await source.query('CREATE PUBLICATION shop_part FOR TABLE shop.orders, shop.events WITH (publish_via_partition_root = true)');
    await source.query("SELECT 1 FROM pg_catalog.pg_create_logical_replication_slot('shop_part', 'pgoutput')");
    await source.query('SELECT o.id FROM shop.orders AS o LIMIT 1');
    await destination.query('CREATE SCHEMA analytics; CREATE TABLE analytics.t (n int); CREATE TEMPORARY TABLE mine (n int)');
    for (const session of [shop, source, destination]) {
      await expect(session.query('CREATE ROLE more')).rejects.toMatchObject({ facts: { sqlstate: '42501' } });
    }
    await expect(shop.query("SELECT 1 FROM pg_catalog.pg_create_logical_replication_slot('more', 'pgoutput')")).rejects.toMatchObject({
      facts: { sqlstate: '42501' },
    });
    const names = await demoDirectories(process.pid);
    expect(names).toHaveLength(1);
    await Promise.all(sessions.splice(0).map((session) => session.close()));
    await clusters.stop();
    await clusters.stop();
    expect(await demoDirectories(process.pid)).toEqual([]);
    await expect(connect(clusters.destination, { applicationName: 'late', side: 'destination' })).rejects.toMatchObject({ code: '1006' });
  });

  test('stop again when they are not wanted any more while they start', async () => {
    const stopping = new AbortController();
    const started = startDemoClusters(stopping.signal);
    stopping.abort();
    await expect(started).rejects.toThrow(/abort/i);
    expect(await demoDirectories(process.pid)).toEqual([]);
  });

  test('go with their process: at once when it ends by itself, swept by the next demo when it is killed', {
    timeout: 120_000,
  }, async () => {
    const ending = await startOwner(true);
    await Promise.all([ending.directory, once(ending.child, 'exit')]);
    await vi.waitFor(() => expect(existsSync(ending.path())).toBe(false), { timeout: 10_000, interval: 20 });
    const killed = await startOwner(false);
    await killed.directory;
    const gone = once(killed.child, 'exit');
    killed.child.kill('SIGKILL');
    await gone;
    expect(existsSync(killed.path())).toBe(true);
    clusters = await startDemoClusters();
    expect(existsSync(killed.path())).toBe(false);
  });
});

interface Owner {
  readonly child: ChildProcess;
  /** Resolves when the clusters run. */
  readonly directory: Promise<void>;
  path(): string;
}

/** A Node process of its own that starts the clusters, prints their directory, and then exits or waits. */
async function startOwner(exitsAtOnce: boolean): Promise<Owner> {
  const bundle = fileURLToPath(new URL(`../../../dist/demo-owner-${process.pid}-${bundles.length}.test.mjs`, import.meta.url));
  bundles.push(bundle);
  const contents = `
    import { readdirSync } from 'node:fs';
    import { tmpdir } from 'node:os';
    import { startDemoClusters } from ${JSON.stringify(fileURLToPath(new URL('./clusters.ts', import.meta.url)))};
    await startDemoClusters();
    const name = readdirSync(tmpdir()).find((name) => name.startsWith('millrace-demo-' + process.pid + '-'));
    process.stdout.write(tmpdir() + '/' + name + '\\n', () => ${exitsAtOnce} && process.exit(0));
  `;
  const stdin = { contents, resolveDir: dirname(bundle) };
  await build({ stdin, outfile: bundle, bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'error' });
  const child = spawn(process.execPath, [bundle], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const directory = new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('\n')) resolve();
    });
    child.once('exit', () => reject(new Error('the owner ended without a word')));
  });
  return { child, directory, path: () => text.trim() };
}
