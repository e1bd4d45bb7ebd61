// What a batch means must be what a real table holds afterwards, whatever stood there and however the table is made.
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ApplyRig, BatchWriter, CHECKPOINT_SQL, int4 } from '../../test/batch/apply-rig.ts';
import { feedBatch } from '../../test/batch/feed-batch.ts';
import { type Action, anyActions, anyMoves, type Scene, SCENES, Source } from '../../test/batch/source-model.ts';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import type { MemoryRow, Table } from '../../test/batch/memory-destination.ts';
import { binaryRows } from '../model/batch/binary-rows.ts';
import { ObjectBatch } from '../model/batch/object-batch.ts';
import { textRows } from '../model/batch/text-rows.ts';
import { APPLY_SETTINGS, completeStagedRows, deleteStagedKeys, updateStagedColumns } from './apply.sql.ts';
import type { ApplyTarget } from './apply-target.ts';
import { metadataColumns } from './metadata.ts';
import * as stage from './stage.sql.ts';

const pg = usePostgres();
const FORMATS = [binaryRows, textRows];
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

describe.each(FORMATS)('in $name format', (format) => {
  describe.each(SCENES)('$name', (scene) => {
    test.each(['update', 'replace', 'upsert'] as const)('ends up as at the source, strategy %s', async (strategy) => {
      const target = { ...(await sceneTarget(scene, format.name)), strategy };
      await fc.assert(
        fc.asyncProperty(anyActions, anyActions, anyMoves, fc.nat(30), fc.boolean(), async (before, actions, moves, cut, stray) => {
          const source = new Source(scene, format.name);
          for (const action of before) source.run(action);
          await load(target, source, format.name);
          if (stray && scene.identity.kind === 'key' && source.run(STRAY) !== null) {
            // A row that the stream does not know of: the first attempt meets it, and the flush is done again with care.
            await load(target, source, format.name);
            source.run({ ...STRAY, kind: 'delete', pick: source.rows().keys().length - 1 });
            const met = batchOf(scene, source, format, [STRAY, ...actions.filter(({ kind }) => kind === 'update')]);
            await rig.commit([{ target, batch: met }]);
          }
          const all = [...actions, ...moves];
          await rig.commit([{ target, batch: batchOf(scene, source, format, all.slice(0, cut)) }]);
          await rig.session.flush([{ target, batch: batchOf(scene, source, format, all.slice(cut, 2 * cut)) }]);
          await rig.commit([{ target, batch: batchOf(scene, source, format, all.slice(2 * cut)) }]);
          expect(await rowsOf(target, format.name)).toEqual(source.rows().sorted());
        }),
        { numRuns: 40 },
      );
    });
  });
});

describe.each(FORMATS)('in $name format, where rows outlive their deletes', (format) => {
  describe.each(SCENES)('$name', (scene) => {
    test.each(['update', 'replace', 'upsert'] as const)('keeps each deleted row as it was, marked, strategy %s', async (strategy) => {
      const metadata = metadataColumns({ metadata: 'none', deletes: 'soft' });
      const bare = await sceneTarget(scene, format.name);
      await database.query(
        `ALTER TABLE public.scene ADD _millrace_deleted bool NOT NULL DEFAULT false, ADD _millrace_deleted_at timestamptz`,
      );
      const target: ApplyTarget = { ...bare, strategy, metadata, deletes: 'soft' };
      await fc.assert(
        fc.asyncProperty(anyActions, anyActions, anyMoves, fc.nat(30), async (before, actions, moves, cut) => {
          const source = new Source(scene, format.name);
          const graves = new Graves(scene);
          await database.query('TRUNCATE public.scene');
          const feed = (part: readonly Action[]): ObjectBatch => {
            const shape = { format, columns: scene.columns, identity: scene.identity, deletes: 'soft' } as const;
            const batch = new ObjectBatch(shape, false);
            for (const action of part) {
              const then = source.rows();
              expect(feedBatch(batch, source.run(action))).toBe('done');
              graves.note(action.kind, then, source.rows());
            }
            return batch;
          };
          const all = [...actions, ...moves];
          await rig.commit([{ target, batch: feed(before) }]);
          await rig.commit([{ target, batch: feed(all.slice(0, cut)) }]);
          await rig.session.flush([{ target, batch: feed(all.slice(cut, 2 * cut)) }]);
          await rig.commit([{ target, batch: feed(all.slice(2 * cut)) }]);
          expect(await rowsOf(target, format.name, 'NOT _millrace_deleted')).toEqual(source.rows().sorted());
          expect(await rowsOf(target, format.name, '_millrace_deleted AND _millrace_deleted_at IS NOT NULL')).toEqual(graves.all());
        }),
        { numRuns: 30 },
      );
    });
  });
});

