// Starts the two clusters that all database tests of a run share, before the first of them, and removes them after the last.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { POSTGRES_MAJORS, type PostgresMajor } from '../../src/app/embedded/binaries.ts';
import { type EmbeddedCluster, startCluster } from '../../src/app/embedded/cluster.ts';
import { Secret } from '../../src/lib/secret.ts';
import { type Side, TEST_SETTINGS } from './shared-clusters.ts';
import { makeTestDirectory, removeTestDirectory, sweepTestDirectories } from './test-directory.ts';

let directory: string | null = null;
const clusters: EmbeddedCluster[] = [];

/** Called by vitest once, in its main process. */
export async function setup(project: TestProject): Promise<void> {
  await sweepTestDirectories();
  directory = await makeTestDirectory();
  await Promise.all([start(project, 'source', directory), start(project, 'destination', directory)]);
}

/** Called by vitest once, after the last test. */
export async function teardown(): Promise<void> {
  await Promise.all(clusters.splice(0).map((cluster) => cluster.stop('immediate')));
  if (directory !== null) await removeTestDirectory(directory);
}

async function start(project: TestProject, side: Side, parent: string): Promise<void> {
  const version = versionFor(side);
  const password = randomUUID();
  const cluster = await startCluster({
    version,
    dataDir: join(parent, side),
    password: new Secret(password),
    settings: TEST_SETTINGS,
    durable: false,
  });
  clusters.push(cluster);
  project.provide(side, { major: version, port: cluster.port, superuser: 'postgres', password });
}

function versionFor(side: Side): PostgresMajor {
  const variable = `MILLRACE_TEST_${side.toUpperCase()}`;
  const wanted = process.env[variable] ?? '17';
  const major = POSTGRES_MAJORS.find((known) => String(known) === wanted);
  if (major === undefined) throw new Error(`${variable} must be one of ${POSTGRES_MAJORS.join(', ')}, and is ${wanted}`);
  return major;
}
