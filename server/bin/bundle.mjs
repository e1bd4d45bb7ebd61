// Bundles the TypeScript sources into one ES module that plain Node runs.
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Bundles `entry` into `outfile`; packages from npm stay outside, our own workspaces go in.
 * The result is renamed into place, so that two starts at once never read a half-written file.
 */
export async function bundleServer(entry, outfile) {
  const { build } = await import('esbuild');
  const draft = `${outfile}.${process.pid}.tmp`;
  await mkdir(dirname(outfile), { recursive: true });
  try {
    await build({
      entryPoints: [entry],
      outfile: draft,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      sourcemap: 'inline',
      sourcesContent: false,
      logLevel: 'error',
      plugins: [
        {
          name: 'npm-packages-stay-outside',
          setup: (b) =>
            b.onResolve({ filter: /^[^./]/ }, (args) =>
              args.kind === 'entry-point' || args.path.startsWith('@millrace/') ? undefined : { path: args.path, external: true },
            ),
        },
      ],
    });
    await rename(draft, outfile);
  } finally {
    await rm(draft, { force: true });
  }
}
