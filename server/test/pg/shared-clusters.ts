// What the run's shared clusters are: started once by global-setup.ts, known to every test file by this.
import { Secret } from '../../src/lib/secret.ts';
import type { ConnectionSettings } from '../../src/model/connection.ts';

/** The two sides that a test can ask for. */
export type Side = 'source' | 'destination';

/** One running cluster, as plain values: they travel from the main process to the test workers. */
export interface SharedCluster {
  readonly major: number;
  readonly port: number;
  readonly superuser: string;
  readonly password: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    source: SharedCluster;
    destination: SharedCluster;
  }
}

/** How a superuser connects to `database` of a shared cluster. */
export function sharedConnection(cluster: SharedCluster, database: string): ConnectionSettings {
  return {
    host: '127.0.0.1',
    port: cluster.port,
    database,
    user: cluster.superuser,
    password: new Secret(cluster.password),
    ssl: { mode: 'disable', ca: null, clientCertificate: null, clientKey: null },
    connectTimeoutMs: 10_000,
  };
}

/** Room for many tests at once, little memory for each. Settings of every cluster that tests start. */
export const TEST_SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '64MB',
  max_connections: '200',
  max_wal_senders: '60',
  max_replication_slots: '60',
  max_prepared_transactions: '20',
  max_wal_size: '512MB',
  jit: 'off',
};
