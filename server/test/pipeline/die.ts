// Runs a pipeline in a process of its own that is killed at a named place, as a crash would.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { ConnectionSettings } from '../../src/model/connection.ts';
import { waitFor } from '../pg/wait-for.ts';
import type { ChildRun, PlainConnection } from './pipeline-child.ts';
import { pipelineSettings, type ScenarioOptions } from './pipeline.ts';
import type { Pair } from './scenario.ts';

const CHILD = fileURLToPath(new URL('run-child.mjs', import.meta.url));

/** Resolves when the process is dead and both servers have noticed; fails when it came to its end instead. `at`: `name` or `name:nth`. */
export async function dieAt(at: string, { source, destination }: Pair, options: ScenarioOptions): Promise<void> {
  const { source: from, destination: to, ...settings } = pipelineSettings(source, destination, options);
  const run: ChildRun = { settings, source: plain(from.connection), destination: plain(to.connection), tuning: options.tuning };
  const env = { ...process.env, MILLRACE_FAILPOINT: at, MILLRACE_TEST_RUN: JSON.stringify(run) };
  const child = spawn(process.execPath, [CHILD], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  expect({ at, signal, output }).toEqual({ at, signal: 'SIGKILL', output: '' });
  for (const database of [source, destination]) {
    await waitFor('the sessions of the dead process to end', async () => {
      const rows = await database.query(
        "SELECT pid FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND application_name LIKE 'millrace scenario%'",
      );
      return rows.length === 0;
    });
  }
}

function plain({ host, port, database, user, password }: ConnectionSettings): PlainConnection {
  return { host, port, database, user, password: password?.reveal() ?? '' };
}
