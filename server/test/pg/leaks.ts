// Finds what a test left behind on a server or in this process: sessions, slots, prepared transactions, children, sockets.
import type { TestCluster } from './test-cluster.ts';
import { waitFor } from './wait-for.ts';

/** How many handles of the kinds that a test must give back this process holds, the harness's own left out. */
export function countHandles(clusters: readonly TestCluster[]): number {
  const ours = clusters.flatMap((cluster) => cluster.databases).reduce((sum, database) => sum + database.openSessions, 0);
  return process.getActiveResourcesInfo().filter((kind) => HANDLE_KINDS.has(kind)).length - ours;
}

/** One line for each thing left behind; sockets and backends get a moment to go, because closing is not instant. */
export async function findLeaks(clusters: readonly TestCluster[], handlesBefore: number): Promise<readonly string[]> {
  let leaks: readonly string[] = [];
  await waitFor(
    'nothing left behind',
    async () => {
      leaks = [...leakedHandles(clusters, handlesBefore), ...(await Promise.all(clusters.map(serverLeaks))).flat()];
      return leaks.length === 0;
    },
    LEAVE_TIMEOUT_MS,
  ).catch((error: unknown) => {
    if (leaks.length === 0) throw error;
  });
  return leaks;
}

const LEAVE_TIMEOUT_MS = 3_000;

const HANDLE_KINDS = new Set(['ProcessWrap', 'TCPSocketWrap', 'TCPServerWrap', 'PipeWrap', 'Worker']);

function leakedHandles(clusters: readonly TestCluster[], before: number): readonly string[] {
  const now = countHandles(clusters);
  if (now <= before) return [];
  return [`${now - before} handles of this process, among ${process.getActiveResourcesInfo().join(', ')}`];
}

async function serverLeaks(cluster: TestCluster): Promise<readonly string[]> {
  if (cluster.databases.length === 0) return [];
  const names = cluster.databases.map((database) => database.name);
  const own = cluster.databases.flatMap((database) => database.backendPids).map(String);
  const rows = await cluster.query(LEFT_BEHIND_SQL, [names, own]);
  return rows.map((row) => `${cluster.side}: ${row.join(' ')}`);
}

const LEFT_BEHIND_SQL = `
SELECT 'session', pid::text, backend_type, application_name, state, query
FROM pg_catalog.pg_stat_activity
WHERE datname = ANY ($1) AND NOT pid = ANY ($2::int[]) AND backend_type IN ('client backend', 'walsender')
UNION ALL
SELECT 'slot', slot_name, plugin, NULL, NULL, NULL
FROM pg_catalog.pg_replication_slots
WHERE database = ANY ($1)
UNION ALL
SELECT 'prepared transaction', gid, NULL, NULL, NULL, NULL
FROM pg_catalog.pg_prepared_xacts
WHERE database = ANY ($1)`;
