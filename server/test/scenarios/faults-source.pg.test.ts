// Sources that can't be followed, or not in whole: said at once and by name, never found out later.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkFile } from '../../src/app/operations/check.ts';
import { listObjects } from '../../src/app/operations/status.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { objectStates, useScenarios } from '../pipeline/scenario.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const servers = useScenarios();

async function check(settings: PipelineSettings) {
  const file = { path: 'test.yaml', warnings: [], sources: [settings.source], destinations: [settings.destination], pipelines: [settings] };
  return checkFile(file, { file: 'test.yaml', source: null, destination: null, pipeline: settings.name });
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
    const found = (await check(pipelineSettings(pair.source, pair.destination))).filter((finding) => finding.status === 'fail');
    expect(found.map((finding) => finding.name)).toContain('source_in_recovery');
  });
});

describe('a table that the role may not read', () => {
  test('is named by the check, shown as ineligible with the grant, and loaded once it is granted', async () => {
    const pair = await servers.pair();
    const role = await servers.source.createRole({ attributes: 'LOGIN REPLICATION' });
    const name = quoteIdent(role.name);
    await pair.source.query(`
      GRANT CREATE ON DATABASE ${quoteIdent(pair.source.name)} TO ${name};
      CREATE TABLE public.open (id int PRIMARY KEY); INSERT INTO public.open VALUES (1);
      CREATE TABLE public.closed (id int PRIMARY KEY); INSERT INTO public.closed VALUES (1);
      CREATE TABLE public.unwanted (id int PRIMARY KEY);
      CREATE TABLE public.policed (id int PRIMARY KEY); ALTER TABLE public.policed ENABLE ROW LEVEL SECURITY;
      ALTER TABLE public.policed FORCE ROW LEVEL SECURITY;
      ALTER TABLE public.open OWNER TO ${name}; ALTER TABLE public.policed OWNER TO ${name}`);
    const options = {
      settings: {
        source: { name: 'source', type: 'generic', connection: pair.source.settings(role) },
        objects: [{ ...PLAIN_OBJECT, schema: 'public', name: 'unwanted', include: false }],
      },
    } as const;
    const findings = await check(pipelineSettings(pair.source, pair.destination, options));
    expect(findings.filter((finding) => finding.object !== null)).toMatchObject([
      { status: 'warn', code: '2014', object: 'public.closed', fix: `GRANT SELECT ON "public"."closed" TO ${name};` },
      { status: 'warn', code: '2019', object: 'public.policed' },
    ]);
    const pipeline = pair.start(options);
    await pair.untilState('streaming', 'open');
    await pair.untilState('ineligible', 'closed', 'policed');
    const states = await objectStates(pair.destination);
    expect(states).toMatchObject({ closed: { code: '2014' }, policed: { code: '2019' } });
    expect(states['unwanted']).toBeUndefined();
    const objects = await listObjects(pipelineSettings(pair.source, pair.destination, options));
    expect(objects.find((object) => object.object === 'public.closed')).toMatchObject({
      state: 'ineligible',
      reason: { code: '2014', fix: `GRANT SELECT ON "public"."closed" TO ${name};` },
    });
    await pair.source.query(`ALTER TABLE public.closed OWNER TO ${name}`);
    await pair.untilState('streaming', 'closed');
    await pair.untilEqual('open', 'closed');
    await pipeline.stop();
  });
});
