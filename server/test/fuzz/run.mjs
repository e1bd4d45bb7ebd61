// Bundles a program of this folder and runs it: `node server/test/fuzz/run.mjs fuzz --frames 1000000`.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleServer } from '../../bin/bundle.mjs';

const PROGRAMS = ['fuzz', 'decode-rate'];
const [program] = process.argv.splice(2, 1);
if (!PROGRAMS.includes(program)) throw new TypeError(`name one of ${PROGRAMS.join(', ')}`);
const bundle = fileURLToPath(new URL(`../../dist/${program}.mjs`, import.meta.url));
await bundleServer(fileURLToPath(new URL(`${program}.ts`, import.meta.url)), bundle);
await import(pathToFileURL(bundle).href);
