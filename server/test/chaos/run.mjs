// Starts the chaos: bundles it and the command line, each into a file of its own, and runs it.
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleServer } from '../../bin/bundle.mjs';

const place = (path) => fileURLToPath(new URL(path, import.meta.url));

// The program gets a bundle of its own: what is tested stays the same for the whole run, whatever is edited meanwhile.
const program = place('../../dist/chaos-millrace.mjs');
await bundleServer(place('../../src/app/main.ts'), program);
const bundle = place('../../dist/chaos.mjs');
await bundleServer(place('main.ts'), bundle);
const { main } = await import(pathToFileURL(bundle).href);
process.exit(await main(process.argv.slice(2), program));
