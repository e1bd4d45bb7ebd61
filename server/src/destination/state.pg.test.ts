import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { waitFor } from '../../test/pg/wait-for.ts';
import type { PgSession } from '../db/session.ts';
import { layoutSignature, NATIVE_LAYOUT } from '../model/layout.ts';
import { parseLsn } from '../pg/lsn.ts';
import { addEvent, KEPT_EVENTS, loadEvents, requestObjectChange } from './state-requests.ts';
import { hasState, installState, readStateVersion, removeStateIfEmpty } from './state-install.ts';
import type { Fence } from './state-records.ts';
import { CREATE_SCHEMA, MIGRATIONS, STATE_VERSION } from './state-schema.sql.ts';
import {
  deletePipeline,
  forgetChunks,
  loadChunks,
  loadObjects,
  loadPipeline,
  noteConfirmed,
  recordChunk,
  setObjectState,
  setPipelineState,
  takeOver,
  upsertObjects,
} from './state.ts';

const pg = usePostgres();
const HOSTILE = { schema: 's\'"; DROP TABLE x; --\n', name: '__proto__ 😀 \\' };
const BINDING = { pipeline: 'shop\'s "p" \\ 😀', sourceSystemId: '7412345678901234567', sourceDatabase: 'shop' };

async function installed(): Promise<{ readonly database: TestDatabase; readonly session: PgSession }> {
  const database = await pg.destination.createDatabase();
  const session = await database.open();
  await installState(session);
  return { database, session };
}

async function begun(session: PgSession): Promise<Fence> {
  const { name, epoch } = await takeOver(session, BINDING);
  const entry = { sourceOid: 4_000_000_000, state: 'pending', desired: 'included', reason: null, destination: null } as const;
  await upsertObjects(session, { pipeline: name, epoch }, [
    { source: HOSTILE, ...entry },
    { source: { schema: 'public', name: 't' }, ...entry },
  ]);
  return { pipeline: name, epoch };
}

const chunk = (chunkNo: number) =>
  ({ source: HOSTILE, copyGeneration: 1, chunkNo, leafOid: 16_400, fromPage: 0, toPage: null, rows: 10, bytes: 5_000_000_000 }) as const;

describe('the state schema', () => {
  test('is installed once by many processes that start together, and closed to others', async () => {
    const database = await pg.destination.createDatabase();
    const sessions = await Promise.all(Array.from({ length: 6 }, () => database.open()));
    await Promise.all(sessions.map(installState));
    expect(await readStateVersion(sessions[0] as PgSession)).toEqual({ kind: 'installed', version: STATE_VERSION });
    const outsider = await database.open({ role: await pg.destination.createRole() });
    await expect(outsider.query('SELECT version FROM _millrace.version')).rejects.toMatchObject({ facts: { sqlstate: '42501' } });
  });

  test('of an earlier version is upgraded by those who write, keeps what it holds, and is refused by those who only read', async () => {
    const database = await pg.destination.createDatabase();
    const session = await database.open();
    for (const statement of [...CREATE_SCHEMA, ...(MIGRATIONS[0] ?? [])]) await session.query(statement);
    await session.query(`INSERT INTO _millrace.version VALUES (1);
      INSERT INTO _millrace.pipeline (name, source_system_id, source_database) VALUES ('p', '1', 'd');
      INSERT INTO _millrace.object (pipeline, source_schema, source_name, source_oid, state) VALUES ('p', 's', 't', 1, 'streaming')`);
    await expect(hasState(session, 'refuse')).rejects.toMatchObject({ errorName: 'state_outdated' });
    expect(await hasState(session, 'upgrade')).toBe(true);
    expect(await hasState(session, 'refuse')).toBe(true);
    expect(await loadObjects(session, 'p')).toMatchObject([{ state: 'streaming', layout: layoutSignature(NATIVE_LAYOUT) }]);
  });

  test('of a newer version is left alone', async () => {
    const { database, session } = await installed();
    await database.query('INSERT INTO _millrace.version (version) VALUES (99)');
    await expect(installState(session)).rejects.toMatchObject({ errorName: 'state_unreadable' });
  });

  test('is denied with the GRANT to paste to a role that may not make it', async () => {
    const database = await pg.destination.createDatabase({ suffix: ' "q"' });
    const role = await pg.destination.createRole();
    const session = await database.open({ role });
    const error = await installState(session).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ errorName: 'destination_schema_denied' });
    const fix = (error as { fix: string }).fix.split('\n')[0] ?? '';
    expect(fix).toContain(`GRANT CREATE ON DATABASE "${database.name.replaceAll('"', '""')}" TO "${role.name}";`);
    await database.query(fix);
    await installState(session);
    await database.query(`DROP OWNED BY "${role.name}"`);
  });

  test('that an administrator made for the role needs no right on the database', async () => {
    const database = await pg.destination.createDatabase();
    const role = await pg.destination.createRole();
    await database.query(`CREATE SCHEMA _millrace AUTHORIZATION "${role.name}"`);
    await installState(await database.open({ role }));
    await database.query(`DROP OWNED BY "${role.name}"`);
  });

  test('goes with its last pipeline, and not before', async () => {
    const { session } = await installed();
    const fence = await begun(session);
    expect(await removeStateIfEmpty(session)).toBe(false);
    expect(await deletePipeline(session, fence.pipeline)).toBe(true);
    expect(await deletePipeline(session, fence.pipeline)).toBe(false);
    expect(await removeStateIfEmpty(session)).toBe(true);
    expect(await readStateVersion(session)).toEqual({ kind: 'absent' });
  });
});

