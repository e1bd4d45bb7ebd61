// Creates a cluster's data directory, whole or not at all.
import { execFile } from 'node:child_process';
import { appendFile, chown, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Secret } from '../../lib/secret.ts';
import { MillraceError } from '../../model/error.ts';
import type { PostgresMajor } from './binaries.ts';
import type { Installation } from './installation.ts';
import type { ServerUser } from './server-user.ts';

export interface InitdbOptions {
  readonly major: PostgresMajor;
  readonly installation: Installation;
  readonly home: string;
  readonly user: ServerUser | null;
  readonly superuser: string;
  readonly password: Secret;
  readonly durable: boolean;
}

/** The server's settings that we write, beside the data directory. */
export function settingsFile(home: string): string {
  return join(home, 'millrace.conf');
}

export function dataDirectory(home: string): string {
  return join(home, 'data');
}

/**
 * Runs initdb unless the cluster exists. Throws `embedded_postgres_unavailable` when the existing one is of another
 * major version, which this server can't read. Source: manual, "initdb".
 */
export async function ensureDataDirectory(options: InitdbOptions): Promise<void> {
  const data = dataDirectory(options.home);
  const existing = await readFile(join(data, 'PG_VERSION'), 'utf8').catch(() => null);
  if (existing === null) return createDataDirectory(options, data);
  if (existing.trim() === String(options.major)) return;
  throw new MillraceError('embedded_postgres_unavailable', {
    cause: `${data} was made by PostgreSQL ${existing.trim()}, and this is PostgreSQL ${options.major}`,
    fix: 'Choose another directory, or remove this one with all its data.',
  });
}

/** The environment of the server's programs: nothing of ours, because PGPORT, PGDATA and their like would be obeyed. */
export function serverEnvironment(installation: Installation): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LC_ALL: 'C',
    ...(installation.libraryPath === null ? {} : { LD_LIBRARY_PATH: installation.libraryPath }),
  };
}

/** initdb's arguments: UTF-8 and byte order by default, so that no locale of the machine decides how text sorts. */
export function initdbArguments(
  options: Pick<InitdbOptions, 'major' | 'superuser' | 'durable'>,
  data: string,
  passwordFile: string,
): string[] {
  return [
    `--pgdata=${data}`,
    `--username=${options.superuser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    ...(options.major >= 17 ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8'] : []),
    ...(options.durable ? [] : ['--no-sync']),
  ];
}

async function createDataDirectory(options: InitdbOptions, data: string): Promise<void> {
  // A crash in the middle of initdb leaves only this draft, which the next start ignores.
  const draft = join(options.home, `data.${process.pid}.new`);
  const passwordFile = join(options.home, `password.${process.pid}`);
  await rm(draft, { recursive: true, force: true });
  try {
    await writeFile(passwordFile, `${options.password.reveal()}\n`, { mode: 0o600 });
    if (options.user !== null) await chown(passwordFile, options.user.uid, options.user.gid);
    await runInitdb(options, initdbArguments(options, draft, passwordFile));
    await appendFile(join(draft, 'postgresql.conf'), "\ninclude '../millrace.conf'\n");
    await rename(draft, data);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    // Another process made the same cluster meanwhile: it is as good as ours.
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function runInitdb(options: InitdbOptions, args: string[]): Promise<void> {
  try {
    await promisify(execFile)(join(options.installation.binDir, 'initdb'), args, {
      cwd: options.home,
      env: serverEnvironment(options.installation),
      ...(options.user === null ? {} : { uid: options.user.uid, gid: options.user.gid }),
    });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const cause = `initdb failed: ${(stderr ?? '').trim() || message}`;
    // The kernel says ENOENT for an existing program whose loader is missing: a system without glibc, like Alpine.
    const fix = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'Use a Linux with glibc (Debian, Ubuntu, RHEL …).' : undefined;
    throw new MillraceError('embedded_postgres_unavailable', { cause, fix }, error);
  }
}
