// Writes docs/errors.md from the error catalogue. A test fails while the page is stale.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleServer } from '../server/bin/bundle.mjs';

const directory = await mkdtemp(join(tmpdir(), 'millrace-errors-doc-'));
try {
  const bundle = join(directory, 'errors-page.mjs');
  await bundleServer(fileURLToPath(new URL('../server/test/docs/errors-page.ts', import.meta.url)), bundle);
  const { renderErrorsPage } = await import(pathToFileURL(bundle).href);
  await writeFile(new URL('../docs/errors.md', import.meta.url), renderErrorsPage());
} finally {
  await rm(directory, { recursive: true, force: true });
}