describe('taking over a pipeline', () => {
  test('ends every earlier epoch, for every kind of write', async () => {
    const { session } = await installed();
    const old = await begun(session);
    const present = await takeOver(session, BINDING);
    expect(present.epoch).toBe(old.epoch + 1n);
    const fenced = { errorName: 'fenced' };
    await expect(
      upsertObjects(session, old, [
        { source: HOSTILE, sourceOid: 1, state: 'failed', desired: 'included', reason: null, destination: null },
      ]),
    ).rejects.toMatchObject(fenced);
    await expect(setObjectState(session, old, HOSTILE, { state: 'failed' })).rejects.toMatchObject(fenced);
    await expect(setPipelineState(session, old, { state: 'x', reason: null, slotName: null, timeline: null })).rejects.toMatchObject(
      fenced,
    );
    await expect(noteConfirmed(session, old, parseLsn('0/1'))).rejects.toMatchObject(fenced);
    await expect(session.transaction('BEGIN', () => recordChunk(session, old, chunk(1)))).rejects.toMatchObject(fenced);
    expect((await loadObjects(session, old.pipeline)).map((object) => object.state)).toEqual(['pending', 'pending']);
  });

  test('waits for a chunk that is about to commit, so that none commits unseen', async () => {
    const { database, session } = await installed();
    const fence = await begun(session);
    const writer = await database.open();
    await writer.query('BEGIN');
    await recordChunk(writer, fence, chunk(1));
    let taken = false;
    const taking = takeOver(session, BINDING).then(() => {
      taken = true;
    });
    await waitFor('the take-over to wait', async () => {
      const rows = await database.query('SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted AND pid = $1::pg_catalog.int4', [
        session.backendPid,
      ]);
      return rows.length > 0;
    });
    expect(taken).toBe(false);
    await writer.query('COMMIT');
    await taking;
    expect(await loadChunks(session, fence.pipeline, { source: HOSTILE, copyGeneration: 1 })).toHaveLength(1);
  });

  test('refuses a write that waited for the take-over', async () => {
    const { database, session } = await installed();
    const fence = await begun(session);
    await session.query('BEGIN');
    await session.query('SELECT 1 FROM _millrace.pipeline FOR UPDATE', []);
    const zombie = await database.open();
    const writing = zombie.transaction('BEGIN', () => recordChunk(zombie, fence, chunk(1))).catch((error: unknown) => error);
    await waitFor('the zombie to wait', async () => {
      const rows = await database.query('SELECT 1 FROM pg_catalog.pg_locks WHERE NOT granted AND pid = $1::pg_catalog.int4', [
        zombie.backendPid,
      ]);
      return rows.length > 0;
    });
    await session.query('UPDATE _millrace.pipeline SET epoch = epoch + 1', []);
    await session.query('COMMIT');
    expect(await writing).toMatchObject({ errorName: 'fenced' });
  });

  test('is refused to another source', async () => {
    const { session } = await installed();
    await begun(session);
    await expect(takeOver(session, { ...BINDING, sourceSystemId: '1' })).rejects.toMatchObject({ errorName: 'pipeline_bound_elsewhere' });
    await expect(takeOver(session, { ...BINDING, sourceDatabase: 'other' })).rejects.toMatchObject({
      errorName: 'pipeline_bound_elsewhere',
    });
    expect((await loadPipeline(session, BINDING.pipeline))?.epoch).toBe(1n);
  });

  test('is not known to a process whose pipeline was dropped', async () => {
    const { session } = await installed();
    const fence = await begun(session);
    await deletePipeline(session, fence.pipeline);
    await expect(setObjectState(session, fence, HOSTILE, { state: 'failed' })).rejects.toMatchObject({ errorName: 'fenced' });
  });
});

