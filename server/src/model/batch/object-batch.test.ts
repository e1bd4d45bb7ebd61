// Compaction must not change what happens: whatever a source can do, applying its batches gives the source's own rows.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { applyBatch, DestinationConflict, type Table } from '../../../test/batch/memory-destination.ts';
import { type Action, anyActions, anyMoves, type Scene, SCENES, Source } from '../../../test/batch/source-model.ts';
import { feedBatch } from '../../../test/batch/feed-batch.ts';
import { binaryRows } from './binary-rows.ts';
import { type ChangeOutcome, ObjectBatch, type RowShape } from './object-batch.ts';
import { textRows } from './text-rows.ts';

const FORMATS = [binaryRows, textRows];
const MODES = ['update', 'replace', 'replace_all', 'upsert'] as const;
const RUNS = { numRuns: 300 };

describe.each(FORMATS)('a batch in $name format', (format) => {
  describe.each(SCENES)('of $name', (scene) => {
    test.each(MODES)('gives the rows of the source, mode %s', (mode) => {
      fc.assert(
        fc.property(anyActions, anyActions, fc.array(fc.nat(12), { maxLength: 4 }), (before, actions, cuts) => {
          const source = new Source(scene, format.name);
          for (const action of before) source.run(action);
          const destination = source.rows();
          for (const part of pieces(actions, cuts)) {
            const batch = new ObjectBatch(shapeOf(scene, format), false);
            for (const action of part) expect(feed(batch, source, action)).toBe('done');
            applyBatch(destination, batch, mode);
          }
          expect(destination.sorted()).toEqual(source.rows().sorted());
        }),
        RUNS,
      );
    });

    test.each(MODES)('does not mind rows that are there already or differ, where it is careful, mode %s', (mode) => {
      if (mode === 'update' || mode === 'replace' || scene.toast || scene.identity.kind !== 'key') return;
      fc.assert(
        fc.property(anyActions, anyActions, anyActions, (before, stray, actions) => {
          const source = new Source(scene, format.name);
          for (const action of before) source.run(action);
          const strayed = new Source(scene, format.name);
          for (const action of stray) strayed.run(action);
          const destination = strayed.rows();
          const batch = new ObjectBatch(shapeOf(scene, format), false);
          const touched = new Set<string>();
          for (const action of actions) {
            feed(batch, source, action);
            for (const key of source.touched) touched.add(key);
          }
          applyBatch(destination, batch, mode);
          const expected = source.rows();
          for (const key of touched) {
            // A row that came and went within the batch leaves no trace in an upsert.
            if (mode === 'replace_all' || expected.get(key) !== undefined) expect(destination.get(key)).toEqual(expected.get(key));
          }
        }),
        RUNS,
      );
    });
  });
});

describe.each(FORMATS)('a batch of key changes with values out of line in $name format', (format) => {
  describe.each(SCENES.filter((scene) => scene.toast && scene.identity.kind === 'key'))('of $name', (scene) => {
    test.each(MODES)('moves every row to its key, in whatever order the destination does it, mode %s', (mode) => {
      let movePhases = 0;
      fc.assert(
        fc.property(fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 4 }), anyMoves, (keys, actions) => {
          const source = new Source(scene, format.name);
          for (const key of keys) source.run({ kind: 'insert', key, values: [key + 1, 6, 7], pick: 0, toast: 0 });
          const destination = source.rows();
          const batch = new ObjectBatch(shapeOf(scene, format), false);
          for (const action of actions) expect(feed(batch, source, action)).toBe('done');
          movePhases += batch.phases.filter((phase) => phase.kind === 'moves').length;
          applyBatch(destination, batch, mode);
          expect(destination.sorted()).toEqual(source.rows().sorted());
        }),
        RUNS,
      );
      expect(movePhases > 0).toBe(scene.old === 'key');
    });
  });
});

describe.each(FORMATS)('a batch over an overlap in $name format', (format) => {
  describe.each(SCENES.filter((scene) => scene.identity.kind === 'key'))('of $name', (scene) => {
    test.each(MODES)('ends at the rows of the source, wherever each row of the destination stood, mode %s', (mode) => {
      let holes = 0;
      let runs = 0;
      fc.assert(
        fc.property(
          anyActions,
          anyActions,
          fc.array(fc.nat(12), { maxLength: 3 }),
          fc.infiniteStream(fc.nat()),
          (before, actions, cuts, picks) => {
            const source = new Source(scene, format.name);
            for (const action of before) source.run(action);
            const history: Table[] = [source.rows()];
            const batches: ObjectBatch[] = [];
            let hole = false;
            for (const part of pieces(actions, cuts)) {
              const batch = new ObjectBatch(shapeOf(scene, format), true);
              for (const action of part) {
                const outcome = feed(batch, source, action);
                hole ||= outcome === 'hole';
                if (!hole) expect(outcome).toBe('done');
                history.push(source.rows());
              }
              batches.push(batch);
            }
            runs++;
            if (hole) holes++;
            if (hole) return;
            const destination = mixed(history, picks);
            for (const batch of batches) applyBatch(destination, batch, mode);
            expect(destination.sorted()).toEqual(source.rows().sorted());
          },
        ),
        RUNS,
      );
      // A test that gives up on most of its inputs would prove nothing.
      expect(holes).toBeLessThan(runs * 0.9);
    });
  });
});

