// Decides what a postmaster.pid of an earlier run means, because PostgreSQL refuses to start when its number lives on in another program.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MillraceError } from '../../model/error.ts';

/** What is known about the process that a `postmaster.pid` names. */
export type NamedProcess = { readonly state: 'gone' } | { readonly state: 'alive'; readonly program: string | null };

/** `stale`: remove the file. `running`: a server uses the directory, and nobody else may. */
export type PidFileVerdict = 'none' | 'stale' | 'running';

/**
 * A number alone proves nothing: after a crash, or in a container started anew, it may be any program's. Only when the
 * program's name can't be found do we believe the file. Source: manual, "66.1. Database File Layout" (postmaster.pid).
 */
export function judgePidFile(text: string | null, named: (pid: number) => NamedProcess): PidFileVerdict {
  if (text === null) return 'none';
  const pid = Number(text.split('\n')[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return 'stale';
  const found = named(pid);
  if (found.state === 'gone') return 'stale';
  return found.program === null || found.program === 'postgres' ? 'running' : 'stale';
}

/**
 * Makes the directory free to start in: removes a stale file, and waits for a server whose owner has just died.
 * Throws `embedded_postgres_unavailable` when a server still runs there after `timeoutMs`.
 */
export async function awaitFreeDirectory(data: string, timeoutMs: number): Promise<void> {
  const file = join(data, 'postmaster.pid');
  for (const deadline = Date.now() + timeoutMs; ; await delay(RECHECK_MS)) {
    const text = await readFile(file, 'utf8').catch(() => null);
    const program = text === null ? null : await programName(Number(text.split('\n')[0]));
    const verdict = judgePidFile(text, (pid) => (isAlive(pid) ? { state: 'alive', program } : { state: 'gone' }));
    if (verdict === 'none') return;
    if (verdict === 'stale') return rm(file, { force: true });
    if (Date.now() > deadline) {
      throw new MillraceError('embedded_postgres_unavailable', {
        cause: `a PostgreSQL server already runs in ${data}`,
        fix: 'Stop the other process, or choose another directory.',
      });
    }
  }
}

const RECHECK_MS = 100;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The program of a process, where the system tells it without another program (Linux); null elsewhere. */
async function programName(pid: number): Promise<string | null> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => null);
  return name === null ? null : name.trim();
}
