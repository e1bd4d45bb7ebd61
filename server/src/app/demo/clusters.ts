// The two PostgreSQL clusters of `millrace demo`, with roles that may do as little as in a real installation.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { connect } from '../../db/connect.ts';
import { Secret } from '../../lib/secret.ts';
import type { ConnectionSettings } from '../../model/connection.ts';
import { type EmbeddedCluster, startCluster } from '../embedded/cluster.ts';
import {
  createDatabaseSql,
  createOwnedDatabaseSql,
  createReaderRoleSql,
  createShopRoleSql,
  createWriterRoleSql,
  type DemoRole,
  grantCreateSql,
} from './clusters.sql.ts';
import { makeDemoDirectory } from './directory.ts';

/** How to connect to the demo's servers, each as the role that a real installation would use. */
export interface DemoClusters {
  /** The application: owns the shop and writes to it. */
  readonly shop: ConnectionSettings;
  /** The pipeline's source: replicates, and may put the shop's tables into publications. */
  readonly source: ConnectionSettings;
  /** The pipeline's destination: creates and writes what is its own. */
  readonly destination: ConnectionSettings;
  /** Ends the servers and removes all their files. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts both clusters with empty databases `shop` and `warehouse`. When it fails, or `signal` is aborted meanwhile, nothing stays behind.
 * Whoever gets the clusters must stop them, best in a `finally`; only a process that ends at once needs not.
 */
export async function startDemoClusters(signal?: AbortSignal): Promise<DemoClusters> {
  const directory = await makeDemoDirectory();
  const clusters: EmbeddedCluster[] = [];
  const stop = async (): Promise<void> => {
    // Nothing in here is worth the time of an orderly shutdown.
    await Promise.all(clusters.splice(0).map((cluster) => cluster.stop('immediate')));
    await directory.remove();
  };
  const start = async (name: string): Promise<EmbeddedCluster> => {
    const dataDir = join(directory.path, name);
    const cluster = await startCluster({ dataDir, password: newPassword(), settings: DEMO_SETTINGS, durable: false });
    clusters.push(cluster);
    return cluster;
  };
  try {
    // Both are waited for even if one fails, so that none is starting while we clean up.
    const [source, destination] = settledValues(await Promise.allSettled([start('source'), start('destination')] as const));
    signal?.throwIfAborted();
    const [sourceSide, destinationSide] = await Promise.all([prepareSource(source), prepareDestination(destination)]);
    signal?.throwIfAborted();
    return { ...sourceSide, ...destinationSide, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Two clusters on somebody's laptop: they must not want much. */
const DEMO_SETTINGS = { shared_buffers: '64MB', max_connections: '50', max_wal_size: '256MB', jit: 'off' };

async function prepareSource(cluster: EmbeddedCluster): Promise<Pick<DemoClusters, 'shop' | 'source'>> {
  const shop: DemoRole = { name: 'shop', password: newPassword() };
  const reader: DemoRole = { name: 'millrace', password: newPassword() };
  await runAsSuperuser(cluster, [
    createShopRoleSql(shop),
    createReaderRoleSql(reader, shop),
    createOwnedDatabaseSql('shop', shop),
    grantCreateSql('shop', reader),
  ]);
  return { shop: loginOf(cluster, 'shop', shop), source: loginOf(cluster, 'shop', reader) };
}

async function prepareDestination(cluster: EmbeddedCluster): Promise<Pick<DemoClusters, 'destination'>> {
  const writer: DemoRole = { name: 'writer', password: newPassword() };
  await runAsSuperuser(cluster, [createWriterRoleSql(writer), createDatabaseSql('warehouse'), grantCreateSql('warehouse', writer)]);
  return { destination: loginOf(cluster, 'warehouse', writer) };
}

async function runAsSuperuser(cluster: EmbeddedCluster, statements: readonly string[]): Promise<void> {
  const session = await connect(cluster.connection(), { applicationName: 'millrace demo setup', side: 'source' });
  try {
    for (const statement of statements) await session.query(statement);
  } finally {
    await session.close();
  }
}

function loginOf(cluster: EmbeddedCluster, database: string, role: DemoRole): ConnectionSettings {
  return cluster.connection({ database, user: role.name, password: role.password });
}

function newPassword(): Secret {
  return new Secret(randomBytes(18).toString('base64url'));
}

function settledValues<A, B>(results: readonly [PromiseSettledResult<A>, PromiseSettledResult<B>]): readonly [A, B] {
  const [first, second] = results;
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
  return [first.value, second.value];
}
