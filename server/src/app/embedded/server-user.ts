// Chooses who the embedded server runs as: PostgreSQL refuses to run as root, and initdb needs an account that exists.
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { MillraceError } from '../../model/error.ts';

/** An account of the operating system. */
export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The account to run the server as, or null: ours will do. Only root has to choose. */
export async function serverUser(): Promise<ServerUser | null> {
  if (process.getuid?.() !== 0) return null;
  const user = unprivilegedUser(await readFile('/etc/passwd', 'utf8').catch(() => ''));
  if (user !== null) return user;
  throw new MillraceError('embedded_postgres_unavailable', {
    cause: 'PostgreSQL does not run as root, and the accounts postgres and nobody do not exist',
    fix: 'Run as an ordinary user; or name a PostgreSQL server of your own.',
  });
}

/** `postgres`, else `nobody`, of the text of an `/etc/passwd`; null when it has neither. */
export function unprivilegedUser(passwd: string): ServerUser | null {
  const accounts = new Map<string, ServerUser>();
  for (const line of passwd.split('\n')) {
    const [name, , uidText, gidText] = line.split(':');
    const uid = Number(uidText);
    const gid = Number(gidText);
    if (name !== undefined && uid > 0 && gid >= 0) accounts.set(name, { name, uid, gid });
  }
  return accounts.get('postgres') ?? accounts.get('nobody') ?? null;
}

/**
 * The first directory on the way to `path` (itself included) that `user` may not enter, or null when it may enter all.
 * Looks at the permission bits only; a child started with another uid keeps no supplementary group.
 */
export async function firstClosedDirectory(path: string, user: ServerUser): Promise<string | null> {
  for (let directory = resolve(path); ; directory = dirname(directory)) {
    const { mode, uid, gid } = await stat(directory);
    if (!maySearch({ mode, uid, gid }, user)) return directory;
    if (directory === dirname(directory)) return null;
  }
}

interface Permissions {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

function maySearch(permissions: Permissions, user: ServerUser): boolean {
  if (permissions.uid === user.uid) return (permissions.mode & 0o100) !== 0;
  if (permissions.gid === user.gid) return (permissions.mode & 0o010) !== 0;
  return (permissions.mode & 0o001) !== 0;
}
