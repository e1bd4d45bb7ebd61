// Waits until the destination has everything that the standing source has, by what a user can see of it.
import { setTimeout as delay } from 'node:timers/promises';
import { type Arena, CHAOS_TABLES_SQL, PIPELINE } from './arena.ts';
import type { MillraceProcess } from './millrace-process.ts';
import { beat } from './pulse.ts';

const SETTLE_TIMEOUT_MS = 120_000;

/** The source must stand still. Rejects with the objects that did not get there, and with what the process said. */
export async function untilCaughtUp(arena: Arena, process: MillraceProcess): Promise<void> {
  await untilStreaming(arena, process);
  // The change comes last, so whoever sees it sees everything before; an object that joined since then has it all, too.
  await beat(arena, process, { sinceMs: performance.now(), timeoutMs: SETTLE_TIMEOUT_MS });
}

async function untilStreaming(arena: Arena, process: MillraceProcess): Promise<void> {
  const tables = new Map((await arena.query('source', CHAOS_TABLES_SQL)).map(([name, , oid]) => [name ?? '', oid ?? '']));
  const session = await arena.open('destination', 'settle');
  const startMs = performance.now();
  try {
    for (;;) {
      if (process.endedByItself) throw new Error(`millrace ended by itself:\n${process.lastWords}`);
      // There is no state before the first start has got that far.
      const rows = await session.query(STATES_SQL, [PIPELINE]).catch(() => []);
      const known = new Map(rows.map(([name, oid, state, reason]) => [name ?? '', { oid, state, reason }]));
      const late = [...tables].filter(([name, oid]) => known.get(name)?.state !== 'streaming' || known.get(name)?.oid !== oid);
      if (late.length === 0) return;
      if (performance.now() - startMs > SETTLE_TIMEOUT_MS) {
        const states = late.map(([name]) => `chaos.${name}: ${JSON.stringify(known.get(name) ?? 'unknown')}`);
        throw new Error(`not streaming after ${SETTLE_TIMEOUT_MS} ms:\n${states.join('\n')}\n${process.lastWords}`);
      }
      await delay(POLL_MS);
    }
  } finally {
    await session.close();
  }
}

const POLL_MS = 50;

const STATES_SQL = `
SELECT source_name, source_oid, CASE WHEN restart_requested THEN 'restart requested' ELSE state END, reason
FROM _millrace.object WHERE pipeline = $1 AND source_schema = 'chaos'`;
