// Transactions of the apply lane against real tables: what is refused and whose fault it is, and what commits together or not at all.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ApplyRig, BatchWriter, CHECKPOINT_SQL } from '../../test/batch/apply-rig.ts';
import { startProxy } from '../../test/net/proxy.ts';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import type { ApplyTarget } from './apply-target.ts';

const pg = usePostgres();
let database: TestDatabase;
let rig: ApplyRig;

beforeEach(async () => {
  database = await pg.destination.createDatabase();
  await database.query(CHECKPOINT_SQL);
  rig = await ApplyRig.open(database);
});

afterEach(async () => {
  await rig.session.close();
});

describe('TRUNCATE', () => {
  beforeEach(async () => {
    await database.query(`
      CREATE TABLE public.a (id int4 PRIMARY KEY);
      CREATE TABLE public.b (id int4 PRIMARY KEY REFERENCES public.a);
      INSERT INTO public.a VALUES (1), (2); INSERT INTO public.b VALUES (1)`);
  });

  test('empties tables that refer to each other together, and brings what was inserted after it', async () => {
    const works = await Promise.all(['a', 'b'].map((name) => truncated(name)));
    await rig.commit(works);
    expect(await database.query('SELECT id FROM public.a UNION ALL SELECT id FROM public.b')).toEqual([['7'], ['7']]);
  });

  test('keeps the order of a stream that goes on after it', async () => {
    const target = await rig.target('b', ['id'], ['id']);
    const writer = new BatchWriter('text', ['id'], { kind: 'key', columns: [0] });
    writer
      .insert('2')
      .truncate()
      .insert('1')
      .delete({ key: ['1'] })
      .insert('2')
      .truncate();
    await rig.commit([{ target, batch: writer.batch }]);
    expect(await database.query('SELECT id FROM public.b')).toEqual([]);
  });

  test("is refused for the table that a user's table refers to, and for no other", async () => {
    await database.query('CREATE TABLE public.users_own (a int4 REFERENCES public.b)');
    const works = await Promise.all(['a', 'b'].map((name) => truncated(name)));
    await expect(rig.commit(works)).rejects.toMatchObject({ targetId: 'b', reason: { facts: { sqlstate: '0A000' } } });
    expect(await database.query('SELECT id FROM public.a ORDER BY id')).toEqual([['1'], ['2']]);
    await rig.commit([]);
  });

  async function truncated(name: string) {
    const target = await rig.target(name, ['id'], ['id']);
    return { target, batch: new BatchWriter('text', ['id'], { kind: 'key', columns: [0] }).truncate().insert('7').batch };
  }
});

describe('a destination that differs from what the stream knows', () => {
  const identity = { kind: 'key', columns: [0] } as const;

  beforeEach(async () => {
    await database.query("CREATE TABLE public.t (id int4 PRIMARY KEY, v text); INSERT INTO public.t VALUES (1, 'stray')");
  });

  test('has its stray rows replaced', async () => {
    const target = await rig.target('t', ['id', 'v'], ['id']);
    const batch = new BatchWriter('text', ['id', 'v'], identity).insert('1', 'right').insert('2', 'too');
    await rig.commit([{ target, batch: batch.batch }]);
    expect(await database.query('SELECT id, v FROM public.t ORDER BY id')).toEqual([
      ['1', 'right'],
      ['2', 'too'],
    ]);
  });

  test.each(['update', 'replace', 'upsert'] as const)('and lacks a row that changes in part is named, strategy %s', async (strategy) => {
    const target = { ...(await rig.target('t', ['id', 'v'], ['id'])), strategy };
    const writers = [
      new BatchWriter('text', ['id', 'v'], identity).update(null, '7', undefined).update(null, '1', undefined),
      new BatchWriter('text', ['id', 'v'], identity).update({ key: ['7', null] }, '8', undefined),
    ];
    for (const { batch } of writers) {
      await expect(rig.commit([{ target, batch }])).rejects.toMatchObject({
        targetId: 't',
        reason: { errorName: 'destination_row_missing' },
      });
      await rig.session.flush([]);
      await expect(rig.session.flush([{ target, batch }])).rejects.toMatchObject({
        targetId: 't',
        reason: { errorName: 'destination_row_missing' },
      });
    }
    expect(await database.query('SELECT id, v FROM public.t')).toEqual([['1', 'stray']]);
  });

  test('without its history may lack rows that change in part', async () => {
    const target = { ...(await rig.target('t', ['id', 'v'], ['id'])), rowsMayBeMissing: true };
    const batch = new BatchWriter('text', ['id', 'v'], identity)
      .update(null, '7', undefined)
      .update({ key: ['8', null] }, '9', undefined)
      .update({ key: ['1', null] }, '2', undefined)
      .update({ key: ['9', null] }, '8', undefined);
    await rig.commit([{ target, batch: batch.batch }]);
    expect(await database.query('SELECT id, v FROM public.t')).toEqual([['2', 'stray']]);
  });

  test('in an overlap may lack a row that changes in part, and may hold one that is inserted', async () => {
    const target = await rig.target('t', ['id', 'v'], ['id']);
    const batch = new BatchWriter('text', ['id', 'v'], identity, true).update(null, '7', undefined).insert('1', 'new').insert('3', 'x');
    await rig.commit([{ target, batch: batch.batch }]);
    expect(await database.query('SELECT id, v FROM public.t ORDER BY id')).toEqual([
      ['1', 'new'],
      ['3', 'x'],
    ]);
  });
});