describe('objects', () => {
  test('come back as they were written, hostile names and big numbers included', async () => {
    const { session } = await installed();
    const fence = await begun(session);
    const reason = { name: 'row_rejected', code: '2062', cause: 'it\'s "bad" \\ \n', fix: 'DROP;' };
    const patch = {
      state: 'failed',
      reason,
      destination: { schema: 'd"w', name: "x'y" },
      destinationOid: 4_294_967_295,
      identity: { kind: 'key', columns: ['a"', '__proto__'] },
      snapshot: '10:20:10,14',
      snapshotLsn: parseLsn('FFFFFFFF/FFFFFFFF'),
      appliedLsn: parseLsn('0/0'),
      copyGeneration: 3,
      restartRequested: true,
    } as const;
    await setObjectState(session, fence, HOSTILE, patch);
    const object = (await loadObjects(session, fence.pipeline)).find((each) => each.source.name === HOSTILE.name);
    expect(object).toMatchObject({ ...patch, source: HOSTILE, sourceOid: 4_000_000_000, columns: null });
    await setObjectState(session, fence, HOSTILE, { reason: null, destination: null, destinationOid: null, appliedLsn: null });
    const cleared = (await loadObjects(session, fence.pipeline)).find((each) => each.source.name === HOSTILE.name);
    expect(cleared).toMatchObject({
      state: 'failed',
      reason: null,
      destination: null,
      destinationOid: null,
      appliedLsn: null,
      copyGeneration: 3,
    });
  });

  test('that are not there are named', async () => {
    const { session } = await installed();
    const fence = await begun(session);
    await expect(setObjectState(session, fence, { schema: 'x', name: 'y' }, { state: 'failed' })).rejects.toMatchObject({
      errorName: 'object_unknown',
    });
  });

  test('keep what an operator asked for and the name they were given when they are met again', async () => {
    const { session } = await installed();
    const fence = await begun(session);
    const source = { schema: 'public', name: 't' };
    const entry = { source, sourceOid: 1, state: 'pending', desired: 'included', reason: null } as const;
    await upsertObjects(session, fence, [{ ...entry, destination: { schema: 'dw', name: 't' } }]);
    expect(
      await requestObjectChange(session, fence.pipeline, { change: 'pause', objects: [source, { schema: 'no', name: 'such' }] }),
    ).toEqual([source]);
    await upsertObjects(session, fence, [{ ...entry, sourceOid: 2, destination: null }]);
    const object = (await loadObjects(session, fence.pipeline)).find((each) => each.source.name === 't');
    expect(object).toMatchObject({ sourceOid: 2, desired: 'paused', destination: { schema: 'dw', name: 't' } });
  });

  test('ten thousand are written and read at once', async () => {
    const { session } = await installed();
    const fence = await begun(session);
    const entries = Array.from(
      { length: 10_000 },
      (_, index) =>
        ({
          source: { schema: 'many', name: `t${index}` },
          sourceOid: index + 1,
          state: 'pending',
          desired: 'included',
          reason: null,
          destination: null,
        }) as const,
    );
    await upsertObjects(session, fence, entries);
    expect(await loadObjects(session, fence.pipeline)).toHaveLength(10_002);
    expect(await requestObjectChange(session, fence.pipeline, { change: 'restart', objects: null })).toHaveLength(10_002);
  });

  test('count the rows of their chunks, and start again from nothing', async () => {
    const { database, session } = await installed();
    const fence = await begun(session);
    const other = await database.open();
    await Promise.all([
      session.transaction('BEGIN', () => recordChunk(session, fence, chunk(1))),
      other.transaction('BEGIN', () => recordChunk(other, fence, { ...chunk(2), toPage: 99 })),
    ]);
    const read = async () => (await loadObjects(session, fence.pipeline)).find((each) => each.source.name === HOSTILE.name)?.counters;
    expect(await read()).toMatchObject({ rowsCopied: 20n, bytesCopied: 10_000_000_000n });
    expect(await loadChunks(session, fence.pipeline, { source: HOSTILE, copyGeneration: 1 })).toEqual([
      chunk(1),
      { ...chunk(2), toPage: 99 },
    ]);
    await expect(session.transaction('BEGIN', () => recordChunk(session, fence, chunk(1)))).rejects.toMatchObject({
      facts: { sqlstate: '23505' },
    });
    await setObjectState(session, fence, HOSTILE, { resetCounters: true, copyGeneration: 2 });
    expect(await read()).toMatchObject({ rowsCopied: 0n, bytesCopied: 0n });
    await forgetChunks(session, fence, HOSTILE, 2);
    expect(await loadChunks(session, fence.pipeline, { source: HOSTILE, copyGeneration: 1 })).toEqual([]);
  });
});

