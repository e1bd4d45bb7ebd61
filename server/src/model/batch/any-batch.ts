// Chooses how the changes of one object are collected: by what its destination table keeps.
import { LogBatch } from './log-batch.ts';
import { ObjectBatch, type RowShape } from './object-batch.ts';
import { VersionBatch } from './version-batch.ts';

/** What one flush brings to one object's table; `keeps` tells which. */
export type AnyBatch = ObjectBatch | LogBatch | VersionBatch;

/** An empty batch. `overlap`: rows at the destination may be newer than the stream; tables that keep changes never get there. */
export function batchFor(shape: RowShape, overlap: boolean): AnyBatch {
  switch (shape.keeps?.kind) {
    case 'changes':
      return new LogBatch(shape, shape.keeps.words);
    case 'versions':
      return new VersionBatch(shape);
    default:
      return new ObjectBatch(shape, overlap);
  }
}
