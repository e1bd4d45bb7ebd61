// Holds the imports to the table of layers, and fails when a file was not even looked at: a silent checker proves nothing.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { projectFiles, ROOT } from './project-files.mjs';

const FOLDERS = ['contract', 'server', 'web', 'bench'];

const expected = (await projectFiles()).filter((file) => FOLDERS.some((folder) => file.startsWith(`${folder}/`)) && /[.]tsx?$/.test(file));
const { modules, summary } = await cruise(expected);

for (const { rule, from, to, cycle } of summary.violations) {
  const via = cycle === undefined ? '' : ` (by way of ${cycle.map((step) => step.name).join(' → ')})`;
  console.error(`${rule.severity} ${rule.name}: ${from} → ${to}${via}`);
}
const read = new Set(modules.map((module) => module.source));
const unread = expected.filter((file) => !read.has(file));
for (const file of unread) console.error(`error not-read: ${file}`);
if (expected.length === 0) console.error('error not-read: there is not a single file');

const failures = summary.violations.filter((violation) => violation.rule.severity === 'error').length + unread.length;
console.log(`${expected.length} files read, ${failures} problems`);
process.exit(failures > 0 || expected.length === 0 ? 1 : 0);

/** The result of dependency-cruiser for the files, as its JSON. */
function cruise(files) {
  const program = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [program, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', ...files];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd: ROOT, maxBuffer: 256 * 1024 * 1024 }, (error, stdout, stderr) => {
      try {
        // It exits with the number of violations, so the output alone tells whether it ran.
        resolve(JSON.parse(stdout));
      } catch {
        reject(new Error(`dependency-cruiser failed: ${stderr}`, { cause: error }));
      }
    });
  });
}
