// Versions must be those of the source's commits: whatever transactions do, however they are cut into batches, whatever the clock says.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { feedBatch } from '../../../test/batch/feed-batch.ts';
import { type Action, anyActions, type Scene, SCENES, Source } from '../../../test/batch/source-model.ts';
import { VersionTable } from '../../../test/batch/version-table.ts';
import type { Lsn } from '../../pg/lsn.ts';
import { binaryRows } from './binary-rows.ts';
import type { RowFormat } from './row-format.ts';
import { textRows } from './text-rows.ts';
import { VersionBatch } from './version-batch.ts';

/** A transaction: its changes, its time by a clock that goes where it likes, and after how many changes a batch is flushed. */
const anyTransactions = fc.array(
  fc.record({ actions: anyActions, at: fc.bigInt({ min: 0n, max: 9n }), cut: fc.nat(6), endsBatch: fc.boolean() }),
  { maxLength: 6 },
);

describe.each([binaryRows, textRows])('a batch of versions in $name format', (format) => {
  describe.each(SCENES.filter((scene) => scene.identity.kind === 'key'))('of $name', (scene) => {
    test('gives the versions that the commits made, with several of them in a batch and several batches in one of them', () => {
      fc.assert(
        fc.property(anyActions, anyTransactions, (before, transactions) => {
          const source = new Source(scene, format.name);
          for (const action of before) source.run(action);
          const table = new VersionTable(source.rows(), 5n);
          const expected = new VersionTable(source.rows(), 5n);
          let batch = new VersionBatch(shapeOf(scene, format));
          const flush = (): void => {
            table.apply(batch);
            batch = new VersionBatch(shapeOf(scene, format));
          };
          for (const [index, { actions, at, cut, endsBatch }] of transactions.entries()) {
            const origin = { lsn: BigInt(100 + index) as Lsn, commitTimeMicros: at, sequence: 0 };
            const touched = new Set<string>();
            for (const [place, action] of actions.entries()) {
              batch.origin = origin;
              expect(change(batch, source, action)).toBe('done');
              for (const key of source.touched) touched.add(key);
              if (place % (cut + 1) === cut) {
                flush();
              }
            }
            expected.commit({ lsn: origin.lsn, at, touched, rows: source.rows() });
            if (endsBatch) flush();
          }
          flush();
          expect(table.lines()).toEqual(expected.lines());
        }),
        { numRuns: 500 },
      );
    });
  });
});

test('a batch of versions is empty until something changes, and says what changed', () => {
  const scene = SCENES[0] as Scene;
  const batch = new VersionBatch(shapeOf(scene, binaryRows));
  expect(batch.isEmpty).toBe(true);
  batch.origin = { lsn: 1n as Lsn, commitTimeMicros: 0n, sequence: 0 };
  batch.truncate();
  expect(batch.isEmpty).toBe(false);
  const source = new Source(scene, 'binary');
  change(batch, source, { kind: 'insert', key: 1, values: [1, 2, 3], pick: 0, toast: 0 });
  expect(batch.counts).toEqual({ inserted: 1, updated: 0, deleted: 0, truncated: 1 });
  expect(batch.sizeBytes).toBeGreaterThan(500);
});

function change(batch: VersionBatch, source: Source, action: Action) {
  return feedBatch(batch, source.run(action));
}

function shapeOf(scene: Scene, format: RowFormat) {
  return { format, columns: scene.columns, identity: scene.identity, deletes: 'hard', keeps: { kind: 'versions' } } as const;
}
