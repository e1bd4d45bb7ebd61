// Looks for what a pipeline left behind: sessions, slots, staging tables, files, and, after `drop`, anything at all.
import { setTimeout as delay } from 'node:timers/promises';
import { type Arena, type Side, SIDES } from './arena.ts';

/** No process of the pipeline runs any more; the pipeline still exists. One line for each thing that should not be there. */
export async function findLeftovers(arena: Arena): Promise<readonly string[]> {
  const sessions = (await Promise.all(SIDES.map((side) => lingeringSessions(arena, side)))).flat();
  const slots = await arena.query('source', 'SELECT slot_name, active::text FROM pg_catalog.pg_replication_slots');
  const prepared = await arena.query('source', 'SELECT gid FROM pg_catalog.pg_prepared_xacts');
  const tables = await arena.query('destination', OUR_TABLES_SQL);
  const files = await arena.temporaryFiles();
  return [
    ...sessions,
    ...(slots.length === 1 && slots[0]?.[1] === 'false' ? [] : [`slots: ${JSON.stringify(slots)}`]),
    ...prepared.map(([gid]) => `prepared transaction ${gid ?? ''}`),
    ...tables.map(([name]) => `table ${name ?? ''}`),
    ...files.map((file) => `file ${file}`),
  ];
}

/** The pipeline was dropped. */
export async function findRemains(arena: Arena): Promise<readonly string[]> {
  const atSource = await arena.query(
    'source',
    `SELECT 'slot ' || slot_name FROM pg_catalog.pg_replication_slots
     UNION ALL SELECT 'publication ' || pubname FROM pg_catalog.pg_publication`,
  );
  const atDestination = await arena.query(
    'destination',
    `SELECT 'schema ' || nspname FROM pg_catalog.pg_namespace WHERE nspname = '_millrace'`,
  );
  return [...atSource, ...atDestination].map(([what]) => what ?? '');
}

/** A killed process's sessions end when the server next looks at their sockets. */
async function lingeringSessions(arena: Arena, side: Side): Promise<readonly string[]> {
  const startMs = performance.now();
  for (;;) {
    const rows = await arena.query(side, SESSIONS_SQL);
    if (rows.length === 0) return [];
    if (performance.now() - startMs > LEAVE_TIMEOUT_MS) return rows.map((row) => `session at the ${side}: ${row.join(' ')}`);
    await delay(POLL_MS);
  }
}

const LEAVE_TIMEOUT_MS = 10_000;
const POLL_MS = 50;

const SESSIONS_SQL = `
SELECT pid::text, application_name, state, left(query, 80) FROM pg_catalog.pg_stat_activity WHERE application_name LIKE 'millrace%'`;

const OUR_TABLES_SQL = `
SELECT c.oid::regclass FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND (
  n.nspname = '_millrace' AND c.relname NOT IN ('version', 'pipeline', 'object', 'chunk', 'raw_table', 'type', 'event')
  OR n.nspname LIKE 'pg_temp_%' OR n.nspname = 'public')`;
