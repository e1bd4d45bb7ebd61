// Brings the changes of one object into a table that keeps more than the present rows.
import type { AnyBatch } from '../model/batch/any-batch.ts';
import type { ApplyTarget } from './apply-target.ts';
import type { FlushLane } from './flush-lane.ts';
import { flushLog } from './log-flush.ts';
import { flushVersions } from './versions-flush.ts';

/** Sends the statements of one object's batch; resolves when they are sent. */
export async function flushKept(lane: FlushLane, target: ApplyTarget, batch: Exclude<AnyBatch, { keeps: 'rows' }>): Promise<void> {
  const { keeps } = target;
  if (batch.keeps === 'changes' && keeps?.kind === 'changes') return flushLog(lane, { ...target, keeps }, batch);
  if (batch.keeps === 'versions' && keeps?.kind === 'versions') return flushVersions(lane, { ...target, keeps }, batch);
  throw new Error('expected a target that keeps what the batch has');
}
