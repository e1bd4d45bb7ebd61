#!/usr/bin/env node
// Starts the command line. In a checkout it first bundles the sources (about 100 ms), so that nothing needs a
// separate build step and no install script; an installed package carries the bundle already.
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const bundle = fileURLToPath(new URL('../dist/millrace.mjs', import.meta.url));
const sources = fileURLToPath(new URL('../src/app/main.ts', import.meta.url));
if (existsSync(sources)) {
  const { bundleServer } = await import('./bundle.mjs');
  await bundleServer(sources, bundle);
}
await import(pathToFileURL(bundle).href);
