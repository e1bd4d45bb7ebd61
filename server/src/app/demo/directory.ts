// The demo's temporary directory: gone when the demo is, in whatever way that ends.
import { rmSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'millrace-demo-';

/** A directory of this process, and the way to remove it. */
export interface DemoDirectory {
  readonly path: string;
  /** Removes it with everything in it. The servers in it must have been stopped; their last children may still be writing. */
  remove(): Promise<void>;
}

/**
 * Makes the directory, and removes those of demos that were killed before they could do it. Should this process end without `remove`
 * (a second Ctrl-C), the directory goes with it; the servers in it notice by themselves.
 */
export async function makeDemoDirectory(): Promise<DemoDirectory> {
  await sweepDemoDirectories();
  const path = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const removeAtExit = (): void => rmSync(path, { recursive: true, force: true, maxRetries: EXIT_RETRIES, retryDelay: RETRY_DELAY_MS });
  process.on('exit', removeAtExit);
  // Under root the servers run as somebody else, who must be able to pass through.
  await chmod(path, 0o711);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: RETRIES, retryDelay: RETRY_DELAY_MS });
      process.off('exit', removeAtExit);
    },
  };
}

const RETRIES = 20;
const EXIT_RETRIES = 5;
const RETRY_DELAY_MS = 50;

async function sweepDemoDirectories(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = /^millrace-demo-(\d+)-/.exec(name)?.[1];
    // Another account's directory is not ours to remove, and can't be.
    if (owner !== undefined && !isAlive(Number(owner))) await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => {});
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
