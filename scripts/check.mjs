// `npm run check`: everything that must hold before a commit is shared, in the order of how fast it answers.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './project-files.mjs';

const bin = (name) => join(ROOT, 'node_modules/.bin', name);
const script = (name) => [process.execPath, join(ROOT, 'scripts', `${name}.mjs`)];

const STEPS = [
  ['format', [bin('biome'), 'format', '.']],
  ['wording', script('check-wording')],
  ['lockfile', script('check-lockfile')],
  ['doc links', script('check-doc-links')],
  ['lint', [bin('oxlint')]],
  ['layers', script('check-layers')],
  ['dead code', [bin('knip'), '--no-progress']],
  ['types', [bin('tsc'), '-p', 'tsconfig.json']],
  ['tests', [bin('vitest'), 'run']],
];

const USAGE = `usage: npm run check -- [--no-tests] [STEP]…   steps: ${STEPS.map(([name]) => name).join(', ')}`;

const args = process.argv.slice(2);
const named = args.filter((arg) => arg !== '--no-tests');
if (named.some((name) => !STEPS.some(([step]) => step === name))) {
  console.error(USAGE);
  process.exit(2);
}
const wanted = STEPS.filter(([name]) => (named.length === 0 || named.includes(name)) && !(name === 'tests' && args.includes('--no-tests')));

const failed = [];
for (const [name, command] of wanted) {
  console.log(`\n── ${name}`);
  const startMs = performance.now();
  const status = await run(command);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`── ${name}: ${status === 0 ? 'ok' : 'FAILED'} in ${seconds} s`);
  if (status !== 0) failed.push(name);
}
console.log(`\n${wanted.length - failed.length} steps passed, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(', ')}` : ''}`);
process.exit(failed.length > 0 ? 1 : 0);

function run([program, ...rest]) {
  return new Promise((resolve) => {
    const child = spawn(program, rest, { cwd: ROOT, stdio: 'inherit' });
    child.once('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.once('exit', (status) => resolve(status ?? 1));
  });
}
