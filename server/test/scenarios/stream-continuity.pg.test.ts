// Never a silent gap: when it can't be proved that nothing is missing, the pipeline stops with a named error, and loading all again repairs it.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { LostName } from '../../src/source/continuity.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import { waitFor } from '../pg/wait-for.ts';
import { type Pair, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();
/** Keeps the files' owner, which is not ours when the tests run as root. */
const run = promisify(execFile);

async function fill(pair: Pair): Promise<void> {
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v text);
    CREATE TABLE public.keyless (v text);
    INSERT INTO public.t SELECT i, 'old' FROM generate_series(1, 20) AS i;
    INSERT INTO public.keyless VALUES ('old'), ('old')`);
  await pair.once();
  await pair.source.query("UPDATE public.t SET v = 'streamed' WHERE id = 1");
  await pair.once();
  await pair.expectEqual('t', 'keyless');
}

/** The pipeline refuses to go on, again and again, changes nothing, and after a restart of all objects it is whole again. */
async function expectLostThenRepair(pair: Pair, ...names: readonly LostName[]): Promise<void> {
  await pair.source.query("DELETE FROM public.t WHERE id = 2; INSERT INTO public.keyless VALUES ('new')");
  for (const _attempt of [1, 2]) {
    const error = await pair.once().then(
      () => null,
      (failure: unknown) => failure as { errorName: LostName; exit: number },
    );
    expect(names).toContain(error?.errorName);
    expect(error?.exit).toBe(5);
  }
  const [record] = await pair.destination.query("SELECT state, reason->>'name' FROM _millrace.pipeline");
  expect(record?.[0]).toBe('stopped');
  expect(names).toContain(record?.[1]);
  await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
  await pair.once();
  await pair.expectEqual('t', 'keyless');
  await pair.source.query("INSERT INTO public.t VALUES (1000, 'after the repair')");
  await pair.once();
  await pair.expectEqual('t', 'keyless');
}

async function slotOf(pair: Pair): Promise<string> {
  const [row] = await pair.source.query(
    'SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database()',
  );
  return row?.[0] ?? '';
}

describe('the slot', () => {
  test('was dropped', async () => {
    const pair = await servers.pair();
    await fill(pair);
    await pair.source.dropSlots();
    await expectLostThenRepair(pair, 'slot_lost');
  });

  test('was dropped while the pipeline ran', async () => {
    const pair = await servers.pair();
    await fill(pair);
    const pipeline = pair.start();
    await waitFor(
      'the stream',
      async () =>
        (await pair.source.query('SELECT 1 FROM pg_catalog.pg_replication_slots WHERE active AND database = pg_catalog.current_database()'))
          .length > 0,
    );
    await pair.source.dropSlots();
    await expect(pipeline.ended).rejects.toMatchObject({ errorName: 'slot_lost' });
    await expectLostThenRepair(pair, 'slot_lost');
  });

  test('was dropped and made again under its name', async () => {
    const pair = await servers.pair();
    await fill(pair);
    const slot = await slotOf(pair);
    await pair.source.dropSlots();
    await pair.source.query("INSERT INTO public.t VALUES (500, 'lost')");
    await pair.source.query("SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await expectLostThenRepair(pair, 'slot_recreated');
  });

  test('was dropped and made again, and somebody else used it', async () => {
    const pair = await servers.pair();
    await fill(pair);
    const slot = await slotOf(pair);
    await pair.source.dropSlots();
    await pair.source.query("SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await pair.source.query("INSERT INTO public.t VALUES (500, 'lost')");
    const [publication] = await pair.source.query('SELECT pubname FROM pg_catalog.pg_publication LIMIT 1');
    await pair.source.query(
      "SELECT count(*) FROM pg_catalog.pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)",
      [slot, publication?.[0] ?? ''],
    );
    await expectLostThenRepair(pair, 'slot_recreated', 'destination_rewound');
  });

  test('was invalidated because it kept too much of the log', async () => {
    const { cluster } = await servers.ownCluster({
      settings: { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '32MB' },
    });
    const pair = servers.pairOf(await cluster.createDatabase(), await servers.destination.createDatabase());
    await fill(pair);
    await waitFor('the slot to be invalid', async () => {
      await pair.source.query("INSERT INTO public.t VALUES ((SELECT max(id) + 1 FROM public.t), 'x')");
      await pair.source.query('SELECT pg_catalog.pg_switch_wal()');
      await pair.source.query('CHECKPOINT');
      return (await pair.source.query("SELECT 1 FROM pg_catalog.pg_replication_slots WHERE wal_status = 'lost'")).length > 0;
    });
    await expectLostThenRepair(pair, 'slot_invalidated');
  });
});

describe('the publications', () => {
  test('were dropped', async () => {
    const pair = await servers.pair();
    await fill(pair);
    for (const [name] of await pair.source.query('SELECT pubname FROM pg_catalog.pg_publication')) {
      await pair.source.query(`DROP PUBLICATION ${quoteIdent(name ?? '')}`);
    }
    await expectLostThenRepair(pair, 'publication_lost');
  });
});

describe('the destination', () => {
  test('was restored from an older copy', async () => {
    const pair = await servers.pair();
    await fill(pair);
    await pair.destination.closeSessions();
    const copy = `${pair.destination.name}_copy`;
    await servers.destination.query(`CREATE DATABASE ${quoteIdent(copy)} TEMPLATE ${quoteIdent(pair.destination.name)}`);
    await pair.source.query("UPDATE public.t SET v = 'after the copy'; DELETE FROM public.t WHERE id = 7");
    await pair.once();
    await pair.destination.closeSessions();
    await servers.destination.query(`DROP DATABASE ${quoteIdent(pair.destination.name)} WITH (FORCE)`);
    await servers.destination.query(`ALTER DATABASE ${quoteIdent(copy)} RENAME TO ${quoteIdent(pair.destination.name)}`);
    await expectLostThenRepair(pair, 'destination_rewound', 'slot_recreated');
  });
});

describe('the source', () => {
  test('was restored to the past', async () => {
    const { cluster, server } = await servers.ownCluster();
    const pair = servers.pairOf(await cluster.createDatabase(), await servers.destination.createDatabase());
    await fill(pair);
    await pair.source.closeSessions();
    await server.stop('fast');
    await run('cp', ['-a', server.dataDir, `${server.dataDir}.copy`]);
    await server.start();
    await pair.source.query("UPDATE public.t SET v = 'after the copy'; DELETE FROM public.t WHERE id = 7");
    await pair.once();
    await pair.source.closeSessions();
    await server.stop('fast');
    await run('rm', ['-r', server.dataDir]);
    await run('mv', [`${server.dataDir}.copy`, server.dataDir]);
    await server.start();
    await expectLostThenRepair(pair, 'source_rewound');
  });

  test('was replaced by another server of the same content', async () => {
    const pair = await servers.pair();
    await fill(pair);
    const { cluster } = await servers.ownCluster();
    const other = await cluster.createDatabase();
    await other.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, v text);
      CREATE TABLE public.keyless (v text);
      INSERT INTO public.t VALUES (1, 'of the other'), (2, 'x'); INSERT INTO public.keyless VALUES ('of the other')`);
    const replaced = servers.pairOf(other, pair.destination);
    await replaced.once({ settings: {} }).then(
      () => expect.unreachable(),
      (error: unknown) => expect((error as { exit: number }).exit).toBe(5),
    );
  });
});

describe('a second process', () => {
  test('takes over, and the first one stops without having written more', async () => {
    const pair = await servers.pair();
    await fill(pair);
    const first = pair.start();
    await waitFor(
      'the stream',
      async () =>
        (await pair.source.query('SELECT 1 FROM pg_catalog.pg_replication_slots WHERE active AND database = pg_catalog.current_database()'))
          .length > 0,
    );
    await pair.destination.query('UPDATE _millrace.pipeline SET epoch = epoch + 1');
    await pair.source.query("INSERT INTO public.t VALUES (77, 'not by the first')");
    await expect(first.ended).rejects.toMatchObject({ errorName: 'fenced' });
    expect(await pair.destination.query('SELECT 1 FROM public.t WHERE id = 77')).toEqual([]);
    await pair.once();
    await pair.expectEqual('t', 'keyless');
  });
});