describe('a table', () => {
  test('whose key has an operator of its own keeps one row of keys that differ in case only', async () => {
    await database.query('CREATE EXTENSION citext SCHEMA public; CREATE TABLE public.t (v text, k public.citext PRIMARY KEY)');
    await database.query("INSERT INTO public.t VALUES ('one', 'Key'), ('two', 'Other')");
    const target = await rig.target('t', ['v', 'k'], ['k']);
    expect(target.key[0]?.equals).toBe('OPERATOR("public".=)');
    const batch = new BatchWriter('text', ['v', 'k'], { kind: 'key', columns: [1] })
      .update({ key: [null, 'Key'] }, 'one', 'KEY')
      .update(null, 'more', 'Other')
      .delete({ key: [null, 'Other'] })
      .insert('new', 'other');
    await rig.commit([{ target, batch: batch.batch }]);
    expect(await database.query('SELECT v, k FROM public.t ORDER BY v')).toEqual([
      ['new', 'other'],
      ['one', 'KEY'],
    ]);
  });

  test('of many types takes text and binary values alike', async () => {
    await database.query(`
      CREATE TYPE public.mood AS ENUM ('sad', 'ok');
      CREATE TABLE public.t (id int4 PRIMARY KEY, mood public.mood, tags text[], big text, doc jsonb, price numeric);
      INSERT INTO public.t VALUES (1, 'sad', '{a,NULL}', pg_catalog.repeat('x', 100000), '{"a": 1}', 1.50)`);
    const columns = ['id', 'mood', 'tags', 'big', 'doc', 'price'];
    const target = await rig.target('t', columns, ['id']);
    const identity = { kind: 'key', columns: [0] } as const;
    const text = new BatchWriter('text', columns, identity)
      .update(null, '1', 'ok', '{a,NULL,"b,c"}', undefined, '{"b": "\\t"}', '2.500')
      .insert('2', 'ok', '{}', 'y\t\\\n', 'null', '-0.0');
    await rig.commit([{ target, batch: text.batch }]);
    const jsonb = Buffer.concat([Buffer.from([1]), Buffer.from('{"c": 3}')]);
    const binary = new BatchWriter('binary', columns, identity)
      .update({ key: [int4(1), null, null, null, null, null] }, int4(3), 'sad', null, undefined, jsonb, undefined)
      .insert(int4(4), null, null, 'z', jsonb, null);
    await rig.commit([{ target, batch: binary.batch }]);
    expect(await database.query('SELECT id, mood, tags, pg_catalog.length(big), doc, price FROM public.t ORDER BY id')).toEqual([
      ['2', 'ok', '{}', '4', 'null', '0.0'],
      ['3', 'sad', null, '100000', '{"c": 3}', '2.500'],
      ['4', null, null, '1', '{"c": 3}', null],
    ]);
  });

  test('with a trigger and one that others refer to have their rows updated in place', async () => {
    await database.query(`
      CREATE TABLE public.parent (id int4 PRIMARY KEY, v text);
      CREATE TABLE public.child (id int4 PRIMARY KEY, parent int4 NOT NULL REFERENCES public.parent);
      CREATE TABLE public.log (what text);
      CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO public.log VALUES (TG_OP || ' ' || COALESCE(NEW.id, OLD.id)); RETURN NULL; END $$;
      CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON public.child FOR EACH ROW EXECUTE FUNCTION public.note();
      INSERT INTO public.parent VALUES (1, 'a'), (2, 'b'); INSERT INTO public.child VALUES (10, 1), (20, 2);
      TRUNCATE public.log`);
    const parent = await rig.target('parent', ['id', 'v'], ['id']);
    const child = await rig.target('child', ['id', 'parent'], ['id']);
    expect([parent.strategy, child.strategy]).toEqual(['upsert', 'upsert']);
    const identity = { kind: 'key', columns: [0] } as const;
    const parents = new BatchWriter('text', ['id', 'v'], identity).update(null, '1', 'changed').insert('3', 'c');
    const children = new BatchWriter('text', ['id', 'parent'], identity).update(null, '10', '3').delete({ key: ['20', null] });
    // The children come first, as in a transaction that touched one of them before: only the second try finds their parent.
    await rig.commit([
      { target: child, batch: children.batch },
      { target: parent, batch: parents.batch },
    ]);
    expect(await database.query('SELECT id, v FROM public.parent ORDER BY id')).toEqual([
      ['1', 'changed'],
      ['2', 'b'],
      ['3', 'c'],
    ]);
    expect(await database.query('SELECT id, parent FROM public.child ORDER BY id')).toEqual([['10', '3']]);
    expect((await database.query('SELECT what FROM public.log ORDER BY what')).flat()).toEqual(['DELETE 20', 'UPDATE 10']);
  });

  test('without a key loses exactly the rows that were deleted, by their bytes', async () => {
    await database.query(`
      CREATE TABLE public.t (doc json, place point, f float8, n numeric, long text);
      INSERT INTO public.t
      SELECT doc::json, '(1,2)', f, n, l FROM (VALUES
        ('{"a":1}', 0.0::float8, 1.0::numeric, 'x'), ('{"a":1}', 0.0, 1.0, 'x'), ('{"a":1}', 0.0, 1.0, 'x'), ('{"a": 1}', 0.0, 1.0, 'x'),
        ('{"a":1}', '-0'::float8, 1.0, 'x'), ('{"a":1}', 0.0, 1.00, 'x'), ('{"a":1}', 'NaN', 1.0, 'x'), (NULL, NULL, NULL, NULL),
        ('{"a":1}', 0.0, 1.0, pg_catalog.repeat('y', 9000) || '1'), ('{"a":1}', 0.0, 1.0, pg_catalog.repeat('y', 9000) || '2')) AS v (doc, f, n, l)`);
    const columns = ['doc', 'place', 'f', 'n', 'long'];
    const target = await rig.target('t', columns, []);
    const long = 'y'.repeat(9000);
    const batch = new BatchWriter('text', columns, { kind: 'full' })
      .delete({ full: ['{"a":1}', '(1,2)', '0', '1.0', 'x'] })
      .delete({ full: ['{"a":1}', '(1,2)', '0', '1.0', 'x'] })
      .delete({ full: ['{"a":1}', '(1,2)', 'NaN', '1.0', 'x'] })
      .update({ full: ['{"a":1}', '(1,2)', '0', '1.0', `${long}2`] }, '{"a":1}', '(1,2)', '0', '1.0', `${long}3`)
      .delete({ full: [null, '(1,2)', null, null, null] })
      .insert(null, null, null, null, null)
      .insert(null, null, null, null, null);
    await rig.commit([{ target, batch: batch.batch }]);
    const rows = await database.query(
      'SELECT doc, f, n, pg_catalog.right(long, 2) FROM public.t ORDER BY n, f, doc::text, long, pg_catalog.scale(n)',
    );
    expect(rows).toEqual(
      [
        ['{"a": 1}', '0', '1.0', 'x'],
        ['{"a":1}', '0', '1.0', 'x'],
        ['{"a":1}', '-0', '1.0', 'x'],
        ['{"a":1}', '0', '1.00', 'x'],
        ['{"a":1}', '0', '1.0', 'y1'],
        ['{"a":1}', '0', '1.0', 'y3'],
        [null, null, null, null],
        [null, null, null, null],
      ].sort((a, b) => rows.findIndex((row) => String(row) === String(a)) - rows.findIndex((row) => String(row) === String(b))),
    );
    expect(rows).toHaveLength(8);
  });

  test('without a key that lacks a row which was deleted is named', async () => {
    await database.query("CREATE TABLE public.t (v text); INSERT INTO public.t VALUES ('a')");
    const target = await rig.target('t', ['v'], []);
    const batch = new BatchWriter('text', ['v'], { kind: 'full' }).delete({ full: ['a'] }).delete({ full: ['a'] });
    await expect(rig.commit([{ target, batch: batch.batch }])).rejects.toMatchObject({
      targetId: 't',
      reason: { errorName: 'destination_row_missing', facts: { cause: expect.stringContaining('only 1') } },
    });
    expect(await rig.moved()).toBe(0);
  });

  test.each(FORMATS)('without columns counts its rows, in $name format', async ({ name }) => {
    await database.query('CREATE TABLE public.t (); INSERT INTO public.t DEFAULT VALUES');
    const target = await rig.target('t', [], []);
    const grown = new BatchWriter(name, [], { kind: 'full' }).insert().insert().insert();
    await rig.commit([{ target, batch: grown.batch }]);
    const shrunk = new BatchWriter(name, [], { kind: 'full' }).delete({ full: [] }).delete({ full: [] });
    await rig.commit([{ target, batch: shrunk.batch }]);
    expect(await database.query('SELECT pg_catalog.count(*) FROM public.t')).toEqual([['2']]);
  });

  test.each([
    ['with', ['c0']],
    ['without', []],
  ])('of 1,600 columns %s a key takes changes of all kinds', async (_, keyColumns) => {
    const columns = Array.from({ length: 1600 }, (_unused, n) => `c${n}`);
    const key = keyColumns.length > 0 ? ', PRIMARY KEY (c0)' : '';
    await database.query(`CREATE TABLE public.t (${columns.map((name, n) => `${name} ${n < 1597 ? 'bool' : 'text'}`).join(', ')}${key})`);
    const target = await rig.target('t', columns, keyColumns);
    const row = (first: string, last: string | undefined) => [first, ...Array.from({ length: 1597 }, () => null), 'text', last];
    const identity = keyColumns.length > 0 ? ({ kind: 'key', columns: [0] } as const) : ({ kind: 'full' } as const);
    const first = new BatchWriter('text', columns, identity).insert(...row('t', 'a')).insert(...row('f', 'b'));
    await rig.commit([{ target, batch: first.batch }]);
    const old = keyColumns.length > 0 ? null : { full: row('t', 'a') };
    const gone = keyColumns.length > 0 ? { key: ['f', ...columns.slice(1).map(() => null)] } : { full: row('f', 'b') };
    const second = new BatchWriter('text', columns, identity).update(old, ...row('t', undefined)).delete(gone);
    await rig.commit([{ target, batch: second.batch }]);
    expect(await database.query('SELECT c0, c1598, c1599 FROM public.t')).toEqual([['t', 'text', 'a']]);
  });

  test.each([
    ['close together', 1],
    ['scattered', 1_000],
  ])('with many changed keys %s takes them, in whatever way is faster', async (_, step) => {
    await database.query(`
      CREATE TABLE public.t (id int8 PRIMARY KEY, v text);
      INSERT INTO public.t SELECT n * ${step}, 'old' FROM pg_catalog.generate_series(1, 3000) AS n`);
    const target = await rig.target('t', ['id', 'v'], ['id']);
    expect(target.strategy).toBe('update');
    const writer = new BatchWriter('text', ['id', 'v'], { kind: 'key', columns: [0] });
    for (let n = 3_000; n > 0; n--) writer.update(null, String(n * step), `new ${n}`);
    for (let n = 1; n <= 100; n++) writer.delete({ key: [String(n * step), null] });
    writer.insert(String(-step), 'inserted').insert(String(step), 'again');
    await rig.commit([{ target, batch: writer.batch }]);
    expect(
      await database.query(
        "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE v = 'new ' || id / $1::int8), pg_catalog.min(id), pg_catalog.string_agg(v, ',' ORDER BY id) FILTER (WHERE v NOT LIKE 'new%') FROM public.t",
        [String(step)],
      ),
    ).toEqual([['2902', '2900', String(-step), 'inserted,again']]);
  });

  test('whose values swap in another unique column is brought there by deleting first', async () => {
    await database.query(`
      CREATE TABLE public.t (id int4 PRIMARY KEY, u text UNIQUE, big text);
      INSERT INTO public.t SELECT n, 'u' || n, pg_catalog.repeat('b', 5000) || n FROM pg_catalog.generate_series(1, 4) AS n`);
    const target = await rig.target('t', ['id', 'u', 'big'], ['id']);
    expect(target.strategy).toBe('replace');
    const batch = new BatchWriter('text', ['id', 'u', 'big'], { kind: 'key', columns: [0] })
      .update(null, '1', 'u2', undefined)
      .update(null, '2', 'u1', undefined)
      .update(null, '3', 'u4', 'short')
      .update(null, '4', 'u3', undefined)
      .update({ key: ['4', null, null] }, '5', 'u3', undefined);
    await rig.commit([{ target, batch: batch.batch }]);
    expect(await database.query('SELECT id, u, pg_catalog.right(big, 2) FROM public.t ORDER BY id')).toEqual([
      ['1', 'u2', 'b1'],
      ['2', 'u1', 'b2'],
      ['3', 'u4', 'rt'],
      ['5', 'u3', 'b4'],
    ]);
  });
});

