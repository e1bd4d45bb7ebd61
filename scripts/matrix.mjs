// `npm run matrix`: the database tests once for each pair of source and destination versions.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './project-files.mjs';

const VERSIONS = ['13', '15', '17', '18'];
/** Each version with itself, and the widest jumps in both directions. */
const USUAL_PAIRS = [...VERSIONS.map((version) => `${version}:${version}`), '13:18', '18:13'];
const ALL_PAIRS = VERSIONS.flatMap((source) => VERSIONS.map((destination) => `${source}:${destination}`));

const USAGE = 'usage: npm run matrix -- [--all | --pairs=SOURCE:DESTINATION,…] [vitest filter]…';

const args = process.argv.slice(2);
const options = args.filter((arg) => arg.startsWith('--'));
const filters = args.filter((arg) => !arg.startsWith('--'));
const pairs = pairsOf(options);
if (pairs === null) {
  console.error(USAGE);
  process.exit(2);
}

const failed = [];
for (const pair of pairs) {
  const [source, destination] = pair.split(':');
  console.log(`\n── source ${source}, destination ${destination}`);
  const status = await runTests({ MILLRACE_TEST_SOURCE: source, MILLRACE_TEST_DESTINATION: destination });
  if (status !== 0) failed.push(pair);
}
console.log(`\n${pairs.length - failed.length} pairs passed, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(', ')}` : ''}`);
process.exit(failed.length > 0 ? 1 : 0);

function pairsOf(given) {
  if (given.length === 0) return USUAL_PAIRS;
  if (given.length > 1) return null;
  if (given[0] === '--all') return ALL_PAIRS;
  const listed = given[0].startsWith('--pairs=') ? given[0].slice('--pairs='.length).split(',') : [];
  return listed.length > 0 && listed.every((pair) => ALL_PAIRS.includes(pair)) ? listed : null;
}

function runTests(environment) {
  const vitest = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'pg', '--passWithNoTests', ...filters];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, vitest, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...environment } });
    child.once('exit', (status) => resolve(status ?? 1));
  });
}
