// The entry to the harness: `const pg = usePostgres()` at the top of a file of database tests.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, inject } from 'vitest';
import type { PostgresMajor } from '../../src/app/embedded/binaries.ts';
import { type EmbeddedCluster, startCluster } from '../../src/app/embedded/cluster.ts';
import { Secret } from '../../src/lib/secret.ts';
import { countHandles, findLeaks } from './leaks.ts';
import { type SharedCluster, type Side, sharedConnection, TEST_SETTINGS } from './shared-clusters.ts';
import { type ClusterMark, TestCluster } from './test-cluster.ts';
import { makeTestDirectory, removeTestDirectory } from './test-directory.ts';

export interface Postgres {
  /** The run's source cluster; its version comes from MILLRACE_TEST_SOURCE. */
  readonly source: TestCluster;
  /** The run's destination cluster; its version comes from MILLRACE_TEST_DESTINATION. */
  readonly destination: TestCluster;
  /** Starts a cluster for this test alone, to be killed, restarted or set otherwise. Takes about a second. */
  ownCluster(options?: OwnClusterOptions): Promise<OwnCluster>;
}

export interface OwnClusterOptions {
  readonly side?: Side | undefined;
  readonly version?: PostgresMajor | undefined;
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

export interface OwnCluster {
  readonly cluster: TestCluster;
  readonly server: EmbeddedCluster;
}

/**
 * Registers the hooks of the harness. What a test makes goes when it ends; what `beforeAll` makes goes with the file.
 * A test fails when it leaves sessions, slots, prepared transactions, child processes or sockets behind.
 */
export function usePostgres(): Postgres {
  const shared = [sharedCluster('source', inject('source')), sharedCluster('destination', inject('destination'))] as const;
  const [source, destination] = shared;
  const own: OwnedCluster[] = [];
  const emptyMarks = shared.map((cluster) => cluster.mark());
  let start: TestStart = { marks: emptyMarks, own: 0, handles: 0 };

  beforeEach(() => {
    start = { marks: shared.map((cluster) => cluster.mark()), own: own.length, handles: countHandles(shared) };
  });

  afterEach(async ({ task }) => {
    await Promise.all(own.splice(start.own).map(removeOwned));
    // A failed test leaves things behind because it was cut short; that would only hide why.
    const leaks = task.result?.state === 'fail' ? [] : await findLeaks(shared, start.handles);
    await dropSince(shared, start.marks);
    if (leaks.length > 0) throw new Error(`the test left behind:\n${leaks.join('\n')}`);
  });

  afterAll(async () => {
    await Promise.all(own.splice(0).map(removeOwned));
    await dropSince(shared, emptyMarks);
  });

  const ownCluster = async (options: OwnClusterOptions = {}): Promise<OwnCluster> => {
    const owned = await startOwned(options);
    own.push(owned);
    return owned;
  };
  return { source, destination, ownCluster };
}

interface OwnedCluster extends OwnCluster {
  readonly directory: string;
}

/** What existed when the test began. */
interface TestStart {
  readonly marks: readonly ClusterMark[];
  readonly own: number;
  readonly handles: number;
}

function sharedCluster(side: Side, shared: SharedCluster): TestCluster {
  return new TestCluster(side, shared.major, (database) => sharedConnection(shared, database));
}

async function dropSince(clusters: readonly TestCluster[], marks: readonly ClusterMark[]): Promise<void> {
  await Promise.all(clusters.map((cluster, index) => cluster.dropSince(marks[index] ?? { databases: 0, roles: 0 })));
}

async function startOwned(options: OwnClusterOptions): Promise<OwnedCluster> {
  const side = options.side ?? 'source';
  const directory = await makeTestDirectory();
  const version = options.version ?? (inject(side).major as PostgresMajor);
  const server = await startCluster({
    version,
    dataDir: join(directory, side),
    password: new Secret(randomUUID()),
    settings: { ...TEST_SETTINGS, ...options.settings },
    durable: false,
  });
  return { server, directory, cluster: new TestCluster(side, version, (database) => server.connection({ database })) };
}

async function removeOwned(owned: OwnedCluster): Promise<void> {
  await owned.cluster.forget();
  await owned.server.stop('immediate');
  await removeTestDirectory(owned.directory);
}