describe('plans', () => {
  test.each([10, 50_000])('find %s staged keys by the index, however large the table', async (staged) => {
    await database.query(`
      CREATE TABLE public.t (a int4, id int8, b int4, v text, PRIMARY KEY (a, b, id));
      INSERT INTO public.t SELECT n % 10, n, n % 7, 'x' FROM pg_catalog.generate_series(1, 1000000) AS n; ANALYZE public.t`);
    const target = await rig.target('t', ['v', 'b', 'id', 'a'], ['a', 'b', 'id']);
    const session = await database.open({ settings: APPLY_SETTINGS });
    await session.query(stage.createKeyStage(target));
    await session.query(stage.createRowStage(target));
    const some = `SELECT v AS c0, b AS c1, id AS c2, a AS c3 FROM public.t WHERE id % ${1_000_000 / staged} = 0`;
    await session.query(`INSERT INTO ${stage.rowStage(target)} ${some}`);
    await session.query(`INSERT INTO ${stage.keyStage(target)} SELECT c1, c2, c3 FROM ${stage.rowStage(target)}`);
    for (const statement of [
      deleteStagedKeys(target),
      updateStagedColumns(target, [0, 1, 2, 3]),
      completeStagedRows(target, [0], 'new_key'),
    ]) {
      const plan = (await session.query(`EXPLAIN ${statement}`)).flat().join('\n');
      expect(plan).toMatch(/Nested Loop[^]*Seq Scan on millrace_[^]*Index Scan using t_pkey/);
      expect(plan).not.toMatch(/Seq Scan on t |Hash|Materialize/);
    }
  });

  test('delete rows without a key in one pass over the table, however many', async () => {
    await database.query(`
      CREATE TABLE public.t (n int4, v text);
      INSERT INTO public.t SELECT n % 250000, pg_catalog.md5((n % 250000)::text) FROM pg_catalog.generate_series(1, 1000000) AS n`);
    const target = await rig.target('t', ['n', 'v'], []);
    const writer = new BatchWriter('text', ['n', 'v'], { kind: 'full' });
    const rows = await database.query('SELECT DISTINCT n, v FROM public.t WHERE n < 20000');
    for (const [n, v] of rows) writer.delete({ full: [n ?? null, v ?? null] }).delete({ full: [n ?? null, v ?? null] });
    const started = performance.now();
    await rig.commit([{ target, batch: writer.batch }]);
    expect(await database.query('SELECT pg_catalog.count(*) FROM public.t')).toEqual([['960000']]);
    // By comparing every row with every other it would be hours.
    expect(performance.now() - started).toBeLessThan(50_000);
  });
});

