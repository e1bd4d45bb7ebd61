// kill -9 around the change of a destination table: rows, columns, state and checkpoint are there together, or not at all.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { FailpointName } from '../../src/lib/failpoint.ts';
import type { ConnectionSettings } from '../../src/model/connection.ts';
import { makeTestDirectory, removeTestDirectory } from '../pg/test-directory.ts';
import { rowsOf, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();
const PROGRAM = fileURLToPath(new URL('../../bin/millrace.mjs', import.meta.url));
const POINTS: readonly FailpointName[] = ['apply.before_alter', 'apply.after_alter', 'apply.before_commit', 'apply.after_commit'];

test.each(POINTS)('a process that dies at %s has changed everything or nothing, and the next goes on from there', async (failpoint) => {
  const pair = await servers.pair();
  await pair.source.query("CREATE TABLE public.t (id int PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'a')");
  await pair.once();
  await pair.source.query(`
    BEGIN;
    INSERT INTO public.t VALUES (2, 'b'); ALTER TABLE public.t ADD COLUMN w int DEFAULT 7; INSERT INTO public.t VALUES (3, 'c', 3);
    ALTER TABLE public.t RENAME COLUMN v TO name; UPDATE public.t SET name = 'x' WHERE id = 1;
    COMMIT`);
  await dieAt(failpoint, pair.source.settings(), pair.destination.settings());
  const rows = await rowsOf(pair.destination, 't');
  expect([['(1,a)'], ['(1,x,7)', '(2,b,7)', '(3,c,3)']]).toContainEqual(rows);
  await pair.once();
  await pair.expectEqual('t');
  expect(await pair.destination.query('SELECT copy_generation FROM _millrace.object')).toEqual([['1']]);
});

async function dieAt(failpoint: FailpointName, source: ConnectionSettings, destination: ConnectionSettings): Promise<void> {
  const directory = await makeTestDirectory();
  onTestFinished(() => removeTestDirectory(directory));
  const file = join(directory, 'scenario.yaml');
  const server = ({ host, port, database, user }: ConnectionSettings, side: string): string =>
    `host: '${host}', port: ${port}, database: '${database}', user: '${user}', password: "\${MILLRACE_TEST_${side}}", ssl: {mode: disable}`;
  await writeFile(
    file,
    `version: 1
sources:
  source: {type: generic, ${server(source, 'SOURCE')}}
destinations:
  destination: {type: postgres, ${server(destination, 'DESTINATION')}, allow_unencrypted: true}
pipelines:
  scenario: {source: source, destination: destination}
`,
  );
  const child = spawn(process.execPath, [PROGRAM, 'run', '--once', '-f', file, '--json'], {
    env: {
      ...process.env,
      MILLRACE_FAILPOINT: failpoint,
      MILLRACE_TEST_SOURCE: source.password?.reveal() ?? 'none',
      MILLRACE_TEST_DESTINATION: destination.password?.reveal() ?? 'none',
    },
    stdio: 'ignore',
  });
  const [, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  expect(signal).toBe('SIGKILL');
}
