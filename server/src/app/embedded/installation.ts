// Makes the npm package's binaries runnable without writing to node_modules: shared-library links, and a copy where it must be.
import { cp, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { firstClosedDirectory, type ServerUser } from './server-user.ts';

/** Binaries that can be started as they are. */
export interface Installation {
  readonly binDir: string;
  /** `LD_LIBRARY_PATH` for them; null where they find their libraries by themselves. */
  readonly libraryPath: string | null;
}

/**
 * npm packages can't hold symbolic links, and `libpq.so.5` and others are links. The package makes them in a
 * postinstall script, which many installs skip, so we make them beside the data.
 *
 * The whole package is copied when the server's user can't reach node_modules (root's home is closed to others), and
 * on macOS: `initdb` starts `postgres` through a shell there, which drops DYLD_LIBRARY_PATH.
 */
export async function prepareInstallation(binaries: Binaries, home: string, user: ServerUser | null): Promise<Installation> {
  const linkTargets = await readLinks(binaries.nativeDir);
  const mustCopy =
    process.platform === 'darwin' || (user !== null && (await firstClosedDirectory(join(binaries.nativeDir, 'lib'), user)) !== null);
  if (mustCopy) {
    const copy = await copyNative(binaries, home, linkTargets);
    return { binDir: join(copy, 'bin'), libraryPath: process.platform === 'darwin' ? null : join(copy, 'lib') };
  }
  const lib = join(binaries.nativeDir, 'lib');
  const links = join(home, `lib-${binaries.packageVersion}`);
  await mkdir(links, { recursive: true, mode: 0o755 });
  await makeLinks(linkTargets, links, (file) => join(lib, file));
  return { binDir: join(binaries.nativeDir, 'bin'), libraryPath: `${links}:${lib}` };
}

/** A link's name and the file beside it that it names. */
interface LibraryLink {
  readonly name: string;
  readonly file: string;
}

async function readLinks(nativeDir: string): Promise<readonly LibraryLink[]> {
  const text = await readFile(join(nativeDir, 'pg-symlinks.json'), 'utf8');
  const entries = JSON.parse(text) as readonly { source: string; target: string }[];
  return entries.map(({ source, target }) => ({ name: basename(target), file: basename(source) }));
}

async function makeLinks(links: readonly LibraryLink[], directory: string, fileOf: (file: string) => string): Promise<void> {
  for (const { name, file } of links) {
    const path = join(directory, name);
    // node_modules may have moved since the last start, so an old link is no proof.
    await rm(path, { force: true });
    await symlink(fileOf(file), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** Copies once per package version; a copy that a crash cut short never gets the final name. */
async function copyNative(binaries: Binaries, home: string, links: readonly LibraryLink[]): Promise<string> {
  const copy = join(home, `native-${binaries.packageVersion}`);
  const draft = `${copy}.${process.pid}.new`;
  const exists = await readFile(join(copy, 'pg-symlinks.json')).then(
    () => true,
    () => false,
  );
  if (exists) return copy;
  await rm(draft, { recursive: true, force: true });
  await cp(binaries.nativeDir, draft, { recursive: true, filter: (path) => !path.endsWith('.a') });
  await makeLinks(links, join(draft, 'lib'), (file) => file);
  await rename(draft, copy).catch(async (error: NodeJS.ErrnoException) => {
    await rm(draft, { recursive: true, force: true });
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
  });
  return copy;
}