describe('the position that was confirmed', () => {
  test('never goes back', async () => {
    const { session } = await installed();
    const fence = await begun(session);
    await noteConfirmed(session, fence, parseLsn('1/20'));
    await noteConfirmed(session, fence, parseLsn('1/10'));
    await setPipelineState(session, fence, { state: 'streaming', reason: null, slotName: 'millrace_x', timeline: 3 });
    await setPipelineState(session, fence, { state: 'stopped', reason: null, slotName: null, timeline: null });
    expect(await loadPipeline(session, fence.pipeline)).toMatchObject({
      confirmedLsn: parseLsn('1/20'),
      state: 'stopped',
      slotName: 'millrace_x',
      timeline: 3,
    });
  });
});

describe('the log of events', () => {
  test('is bounded for each pipeline alone', async () => {
    const { database, session } = await installed();
    await addEvent(session, 'quiet', { object: null, code: '1', text: 'kept' });
    await database.query(
      `INSERT INTO _millrace.event (pipeline, code, text) SELECT 'loud', '2', n::text FROM pg_catalog.generate_series(1, ${KEPT_EVENTS + 5}) AS n`,
    );
    await addEvent(session, 'loud', { object: 'public.t', code: '3', text: 'last' });
    const events = await loadEvents(session, 'loud');
    expect(events).toHaveLength(KEPT_EVENTS);
    expect(events.at(-1)).toMatchObject({ object: 'public.t', code: '3', text: 'last' });
    expect(await loadEvents(session, 'quiet', 5)).toHaveLength(1);
    expect(await database.query("SELECT pg_catalog.count(*) FROM _millrace.event WHERE pipeline = 'loud'")).toEqual([
      [String(KEPT_EVENTS)],
    ]);
  });
});
