// Tells whether changes flow: a row is changed at the source, and seen at the destination or not.
import { setTimeout as delay } from 'node:timers/promises';
import type { Arena } from './arena.ts';
import type { MillraceProcess } from './millrace-process.ts';

/**
 * Changes the row of the table `pulse` and waits until the destination shows it. Resolves to how long that took in milliseconds since
 * `sinceMs`. Rejects when the process ends by itself, or when the time is over.
 */
export async function beat(arena: Arena, process: MillraceProcess, options: { sinceMs: number; timeoutMs: number }): Promise<number> {
  const [row] = await arena.query('source', 'UPDATE chaos.pulse SET n = n + 1 WHERE id = 1 RETURNING n');
  const wanted = BigInt(row?.[0] ?? '0');
  const destination = await arena.open('destination', 'pulse');
  try {
    while (performance.now() - options.sinceMs < options.timeoutMs) {
      if (process.endedByItself) throw new Error(`millrace ended by itself:\n${process.lastWords}`);
      // The table is not there before its historical load.
      const rows = await destination.query('SELECT n FROM chaos.pulse WHERE id = 1').catch(() => []);
      if (BigInt(rows[0]?.[0] ?? '-1') >= wanted) return performance.now() - options.sinceMs;
      await delay(POLL_MS);
    }
  } finally {
    await destination.close();
  }
  throw new Error(`no change arrived within ${options.timeoutMs} ms:\n${process.lastWords}`);
}

const POLL_MS = 20;