const STRAY: Action = { kind: 'insert', key: 5, values: [6, 6, 6], pick: 0, toast: 0 };

async function sceneTarget(scene: Scene, format: 'text' | 'binary'): Promise<ApplyTarget> {
  const type = format === 'binary' ? 'bytea' : 'text';
  const keys = scene.columns.filter((name) => name.startsWith('k'));
  const primary = keys.length > 0 ? `, PRIMARY KEY (${keys.toReversed().join(', ')})` : '';
  await database.query(`CREATE TABLE public.scene (${scene.columns.map((name) => `${name} ${type}`).join(', ')}${primary})`);
  return rig.target('scene', scene.columns, keys);
}

/** Makes the table hold what the source holds, without the apply session. */
async function load(target: ApplyTarget, source: Source, format: 'text' | 'binary'): Promise<void> {
  const value = (hex: string) =>
    format === 'binary' ? `pg_catalog.decode('${hex}', 'hex')` : `pg_catalog.convert_from(pg_catalog.decode('${hex}', 'hex'), 'UTF8')`;
  const rows = source
    .rows()
    .sorted()
    .map(
      (row) =>
        `(${row
          .split(' ')
          .map((hex) => (hex === '-' ? 'NULL' : value(hex)))
          .join(', ')})`,
    );
  await database.query(`TRUNCATE public.${target.table.name}`);
  if (rows.length > 0) await database.query(`INSERT INTO public.${target.table.name} VALUES ${rows.join(', ')}`);
}

