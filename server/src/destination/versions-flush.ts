// Brings a batch of versions into a table that keeps them all: staged and completed first, then what is current ends, then they are added.
import type { VersionBatch } from '../model/batch/version-batch.ts';
import type { VersionPhase } from '../model/batch/version-phase.ts';
import type { TransferFormat } from '../model/batch/row-format.ts';
import type { CopyRows } from '../model/batch/segments.ts';
import type { FlushLane } from './flush-lane.ts';
import * as sql from './versions.sql.ts';
import type { VersionTarget } from './versions.sql.ts';

/** Sends the statements of one object's batch; resolves when they are sent. */
export async function flushVersions(lane: FlushLane, target: VersionTarget, batch: VersionBatch): Promise<void> {
  for (const part of batch.parts) {
    if (part.kind === 'end_all') for (const statement of sql.endAll(target, part)) lane.run(statement);
    else if (!part.isEmpty) await flushPhase(lane, target, part, batch.shape.format.name);
  }
}

async function flushPhase(lane: FlushLane, target: VersionTarget, phase: VersionPhase, format: TransferFormat): Promise<void> {
  const { rows, incomplete, ended } = phase.effect();
  const name = lane.stage(sql.versionStage(target), () => sql.createVersionStage(target));
  let count = 0;
  const stage = async (copy: string, staged: CopyRows): Promise<void> => {
    count += staged.segments.rows;
    await lane.copy(copy, staged, format);
  };
  for (const group of incomplete) {
    await stage(sql.copyVersions(target, group.columns, { format, isIncomplete: true }), group.rows);
    lane.change(target, sql.completeVersions(target, group.columns), group.rows.segments.rows);
    if (target.rowsMayBeMissing) lane.run(sql.dropIncomplete(target));
  }
  await stage(
    sql.copyVersions(
      target,
      target.columns.map((_, column) => column),
      { format, isIncomplete: false },
    ),
    rows,
  );
  await stage(
    sql.copyVersions(
      target,
      target.key.map((part) => part.column),
      { format, isIncomplete: false },
    ),
    ended,
  );
  lane.run(sql.removeIntermediate(target));
  lane.run(sql.endCurrent(target));
  lane.run(sql.addVersions(target));
  lane.clear(name, count);
}
