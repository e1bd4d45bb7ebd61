// Bundles pipeline-child.ts and runs it in this process, so that a signal kills the program itself.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleServer } from '../../bin/bundle.mjs';

const bundle = fileURLToPath(new URL('../../dist/test-pipeline-child.mjs', import.meta.url));
await bundleServer(fileURLToPath(new URL('pipeline-child.ts', import.meta.url)), bundle);
await import(pathToFileURL(bundle).href);
