// Runs one postmaster such that it can't outlive us, whatever way we die.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { must } from '../../lib/assert.ts';
import { MillraceError } from '../../model/error.ts';
import { serverEnvironment } from './initdb.ts';
import type { Installation } from './installation.ts';
import type { ServerUser } from './server-user.ts';

/**
 * Signals of the postmaster: INT is a fast shutdown, QUIT an immediate one, KILL leaves its children to notice by
 * themselves. Source: manual, "18.5. Shutting Down the Server".
 */
export type ServerSignal = 'INT' | 'QUIT' | 'KILL';

export interface LaunchOptions {
  readonly installation: Installation;
  readonly home: string;
  readonly data: string;
  readonly logFile: string;
  readonly user: ServerUser | null;
}

/** A running postmaster. */
export interface ServerProcess {
  /** The postmaster's process id. */
  readonly pid: number;
  /** Resolves to the exit status (128 + n after signal n) once the postmaster is gone; never rejects. */
  readonly exited: Promise<number>;
  /** Sends a signal; without effect when the postmaster is gone already. */
  signal(name: ServerSignal): void;
}

/** Starts `postgres` on an existing data directory. Returns as soon as it runs, not when it is ready. */
export async function launchServer(options: LaunchOptions): Promise<ServerProcess> {
  const { installation, user } = options;
  const child = spawn('/bin/sh', ['-c', WATCH, 'sh', options.logFile, join(installation.binDir, 'postgres'), '-D', options.data], {
    cwd: options.home,
    env: serverEnvironment(installation),
    stdio: ['pipe', 'pipe', 'ignore'],
    // A session of its own: Ctrl-C in a terminal must reach us alone, who then stop things in order.
    detached: true,
    ...(user === null ? {} : { uid: user.uid, gid: user.gid }),
  });
  const exited = new Promise<number>((resolve) => {
    child.once('error', () => resolve(-1));
    child.once('close', (status) => resolve(status ?? -1));
  });
  const stdin = must(child.stdin, 'the pipe to the watching shell');
  // The shell may be gone when we write; `exited` tells.
  stdin.on('error', () => {});
  void exited.then(() => stdin.destroy());
  const pid = await readPid(child, exited);
  return { pid, exited, signal: (name) => void (stdin.writable && stdin.write(`${name}\n`)) };
}

/**
 * The shell between us and the postmaster. Its standard input is a pipe whose other end only we hold: each line is a
 * signal to pass on, and its end means that we are gone (even by `kill -9`, when nothing else could run), so the server
 * goes too. Immediate shutdown, because a fast one waits for the receivers of other processes; the next start recovers.
 * As the postmaster's parent the shell alone reaps it, so the process id can't be somebody else's when it is signalled.
 */
const WATCH = `
log=$1
shift
exec 3<&0 </dev/null
"$@" >>"$log" 2>&1 3<&- &
server=$!
echo "$server"
{
  while read -r signal <&3; do kill -s "$signal" "$server"; done
  kill -s QUIT "$server"
} >/dev/null 2>&1 &
watcher=$!
exec 3<&- >/dev/null
wait "$server"
status=$?
kill "$watcher"
wait "$watcher"
exit "$status"
`;

async function readPid(child: ChildProcess, exited: Promise<number>): Promise<number> {
  const stdout = must(child.stdout, 'the pipe from the watching shell');
  let text = '';
  const line = new Promise<string>((resolve) => {
    stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.includes('\n')) resolve(text);
    });
  });
  const first = await Promise.race([line, exited]);
  if (typeof first === 'string') return Number(first.trim());
  throw new MillraceError('embedded_postgres_unavailable', { cause: 'the shell that starts PostgreSQL could not be started' });
}