async function rowsOf(target: ApplyTarget, format: 'text' | 'binary', where = 'true'): Promise<readonly string[]> {
  const bytes = (name: string) => (format === 'binary' ? name : `pg_catalog.convert_to(${name}, 'UTF8')`);
  const columns = target.columns.map((name) => `pg_catalog.encode(${bytes(name)}, 'hex')`);
  const rows = await database.query(`SELECT ${columns.join(', ')} FROM public.${target.table.name} AS t WHERE ${where}`);
  return rows.map((row) => row.map((value) => value ?? '-').join(' ')).sort();
}

function batchOf(scene: Scene, source: Source, format: typeof binaryRows, actions: readonly Action[]): ObjectBatch {
  const batch = new ObjectBatch({ format, columns: scene.columns, identity: scene.identity, deletes: 'hard' }, false);
  for (const action of actions) expect(feedBatch(batch, source.run(action))).toBe('done');
  return batch;
}

/** The rows that a table keeps although the source deleted them, each as it was last. */
class Graves {
  readonly #scene: Scene;
  readonly #byKey = new Map<string, string>();
  readonly #rows: string[] = [];

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Takes a statement's effect in. An update of a row without a key leaves nothing of the former row. */
  note(kind: Action['kind'], before: Table, after: Table): void {
    if (this.#scene.identity.kind !== 'key') {
      if (kind === 'delete' || kind === 'truncate') this.#rows.push(...missingRows(before.sorted(), after.sorted()));
      return;
    }
    for (const key of before.keys()) if (after.get(key) === undefined) this.#byKey.set(key, printed(before.get(key) ?? []));
    for (const key of after.keys()) this.#byKey.delete(key);
  }

  all(): readonly string[] {
    return [...this.#byKey.values(), ...this.#rows].sort();
  }
}

function printed(row: MemoryRow): string {
  return row.map((value) => value ?? '-').join(' ');
}

function missingRows(before: readonly string[], after: readonly string[]): readonly string[] {
  const left = [...after];
  return before.filter((row) => {
    const at = left.indexOf(row);
    if (at === -1) return true;
    left.splice(at, 1);
    return false;
  });
}
