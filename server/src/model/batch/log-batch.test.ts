// A log must say exactly what happened: whatever a source does, its changes arrive as rows, each with all values, in order.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { feedBatch } from '../../../test/batch/feed-batch.ts';
import { applyLog, isBefore, type LogRow } from '../../../test/batch/kept-rows.ts';
import type { MemoryRow, Table } from '../../../test/batch/memory-destination.ts';
import { type Action, anyActions, type Scene, SCENES, Source } from '../../../test/batch/source-model.ts';
import type { Lsn } from '../../pg/lsn.ts';
import { binaryRows } from './binary-rows.ts';
import { LogBatch } from './log-batch.ts';
import { encodeFields } from './own-fields.ts';
import type { RowFormat } from './row-format.ts';
import { textRows } from './text-rows.ts';

const WORDS = { load: 'load', insert: 'insert', update: 'update', delete: 'delete', truncate: 'truncate' };

describe.each([binaryRows, textRows])('a batch of changes in $name format', (format) => {
  describe.each(SCENES.filter((scene) => scene.identity.kind === 'key'))('of $name', (scene) => {
    test('says what happened, with all values, however it is cut into batches', () => {
      fc.assert(
        fc.property(anyActions, anyActions, fc.array(fc.nat(12), { maxLength: 4 }), (before, actions, cuts) => {
          const source = new Source(scene, format.name);
          for (const action of before) source.run(action);
          const log: LogRow[] = source
            .rows()
            .keys()
            .map((key) => ({ change: 'load', lsn: 1n, sequence: 0n, values: source.rows().get(key) ?? [] }));
          const expected = [...log];
          const origin = { lsn: 2n as Lsn, commitTimeMicros: 0n, sequence: 0 };
          let written = 0;
          for (const part of pieces(actions, cuts)) {
            const batch = new LogBatch(shapeOf(scene, format), WORDS);
            batch.origin = origin;
            for (const action of part) {
              const former = source.rows();
              const message = source.run(action);
              expect(feedBatch(batch, message)).toBe('done');
              if (message === null) continue;
              for (const row of whatHappened(scene, action, { source, former }))
                expected.push({ ...row, lsn: 2n, sequence: BigInt(++written) });
            }
            applyLog(log, batch, keyOf(scene));
          }
          expect(log.toSorted((a, b) => (isBefore(a, b) ? -1 : 1))).toEqual(expected);
        }),
        { numRuns: 300 },
      );
    });
  });

  test('of a table without columns has our own fields alone', () => {
    const batch = new LogBatch({ format, columns: [], identity: { kind: 'none' }, deletes: 'hard' }, WORDS);
    batch.origin = { lsn: 5n as Lsn, commitTimeMicros: 0n, sequence: 0 };
    const tuple = { bytes: Buffer.from([0, 0]), at: 0, end: 2 };
    expect(batch.insert(tuple)).toBe('done');
    const log: LogRow[] = [];
    applyLog(log, batch, []);
    expect(log).toEqual([{ change: 'insert', lsn: 5n, sequence: 1n, values: [] }]);
  });
});

test('times are written to the microsecond, before 2000 too', () => {
  const text = (micros: bigint): string =>
    encodeFields('text', [{ type: 'time', value: micros }])
      .toString()
      .trim();
  expect(text(0n)).toBe('2000-01-01 00:00:00.000000+00');
  expect(text(848_577_599_000_001n)).toBe('2026-11-21 11:59:59.000001+00');
  expect(text(-1n)).toBe('1999-12-31 23:59:59.999999+00');
});

interface Moment {
  readonly source: Source;
  readonly former: Table;
}

/** The rows that a change is in the log. Under REPLICA IDENTITY FULL a delete knows the whole row. */
function whatHappened(scene: Scene, action: Action, { source, former }: Moment): readonly Pick<LogRow, 'change' | 'values'>[] {
  const now = source.rows();
  const [first = '', second = ''] = source.touched;
  const gone = (key: string): Pick<LogRow, 'change' | 'values'> => {
    const row: MemoryRow = former.get(key) ?? [];
    return {
      change: 'delete',
      values: scene.old === 'full' ? row : row.map((value, column) => (keyOf(scene).includes(column) ? value : null)),
    };
  };
  switch (action.kind) {
    case 'insert':
      return [{ change: 'insert', values: now.get(first) ?? [] }];
    case 'delete':
      return [gone(first)];
    case 'truncate':
      return [{ change: 'truncate', values: scene.columns.map(() => null) }];
    default:
      if (first === second) return [{ change: 'update', values: now.get(first) ?? [] }];
      return [gone(first), { change: 'insert', values: now.get(second) ?? [] }];
  }
}

function keyOf(scene: Scene): readonly number[] {
  return scene.identity.kind === 'key' ? scene.identity.columns : [];
}

function shapeOf(scene: Scene, format: RowFormat) {
  return { format, columns: scene.columns, identity: scene.identity, deletes: 'hard' as const };
}

function pieces(actions: readonly Action[], cuts: readonly number[]): readonly (readonly Action[])[] {
  const parts: Action[][] = [];
  const rest = [...actions];
  for (const cut of cuts) parts.push(rest.splice(0, cut));
  return [...parts, rest];
}