describe('an object that the destination refuses', () => {
  const identity = { kind: 'key', columns: [0] } as const;
  let good: ApplyTarget;
  let bad: ApplyTarget;

  beforeEach(async () => {
    await database.query(`
      CREATE TABLE public.good (id int4 PRIMARY KEY, v text);
      CREATE TABLE public.bad (id int4 PRIMARY KEY, v text CHECK (v <> 'secret'))`);
    good = await rig.target('good', ['id', 'v'], ['id']);
    bad = await rig.target('bad', ['id', 'v'], ['id']);
  });

  test.each(['in the last flush', 'in an earlier flush'])('%s is the one that is named, and the others go on without it', async (when) => {
    const works = [goodWork('1'), { target: bad, batch: new BatchWriter('text', ['id', 'v'], identity).insert('1', 'secret').batch }];
    const refused = when === 'in the last flush' ? rig.commit(works) : rig.session.flush(works);
    await expect(refused).rejects.toMatchObject({
      targetId: 'bad',
      reason: { facts: { sqlstate: '23514', cause: expect.not.stringContaining('secret') } },
    });
    expect(rig.session.inTransaction).toBe(false);
    await rig.commit([goodWork('1')]);
    expect(await database.query('SELECT id FROM public.good')).toEqual([['1']]);
    expect(await rig.moved()).toBe(1);
  });

  test('keeps what earlier flushes of the transaction brought out of the table', async () => {
    await rig.session.flush([goodWork('1')]);
    const work = { target: bad, batch: new BatchWriter('text', ['id', 'v'], identity).insert('1', 'secret').batch };
    await expect(rig.commit([work])).rejects.toMatchObject({ targetId: 'bad' });
    expect(await database.query('SELECT id FROM public.good')).toEqual([]);
    expect(await rig.moved()).toBe(0);
  });

  test('only at COMMIT is named too', async () => {
    await database.query(`
      CREATE TABLE public.users_own (id int4 REFERENCES public.good DEFERRABLE INITIALLY DEFERRED);
      INSERT INTO public.good VALUES (5, 'kept by a user'); INSERT INTO public.users_own VALUES (5)`);
    const target = await rig.target('good', ['id', 'v'], ['id']);
    const work = { target, batch: new BatchWriter('text', ['id', 'v'], identity).delete({ key: ['5', null] }).batch };
    await expect(rig.commit([work])).rejects.toMatchObject({ targetId: 'good', reason: { facts: { sqlstate: '23503' } } });
    await rig.session.flush([work]);
    await expect(rig.commit([])).rejects.toMatchObject({ targetId: 'good', reason: { facts: { sqlstate: '23503' } } });
    await rig.commit([]);
    expect(await rig.moved()).toBe(1);
  });

  test('for a lock is nobody: the whole batch has to wait', async () => {
    const holder = await database.open();
    await holder.query('BEGIN; LOCK TABLE public.bad');
    const impatient = await ApplyRig.open(database, database.settings(), 50);
    const work = { target: bad, batch: new BatchWriter('text', ['id', 'v'], identity).insert('1', 'x').batch };
    await expect(impatient.session.flush([work])).rejects.toMatchObject({ errorName: 'destination_blocked' });
    await impatient.session.close();
    await holder.query('ROLLBACK');
  });

  function goodWork(id: string) {
    return { target: good, batch: new BatchWriter('text', ['id', 'v'], identity).insert(id, 'fine').batch };
  }
});

