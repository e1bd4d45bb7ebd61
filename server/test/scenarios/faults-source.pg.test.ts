// Sources that can't be followed, or not in whole: said at once and by name, never found out later.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkFile } from '../../src/app/operations/check.ts';
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

async function failures(settings: PipelineSettings) {
  const file = { path: 'test.yaml', warnings: [], sources: [settings.source], destinations: [settings.destination], pipelines: [settings] };
  const findings = await checkFile(file, { file: 'test.yaml', source: null, destination: null, pipeline: settings.name });
  return findings.filter((finding) => finding.status === 'fail');
}

describe('a standby', () => {
  test('is refused as a source, because its snapshots do not say which transactions run', async () => {
    const { cluster, server } = await servers.ownCluster({ side: 'source' });
    const pair = servers.pairOf(await cluster.createDatabase(), await servers.destination.createDatabase());
    await pair.source.query('CREATE TABLE public.t (id int PRIMARY KEY)');
    const [[directory] = []] = await pair.source.query('SHOW data_directory');
    await pair.source.closeSessions();
    await server.stop('fast');
    await writeFile(join(directory ?? '', 'standby.signal'), '');
    await server.start();
    await expect(pair.once()).rejects.toMatchObject({ errorName: 'source_in_recovery', code: '2018' });
    expect(await pair.destination.query("SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = '_millrace'")).toEqual([]);
    const found = await failures(pipelineSettings(pair.source, pair.destination));
    expect(found.map((finding) => finding.name)).toContain('source_in_recovery');
  });
});
