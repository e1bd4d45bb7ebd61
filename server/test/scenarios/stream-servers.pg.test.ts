// Servers that die, connections that break or fall silent, and destinations that make us wait: the stream heals by itself and loses nothing.
import { describe, expect, test } from 'vitest';
import { startProxy } from '../net/proxy.ts';
import { waitFor } from '../pg/wait-for.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';
import { objectStates, type Pair, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

async function fill(pair: Pair): Promise<void> {
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, v text);
    CREATE TABLE public.keyless (v text);
    INSERT INTO public.t SELECT i, repeat('x', 400) FROM generate_series(1, 1000) AS i;
    INSERT INTO public.keyless SELECT 'old' FROM generate_series(1, 50)`);
}

const CHANGES = `
  UPDATE public.t SET v = v || '!' WHERE id % 10 = 0;
  INSERT INTO public.t VALUES ((SELECT max(id) + 1 FROM public.t), 'new');
  INSERT INTO public.keyless VALUES ('new'), ('new');
  DELETE FROM public.t WHERE id = (SELECT min(id) FROM public.t)`;

describe('the source server', () => {
  test('is killed while it streams and while a table is loaded', async () => {
    const { cluster, server } = await servers.ownCluster({ side: 'source' });
    const pair = servers.pairOf(await cluster.createDatabase(), await servers.destination.createDatabase());
    await fill(pair);
    const pipeline = pair.start({ tuning: { chunkBytes: 30_000, workersPerLoad: 1 } });
    await waitFor('the first piece', async () => (await pair.destination.query('SELECT 1 FROM _millrace.chunk')).length > 0);
    await pair.source.closeSessions();
    await server.kill();
    await server.start();
    await pair.untilState('streaming', 't', 'keyless');
    for (const _round of [1, 2]) {
      await pair.source.query(CHANGES);
      await pair.source.closeSessions();
      await server.kill();
      await server.start();
      await pair.source.query(CHANGES);
      await pair.untilEqual('t', 'keyless');
    }
    await pipeline.stop();
  });
});

describe('the destination server', () => {
  test('is killed while it streams and while a table is loaded', async () => {
    const { cluster, server } = await servers.ownCluster({ side: 'destination' });
    const pair = servers.pairOf(await servers.source.createDatabase(), await cluster.createDatabase());
    await fill(pair);
    const pipeline = pair.start({ tuning: { chunkBytes: 30_000, workersPerLoad: 1 } });
    await waitFor('the first piece', async () => (await pair.destination.query('SELECT 1 FROM _millrace.chunk')).length > 0);
    await pair.destination.closeSessions();
    await server.kill();
    await server.start();
    await pair.untilState('streaming', 't', 'keyless');
    for (const _round of [1, 2]) {
      await pair.source.query(CHANGES);
      await pair.destination.closeSessions();
      await server.kill();
      await pair.source.query(CHANGES);
      await server.start();
      await pair.untilEqual('t', 'keyless');
    }
    await pipeline.stop();
  });
});

describe('a session that brought something before it broke', () => {
  test('is followed by the next at once, however often', async () => {
    const pair = await servers.pair();
    await fill(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 't', 'keyless');
    // With a pause that grew all the time, the last ones would be half a minute.
    for (let round = 1; round <= 9; round++) {
      await pair.source.query(`INSERT INTO public.keyless VALUES ('round ${round}')`);
      const arrived = `SELECT FROM public.keyless WHERE v = 'round ${round}'`;
      await waitFor(`round ${round}`, async () => (await pair.destination.query(arrived)).length > 0, 5_000);
      await pair.destination.query(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND application_name LIKE 'millrace % apply'",
      );
    }
    await pair.untilEqual('t', 'keyless');
    await pipeline.stop();
  });
});

describe('a predecessor', () => {
  test('that fell asleep inside a transaction does not keep the next process waiting', async () => {
    const pair = await servers.pair();
    await fill(pair);
    await pair.once();
    const asleep = await pair.destination.open({ applicationName: 'millrace scenario apply' });
    await asleep.query('BEGIN');
    await asleep.query('SELECT FROM _millrace.pipeline FOR KEY SHARE');
    await pair.source.query(CHANGES);
    const startedAtMs = performance.now();
    await pair.once();
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
    await pair.expectEqual('t', 'keyless');
    await expect(asleep.query('COMMIT')).rejects.toMatchObject({ errorName: 'connection_lost' });
  });
});

describe('connections', () => {
  test.for(['source', 'destination'] as const)('to the %s are cut again and again', async (side) => {
    const pair = await servers.pair();
    const proxy = await startProxy(pair[side].settings());
    try {
      await fill(pair);
      const settings = pipelineSettings(pair.source, pair.destination);
      const through = { ...settings, [side]: { ...settings[side], connection: proxy.through(settings[side].connection) } };
      const pipeline = pair.start({ settings: through, tuning: { chunkBytes: 30_000 } });
      await waitFor('the first piece', async () => (await pair.destination.query('SELECT 1 FROM _millrace.chunk')).length > 0);
      for (const bytes of [1, 5_000, 20_000, 100_000]) {
        const accepted = proxy.accepted;
        proxy.cutAfter(side === 'source' ? 'to_client' : 'to_server', bytes);
        proxy.cut(bytes % 2 === 0 ? 'reset' : 'end');
        await pair.source.query(CHANGES);
        await waitFor('a new connection', () => proxy.accepted > accepted, 20_000);
      }
      proxy.heal();
      await pair.untilState('streaming', 't', 'keyless');
      await pair.untilEqual('t', 'keyless');
      await pipeline.stop();
    } finally {
      await proxy.close();
    }
  });

  // How long the product waits for an answer is its own matter: half a minute and more.
  test('that fall silent are given up, on either side', { timeout: 150_000 }, async () => {
    const attempts = (['source', 'destination'] as const).map(async (side) => {
      const pair = await servers.pair();
      const proxy = await startProxy(pair[side].settings());
      try {
        await fill(pair);
        const settings = pipelineSettings(pair.source, pair.destination);
        const through = { ...settings, [side]: { ...settings[side], connection: proxy.through(settings[side].connection) } };
        const pipeline = pair.start({ settings: through });
        await pair.untilState('streaming', 't', 'keyless');
        await pair.untilEqual('t', 'keyless');
        const accepted = proxy.accepted;
        proxy.blackHole();
        await pair.source.query(CHANGES);
        await waitFor('another attempt to connect', () => proxy.accepted > accepted, 90_000);
        proxy.cut('reset');
        proxy.heal();
        await pair.untilEqual('t', 'keyless');
        await pipeline.stop();
      } finally {
        await proxy.close();
      }
    });
    await Promise.all(attempts);
  });
});

describe('a destination that makes us wait', () => {
  test('costs no connection: the source is answered meanwhile', async () => {
    const { cluster } = await servers.ownCluster({ settings: { wal_sender_timeout: '1s' } });
    const pair = servers.pairOf(await cluster.createDatabase(), await servers.destination.createDatabase());
    await fill(pair);
    const pipeline = pair.start({ tuning: { batchBytes: 20_000 } });
    await pair.untilState('streaming', 't', 'keyless');
    await pair.untilEqual('t', 'keyless');
    const [before] = await pair.source.query('SELECT active_pid FROM pg_catalog.pg_replication_slots');
    const gate = await pair.destination.open();
    await gate.query('BEGIN');
    await gate.query('LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE');
    // More than a batch, so that the stream is paused too.
    await pair.source.query('UPDATE public.t SET v = v || v');
    await waitFor('the apply to wait', async () => (await gate.query('SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted')).length > 0);
    // Three times as long as the server waits for an answer.
    const [started] = await gate.query('SELECT pg_catalog.clock_timestamp()::text');
    await waitFor('three seconds', async () => {
      const [row] = await gate.query("SELECT pg_catalog.clock_timestamp() > $1::pg_catalog.timestamptz + '3 s'", [started?.[0] ?? '']);
      return row?.[0] === 't';
    });
    await gate.query('COMMIT');
    await pair.untilEqual('t', 'keyless');
    expect(await pair.source.query('SELECT active_pid FROM pg_catalog.pg_replication_slots')).toEqual([before]);
    await pipeline.stop();
  });

  test('with a row that it refuses, only stops that object', async () => {
    const pair = await servers.pair();
    await fill(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 't', 'keyless');
    await pair.destination.query("ALTER TABLE public.t ADD CONSTRAINT mine CHECK (v <> 'bad')");
    await pair.source.query(
      "UPDATE public.t SET v = 'good' WHERE id = 1; UPDATE public.t SET v = 'bad' WHERE id = 2; UPDATE public.t SET v = 'later' WHERE id = 3",
    );
    await pair.source.query("INSERT INTO public.keyless VALUES ('on')");
    await pair.untilState('failed', 't');
    await pair.untilEqual('keyless');
    expect((await objectStates(pair.destination))['t']).toMatchObject({ reason: 'row_rejected', code: '2062' });
    await pair.source.query("INSERT INTO public.t VALUES (5000, 'while it had failed'); INSERT INTO public.keyless VALUES ('further on')");
    await pair.untilEqual('keyless');
    await pair.destination.query('ALTER TABLE public.t DROP CONSTRAINT mine');
    await pair.destination.query("UPDATE _millrace.object SET resume_requested = true WHERE source_name = 't'");
    await pair.untilEqual('t', 'keyless');
    await pair.untilState('streaming', 't', 'keyless');
    await pipeline.stop();
  });
});

describe('an idle pipeline beside a busy database', () => {
  test('lets the source forget its log', async () => {
    const { cluster } = await servers.ownCluster();
    const pair = servers.pairOf(await cluster.createDatabase(), await servers.destination.createDatabase());
    const neighbour = await cluster.createDatabase();
    await fill(pair);
    const pipeline = pair.start();
    await pair.untilState('streaming', 't', 'keyless');
    await neighbour.query('CREATE TABLE public.busy (v text)');
    for (let round = 0; round < 12; round++) {
      await neighbour.query("INSERT INTO public.busy SELECT repeat('x', 1000) FROM generate_series(1, 10000)");
      await neighbour.query('CHECKPOINT');
    }
    // More than 120 MB have been written by now.
    await waitFor(
      'the slot to follow',
      async () => {
        const [row] = await pair.source.query(`
        SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn) < 64 * 1024 * 1024
        FROM pg_catalog.pg_replication_slots`);
        return row?.[0] === 't';
      },
      30_000,
    );
    await pair.source.query(CHANGES);
    await pair.untilEqual('t', 'keyless');
    await pipeline.stop();
  });
});
