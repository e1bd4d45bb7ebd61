// The two clusters that everybody is measured on: same binaries, same settings, started for this run alone.
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedCluster, startCluster } from '../server/src/app/embedded/cluster.ts';
import { connect } from '../server/src/db/connect.ts';
import type { PgSession } from '../server/src/db/session.ts';
import { must } from '../server/src/lib/assert.ts';
import { Secret } from '../server/src/lib/secret.ts';
import type { ConnectionSettings } from '../server/src/model/connection.ts';
import { quoteIdent } from '../server/src/pg/ident.ts';
import type { BenchOptions, Version } from './options.ts';

export type Side = 'source' | 'destination';

/** Name of the superuser of both clusters, whom all contenders use. */
export const BENCH_USER = 'bench';

/**
 * Settings of both clusters. Checkpoints and autovacuum would strike one contender and spare the next, so the bench does
 * both itself between the measurements. Commit timestamps give the lag scenario the moment of each source commit. Up to
 * version 15 native replication starts at most one worker in each `wal_retrieve_retry_interval`; its default of 5 s would
 * be counted as the time of a copy or a catch-up.
 */
export const CLUSTER_SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '1GB',
  max_wal_size: '32GB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  track_commit_timestamp: 'on',
  max_connections: '60',
  max_replication_slots: '16',
  max_wal_senders: '16',
  max_worker_processes: '16',
  wal_retrieve_retry_interval: '100ms',
  maintenance_work_mem: '256MB',
  log_min_messages: 'warning',
};

/** Both clusters and what belongs to them. */
export class Workbench {
  readonly #clusters: Readonly<Record<Side, EmbeddedCluster>>;
  readonly #version: Version;
  readonly directory: string;
  readonly password: Secret;

  constructor(
    clusters: Readonly<Record<Side, EmbeddedCluster>>,
    at: { readonly directory: string; readonly password: Secret; readonly version: Version },
  ) {
    this.#clusters = clusters;
    this.#version = at.version;
    this.directory = at.directory;
    this.password = at.password;
  }

  /** How to reach a database as the superuser. */
  connection(side: Side, database: string): ConnectionSettings {
    return this.#clusters[side].connection({ database });
  }

  /** The process id of a cluster's postmaster. */
  postmasterPid(side: Side): number {
    return must(this.#clusters[side].pid, `process id of the ${side} cluster`);
  }

  /** Opens a session to a database; the caller closes it. `replication` opens a walsender. */
  open(side: Side, database: string, kind: 'sql' | 'replication' = 'sql'): Promise<PgSession> {
    return connect(this.connection(side, database), {
      applicationName: 'millrace bench',
      side,
      replication: kind === 'replication' ? 'database' : undefined,
    });
  }

  /** Runs `work` with a session of its own and closes it, also on failure. */
  async use<T>(side: Side, database: string, work: (session: PgSession) => Promise<T>): Promise<T> {
    const session = await this.open(side, database);
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  }

  /** Makes a database, empty or as a copy of `template`; one of that name is dropped before. */
  async createDatabase(side: Side, database: string, template = 'template1'): Promise<void> {
    await this.dropDatabase(side, database);
    // From 15 on the default strategy writes a copy of every page to the log, for which a large template is too large.
    const strategy = this.#version >= 15 && template !== 'template1' ? ' STRATEGY file_copy' : '';
    await this.use(side, 'postgres', async (session) => {
      await session.query(`CREATE DATABASE ${quoteIdent(database)} TEMPLATE ${quoteIdent(template)}${strategy}`);
    });
  }

  /** Drops a database with the slots and sessions that hold it. */
  async dropDatabase(side: Side, database: string): Promise<void> {
    await this.use(side, 'postgres', async (session) => {
      const slots = await session.query(
        'SELECT slot_name::text, active_pid::text FROM pg_catalog.pg_replication_slots WHERE database = $1::text',
        [database],
      );
      for (const [slot, activePid] of slots) {
        if (activePid) await session.query('SELECT pg_catalog.pg_terminate_backend($1::int)', [activePid]);
        await waitUntil(async () => (await slotIsIdle(session, must(slot, 'slot name'))) || null, `slot ${slot} to be left`);
        await session.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [must(slot, 'slot name')]);
      }
      await session.query(`DROP DATABASE IF EXISTS ${quoteIdent(database)} WITH (FORCE)`);
    });
  }

  /** Writes everything dirty, so that no measurement pays for what an earlier one left behind. */
  async settle(): Promise<void> {
    for (const side of ['source', 'destination'] as const) {
      await this.use(side, 'postgres', async (session) => void (await session.query('CHECKPOINT')));
    }
  }

  /** The end of a cluster's log, for a failure's message. */
  logTail(side: Side): Promise<string> {
    return this.#clusters[side].logTail();
  }

  /** Stops both clusters and removes their files. */
  async close(): Promise<void> {
    await Promise.all([this.#clusters.source.stop('immediate'), this.#clusters.destination.stop('immediate')]);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Starts both clusters in a new directory. */
export async function openWorkbench(options: BenchOptions): Promise<Workbench> {
  const directory = await mkdtemp(join(options.directory ?? tmpdir(), 'millrace-bench-'));
  // As root the servers run under another account, which must be able to enter.
  await chmod(directory, 0o755);
  const password = new Secret(randomBytes(18).toString('hex'));
  const start = (side: Side): Promise<EmbeddedCluster> =>
    startCluster({
      version: options.version,
      dataDir: join(directory, side),
      superuser: BENCH_USER,
      password,
      settings: CLUSTER_SETTINGS,
      durable: options.durable,
    });
  try {
    const source = await start('source');
    const destination = await start('destination');
    return new Workbench({ source, destination }, { directory, password, version: options.version });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Asks `probe` every `intervalMs` until it answers something else than null. Throws after `timeoutMs`, naming what was
 * awaited.
 */
export async function waitUntil<T>(
  probe: () => Promise<T | null>,
  awaited: string,
  { intervalMs = 20, timeoutMs = 30 * 60_000 }: { readonly intervalMs?: number; readonly timeoutMs?: number } = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== null) return answer;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s in vain for ${awaited}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}

async function slotIsIdle(session: PgSession, slot: string): Promise<boolean> {
  const rows = await session.query('SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND active', [slot]);
  return rows.length === 0;
}
