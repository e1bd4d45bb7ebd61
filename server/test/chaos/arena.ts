// Where the chaos happens: a source and a destination cluster of its own, and the file of the pipeline between them.
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresMajor } from '../../src/app/embedded/binaries.ts';
import { type EmbeddedCluster, startCluster } from '../../src/app/embedded/cluster.ts';
import { connect } from '../../src/db/connect.ts';
import type { PgSession, Row } from '../../src/db/session.ts';
import { Secret } from '../../src/lib/secret.ts';
import type { ConnectionSettings } from '../../src/model/connection.ts';
import { makeTestDirectory, removeTestDirectory } from '../pg/test-directory.ts';
import { CREATE_TABLES, fillTables, type InitialRows } from './workload/schema.sql.ts';

export type Side = 'source' | 'destination';
export const SIDES: readonly Side[] = ['source', 'destination'];

export const PIPELINE = 'chaos';

export interface ArenaOptions {
  readonly version: PostgresMajor;
  readonly initial: InitialRows;
  /** fsync on both sides. A crash of the server alone loses nothing without it. */
  readonly durable: boolean;
}

/** Starts both clusters and fills the source. Close it. */
export async function openArena(options: ArenaOptions): Promise<Arena> {
  const directory = await makeTestDirectory();
  await mkdir(join(directory, 'tmp'));
  const password = new Secret(randomUUID());
  const start = (side: Side): Promise<EmbeddedCluster> =>
    startCluster({
      version: options.version,
      dataDir: join(directory, side),
      password,
      settings: SERVER_SETTINGS,
      durable: options.durable,
    });
  const [source, destination] = await Promise.all([start('source'), start('destination')]);
  const arena = new Arena(directory, password, { source, destination });
  try {
    await arena.fill(options.initial);
    return arena;
  } catch (error) {
    await arena.close();
    throw error;
  }
}

/** Room for the pipeline and the harness; small, because there are two of them beside everything else. */
const SERVER_SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '64MB',
  max_connections: '100',
  max_prepared_transactions: '20',
  max_wal_size: '512MB',
  jit: 'off',
};

export class Arena {
  readonly directory: string;
  readonly password: Secret;
  readonly servers: Readonly<Record<Side, EmbeddedCluster>>;

  constructor(directory: string, password: Secret, servers: Readonly<Record<Side, EmbeddedCluster>>) {
    this.directory = directory;
    this.password = password;
    this.servers = servers;
  }

  /** Where the processes under test put their temporary files, and nobody else does. */
  get temporaryDirectory(): string {
    return join(this.directory, 'tmp');
  }

  connection(side: Side): ConnectionSettings {
    return this.servers[side].connection({ database: DATABASES[side] });
  }

  async open(side: Side, purpose: string): Promise<PgSession> {
    return connect(this.connection(side), { applicationName: `chaos ${purpose}`, side, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
  }

  /** Runs a statement on a session of its own: nothing of a killed server is held on to. */
  async query(side: Side, text: string, values?: Parameters<PgSession['query']>[1]): Promise<readonly Row[]> {
    const session = await this.open(side, 'harness');
    try {
      return await session.query(text, values);
    } finally {
      await session.close();
    }
  }

  /** Writes the pipeline's file; with `ports` it goes by way of other ports than the servers' own. */
  async writeFile(name: string, ports: Readonly<Record<Side, number>> = this.#ports()): Promise<string> {
    const path = join(this.directory, name);
    await writeFile(path, pipelineFile(ports));
    return path;
  }

  /** Files that the processes under test left behind. */
  async temporaryFiles(): Promise<readonly string[]> {
    return readdir(this.temporaryDirectory);
  }

  async fill(initial: InitialRows): Promise<void> {
    await chmod(this.temporaryDirectory, 0o700);
    for (const side of SIDES) await this.#query(side, 'postgres', `CREATE DATABASE ${DATABASES[side]}`);
    await this.query('source', CREATE_TABLES);
    await this.query('source', fillTables(initial));
  }

  /** Stops both servers and removes everything. */
  async close(): Promise<void> {
    await Promise.all(SIDES.map((side) => this.servers[side].stop('immediate')));
    await removeTestDirectory(this.directory);
  }

  async #query(side: Side, database: string, text: string): Promise<void> {
    const session = await connect(this.servers[side].connection({ database }), { applicationName: 'chaos harness', side });
    await session.query(text);
    await session.close();
  }

  #ports(): Readonly<Record<Side, number>> {
    return { source: this.servers.source.port, destination: this.servers.destination.port };
  }
}

const DATABASES: Readonly<Record<Side, string>> = { source: 'chaos_source', destination: 'chaos_destination' };
const STATEMENT_TIMEOUT_MS = 60_000;

/** The tables to compare, roots of partitions instead of their parts: name, columns quoted and joined, OID. */
export const CHAOS_TABLES_SQL = `
SELECT c.relname, string_agg('t.' || quote_ident(a.attname), ', ' ORDER BY a.attnum), c.oid
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'chaos'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
GROUP BY c.relname, c.oid ORDER BY c.relname`;

/** The environment variable that the file takes the password from. */
export const PASSWORD_VARIABLE = 'MILLRACE_CHAOS_PASSWORD';

function pipelineFile(ports: Readonly<Record<Side, number>>): string {
  const server = (side: Side): string =>
    `host: 127.0.0.1, port: ${ports[side]}, database: ${DATABASES[side]}, user: postgres, password: "\${${PASSWORD_VARIABLE}}"`;
  return `version: 1
sources:
  shop: {type: generic, ${server('source')}, ssl: {mode: disable}}
destinations:
  warehouse: {type: postgres, ${server('destination')}, ssl: {mode: disable}, allow_unencrypted: true}
pipelines:
  ${PIPELINE}: {source: shop, destination: warehouse, schedule: continuous}
`;
}
