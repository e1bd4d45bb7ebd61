// Temporary directories of tests: open to the servers' user, and swept when a killed run left them behind.
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'millrace-test-';

/** A new directory, named after this process. When root runs the tests, the servers run as somebody else and may enter it. */
export async function makeTestDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  await chmod(directory, 0o711);
  return directory;
}

/** Removes a directory whose servers have just been stopped; their last children may still be writing into it. */
export async function removeTestDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

/** Removes the directories of processes that are gone: `kill -9` lets nobody clean up. */
export async function sweepTestDirectories(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = /^millrace-test-(\d+)-/.exec(name)?.[1];
    // Another account's directory can't be removed, and is not ours to remove.
    if (owner !== undefined && !isAlive(Number(owner))) await removeTestDirectory(join(tmpdir(), name)).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
