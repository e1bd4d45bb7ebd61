#!/usr/bin/env node
// Starts the bench: bundles its TypeScript the way the command line bundles its own, then runs it.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleServer } from '../server/bin/bundle.mjs';

const place = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/**
 * An installed package carries the command's bundle, so its making is no part of a measured run. It gets a file of its
 * own, because somebody's `npx millrace` in the same checkout may replace the usual one meanwhile.
 */
async function bundleMillrace() {
  const bundle = place('server/dist/bench-millrace.mjs');
  await bundleServer(place('server/src/app/main.ts'), bundle);
  return { bundle, usageReporter: place('bench/report-usage.mjs') };
}

const bench = place('server/dist/bench.mjs');
await bundleServer(place('bench/main.ts'), bench);
const { main } = await import(pathToFileURL(bench).href);
// Sessions of a failed measurement may still wait for an answer; the clusters are gone, so nothing is lost with them.
process.exit(await main(process.argv.slice(2), bundleMillrace));