describe('a batch', () => {
  const scene = SCENES[0] as Scene;

  test('knows that it is empty, and grows with what it takes', () => {
    const batch = new ObjectBatch(shapeOf(scene, binaryRows), false);
    expect(batch.isEmpty).toBe(true);
    const source = new Source(scene, 'binary');
    const before = batch.sizeBytes;
    feed(batch, source, { kind: 'insert', key: 1, values: [1, 2, 3], pick: 0, toast: 0 });
    expect(batch.isEmpty).toBe(false);
    expect(batch.sizeBytes).toBeGreaterThan(before);
    feed(batch, source, { kind: 'truncate', key: 0, values: [], pick: 0, toast: 0 });
    expect(batch.isEmpty).toBe(false);
    expect(batch.counts).toEqual({ inserted: 1, updated: 0, deleted: 0, truncated: 1 });
  });

  test('counts what phases cost, so that moves that do not fit together can not fill the memory unseen', () => {
    const toasty = SCENES.find((known) => known.toast && known.name.includes('one key'))?.name;
    const scene = SCENES.find((known) => known.name === toasty) as Scene;
    const source = new Source(scene, 'binary');
    for (let key = 0; key < 8; key++) source.run({ kind: 'insert', key, values: [1, 2, 3], pick: 0, toast: 0 });
    const batch = new ObjectBatch(shapeOf(scene, binaryRows), false);
    for (let n = 0; n < 200; n++) feed(batch, source, { kind: 'move', key: 8 + n, values: [n, n, n], pick: n, toast: n % 2 === 0 ? 2 : 3 });
    expect(batch.phases.length).toBeGreaterThan(50);
    expect(batch.sizeBytes).toBeGreaterThan(batch.phases.length * 1024);
  });

  test.each(FORMATS)('refuses a change whose key was not sent, format $name', (format) => {
    const shape: RowShape = { format, columns: ['a', 'b'], identity: { kind: 'key', columns: [0] }, deletes: 'hard' };
    const unknown = Buffer.from([0, 2, 0x75, 0x6e]);
    const slice = { bytes: unknown, at: 0, end: unknown.length };
    const batch = new ObjectBatch(shape, false);
    expect([batch.insert(slice), batch.update(0, slice, slice), batch.update(0x4b, slice, slice), batch.delete(0x4b, slice)]).toEqual([
      'unmatched',
      'unmatched',
      'unmatched',
      'unmatched',
    ]);
    expect(batch.phases.flatMap((phase) => (phase.kind === 'keyed' ? [phase.effect('replace_all').deletes.segments.rows] : []))).toEqual([
      0,
    ]);
  });

  test('of a table without an identity takes inserts only', () => {
    const shape: RowShape = { format: binaryRows, columns: ['a'], identity: { kind: 'none' }, deletes: 'hard' };
    const tuple = Buffer.from([0, 1, 0x6e]);
    const slice = { bytes: tuple, at: 0, end: tuple.length };
    const batch = new ObjectBatch(shape, false);
    expect([batch.insert(slice), batch.update(0x4f, slice, slice), batch.delete(0x4f, slice)]).toEqual(['done', 'unmatched', 'unmatched']);
  });

  test('of a wrong mode would be noticed: the destination of these tests refuses what a table refuses', () => {
    const source = new Source(scene, 'binary');
    const insert: Action = { kind: 'insert', key: 1, values: [1, 2, 3], pick: 0, toast: 0 };
    source.run(insert);
    const destination = source.rows();
    const batch = new ObjectBatch(shapeOf(scene, binaryRows), false);
    feed(batch, new Source(scene, 'binary'), insert);
    expect(() => applyBatch(destination, batch, 'replace')).toThrow(DestinationConflict);
  });
});

function shapeOf(scene: Scene, format: RowShape['format']): RowShape {
  return { format, columns: scene.columns, identity: scene.identity, deletes: 'hard' };
}

/** Lets the source act, and gives the batch what the stream says of it. */
function feed(batch: ObjectBatch, source: Source, action: Action): ChangeOutcome {
  return feedBatch(batch, source.run(action));
}

function pieces<T>(items: readonly T[], cuts: readonly number[]): readonly T[][] {
  const parts: T[][] = [];
  let at = 0;
  for (const size of cuts) {
    parts.push(items.slice(at, at + size));
    at += size;
  }
  return [...parts, items.slice(at)];
}

/** Every key as it stood at some moment of the history, each at its own. */
function mixed(history: readonly Table[], picks: Iterable<number>): Table {
  const random = picks[Symbol.iterator]();
  const result = (history[0] as Table).emptyLike();
  const keys = new Set(history.flatMap((table) => table.keys()));
  for (const key of [...keys].sort()) {
    const row = (history[(random.next().value as number) % history.length] as Table).get(key);
    if (row !== undefined) result.put(key, row);
  }
  return result;
}
