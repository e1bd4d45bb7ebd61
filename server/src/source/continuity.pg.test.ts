import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { waitFor } from '../../test/pg/wait-for.ts';
import type { Lsn } from '../pg/lsn.ts';
import { judgeContinuity } from './continuity.ts';
import { dropSlot, inspectSlot } from './slot.ts';
import { createSlot } from './slot-create.ts';
import { identifySystem, readTimelineHistory } from './system.ts';

const pg = usePostgres();

test('a source that was promoted in place goes on from its slot, and is refused beyond the branch', async () => {
  const { cluster, server } = await pg.ownCluster();
  const database = await cluster.createDatabase();
  const created = await createSlot(await database.open({ replication: 'database' }), 'slot', {
    monitor: await database.open(),
    timeoutMs: 20_000,
    signal: new AbortController().signal,
  });
  const before = await identifySystem(await database.open({ replication: 'database' }));
  // An archive that has nothing: recovery reads what is there and then begins a new timeline.
  const [data] = await database.query("SELECT pg_catalog.current_setting('data_directory')");
  await database.query("ALTER SYSTEM SET restore_command = 'false'");
  await database.closeSessions();
  await server.stop('fast');
  await writeFile(join(data?.[0] ?? '', 'recovery.signal'), '', { mode: 0o644 });
  await server.start();
  await waitFor('the end of recovery', async () => (await database.query('SELECT pg_catalog.pg_is_in_recovery()'))[0]?.[0] === 'f');

  const replication = await database.open({ replication: 'database' });
  const monitor = await database.open();
  const after = await identifySystem(replication);
  const history = await readTimelineHistory(replication, after.timeline);
  expect(after).toMatchObject({ systemId: before.systemId, timeline: 2 });
  const slot = await inspectSlot(monitor, 'slot');
  const judge = (lsn: Lsn) =>
    judgeContinuity({
      stored: { kind: 'checkpoint', lsn, systemId: before.systemId, timeline: before.timeline, slotName: 'slot' },
      source: { ...after, history },
      slotName: 'slot',
      slot,
      missingPublications: [],
    });
  expect(judge(created.consistentPoint)).toEqual({ kind: 'continue', timelineChanged: true });
  expect(judge(after.currentLsn)).toMatchObject({ kind: 'lost', errorName: 'source_rewound' });
  await dropSlot(monitor, 'slot');
});