describe('a commit', () => {
  const identity = { kind: 'key', columns: [0] } as const;
  let target: ApplyTarget;

  beforeEach(async () => {
    await database.query('CREATE TABLE public.t (id int4 PRIMARY KEY)');
    target = await rig.target('t', ['id'], ['id']);
  });

  test('of a writer that was replaced is refused, at once and after other flushes, and nothing of it is there', async () => {
    await expect(rig.commit([work('1')], 2)).rejects.toMatchObject({ errorName: 'fenced' });
    await rig.session.flush([work('2')]);
    await expect(rig.commit([work('3')], 2)).rejects.toMatchObject({ errorName: 'fenced' });
    await expect(rig.commit([], 2)).rejects.toMatchObject({ errorName: 'fenced' });
    expect(await database.query('SELECT id FROM public.t')).toEqual([]);
    expect(await rig.moved()).toBe(0);
  });

  test('of nothing moves the checkpoint alone', async () => {
    await rig.commit();
    expect(await rig.moved()).toBe(1);
  });

  test('that fails in what goes with the checkpoint commits nothing', async () => {
    const refused = rig.session.commit('UPDATE public.checkpoint SET moved = 9', ['SELECT 1/0'], [work('1')]);
    await expect(refused).rejects.toMatchObject({ facts: { sqlstate: '22012' } });
    expect(await rig.moved()).toBe(0);
  });

  test('makes all flushes of its transaction visible at once, and none before', async () => {
    await rig.session.flush([work('1')]);
    await rig.session.flush([work('2')]);
    expect(await database.query('SELECT id FROM public.t')).toEqual([]);
    await rig.commit([work('3')]);
    expect(await database.query('SELECT id FROM public.t ORDER BY id')).toEqual([['1'], ['2'], ['3']]);
  });

  test('after a rollback finds the staging tables as they should be', async () => {
    const changed = () => new BatchWriter('text', ['id'], identity).delete({ key: ['1'] }).insert('1');
    for (let round = 0; round < 3; round++) {
      await rig.session.flush([{ target, batch: changed().batch }]);
      await rig.session.rollback();
      expect(rig.session.inTransaction).toBe(false);
      await rig.commit([{ target, batch: changed().batch }]);
    }
    expect(await database.query('SELECT id FROM public.t')).toEqual([['1']]);
  });

  test('of a small change takes one round trip', async () => {
    const { host, port } = database.settings();
    const proxy = await startProxy({ host, port });
    const far = await ApplyRig.open(database, proxy.through(database.settings()));
    const changed = () => ({ target, batch: new BatchWriter('text', ['id'], identity).delete({ key: ['1'] }).insert('1').batch });
    await far.commit([changed()]);
    proxy.delay(LATENCY_MS);
    const started = performance.now();
    await far.commit([changed()]);
    const roundTrips = (performance.now() - started) / (2 * LATENCY_MS);
    expect(roundTrips).toBeGreaterThanOrEqual(1);
    expect(roundTrips).toBeLessThan(2);
    proxy.heal();
    await far.session.close();
    await proxy.close();
  });

  test('over a connection that is cut fails as lost, and leaves nothing of its transaction', async () => {
    await rig.session.flush([work('1')]);
    await database.query('SELECT pg_catalog.pg_terminate_backend($1)', [rig.backendPid]);
    await expect(rig.commit([work('2')])).rejects.toMatchObject({ errorName: 'connection_lost' });
    expect(await database.query('SELECT id FROM public.t')).toEqual([]);
  });

  function work(id: string) {
    return { target, batch: new BatchWriter('text', ['id'], identity).insert(id).batch };
  }
});

/** Each way: far more than the work itself takes. */
const LATENCY_MS = 300;
