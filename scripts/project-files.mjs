// Lists the files of the project: what git tracks or would track, and in an unpacked archive without git all but build output.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/[/]$/, '');

const NOT_OURS = new Set(['node_modules', 'dist', 'coverage', '.git', '.tmp']);

/** Paths relative to the root, with `/`. */
export async function projectFiles() {
  const tracked = await gitFiles();
  return (tracked ?? (await walk(ROOT))).filter((file) => existsSync(join(ROOT, file))).sort();
}

async function gitFiles() {
  if (!existsSync(join(ROOT, '.git'))) return null;
  try {
    // A checkout that belongs to somebody else (a container's volume) is refused by git; then the walk must do.
    const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
    const { stdout } = await promisify(execFile)('git', args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
    return stdout.split('\0').filter((file) => file !== '');
  } catch {
    return null;
  }
}

async function walk(directory) {
  const files = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (NOT_OURS.has(entry.name)) continue;
    if (entry.isDirectory()) files.push(...(await walk(path)));
    else files.push(relative(ROOT, path).split(sep).join('/'));
  }
  return files;
}
