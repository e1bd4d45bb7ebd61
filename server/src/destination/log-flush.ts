// Brings a batch of changes into a table that keeps each of them: whole rows by COPY, the others completed from their key's last row.
import type { LogBatch } from '../model/batch/log-batch.ts';
import type { FlushLane } from './flush-lane.ts';
import { copyIntoLog, copyIntoLogStage, createLogStage, insertCompleted, logStage, type LogTarget } from './log.sql.ts';

/** Sends the statements of one object's batch; resolves when they are sent. */
export async function flushLog(lane: FlushLane, target: LogTarget, batch: LogBatch): Promise<void> {
  const format = batch.shape.format.name;
  const { rows, incomplete, first } = batch.effect();
  await lane.copy(copyIntoLog(target, format), rows, format);
  for (const group of incomplete) {
    const name = lane.stage(logStage(target), () => createLogStage(target));
    const count = group.rows.segments.rows;
    await lane.copy(copyIntoLogStage(target, group.columns, format), group.rows, format);
    lane.change(target, insertCompleted(target, group.columns, first), count);
    lane.clear(name, count);
  }
}
