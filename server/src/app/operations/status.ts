// The operations `status` and `objects list`: what the destination's state says, with the source's position where it can be asked.
import { formatObjectName } from '@millrace/contract/object-name';
import type { ObjectStatus, PipelineStateName, PipelineStatus, Reason } from '@millrace/contract/report';
import { connect } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import { loadObjects, loadPipeline } from '../../destination/state.ts';
import { hasState } from '../../destination/state-install.ts';
import type { ObjectRecord, PipelineRecord, StateReason } from '../../destination/state-records.ts';
import { isRefreshed, parseLayout } from '../../model/layout.ts';
import { formatLsn, type Lsn } from '../../pg/lsn.ts';
import { inspectSlot } from '../../source/slot.ts';
import { currentWalLsn } from '../../source/system.ts';
import type { PipelineSettings } from '../config/settings.ts';
import { lagSeconds, pipelineStateOf } from './status-judge.ts';

/** One pipeline with its objects. The source may be down: then what only it knows is null. Throws when the destination can't be asked. */
export async function readStatus(settings: PipelineSettings): Promise<PipelineStatus> {
  const destination = await connect(settings.destination.connection, { applicationName: 'millrace status', side: 'destination' });
  try {
    const installed = await hasState(destination, 'refuse');
    const record = installed ? await loadPipeline(destination, settings.name) : null;
    if (record === null) return notStarted(settings.name);
    const objects = await loadObjects(destination, settings.name);
    const running = await isRunning(destination, settings.name);
    const source = await sourceFacts(settings, record);
    return statusOf(record, objects, { running, ...source });
  } finally {
    await destination.close();
  }
}

/** For the end of a run, where an unreachable destination must not hide what happened. */
export async function readStatusOrNull(settings: PipelineSettings, state: PipelineStateName): Promise<PipelineStatus | null> {
  try {
    return { ...(await readStatus(settings)), state };
  } catch {
    return null;
  }
}

/** The pipeline's objects as its state has them. */
export async function listObjects(settings: PipelineSettings): Promise<readonly ObjectStatus[]> {
  return (await readStatus(settings)).objects;
}

interface SourceFacts {
  readonly lsn: Lsn | null;
  readonly retainedBytes: number | null;
}

async function sourceFacts(settings: PipelineSettings, record: PipelineRecord): Promise<SourceFacts> {
  try {
    const source = await connect(settings.source.connection, { applicationName: 'millrace status', side: 'source' });
    try {
      const slot = record.slotName === null ? null : await inspectSlot(source, record.slotName);
      return { lsn: await currentWalLsn(source), retainedBytes: slot?.kind === 'healthy' ? slot.retainedBytes : null };
    } finally {
      await source.close();
    }
  } catch {
    return { lsn: null, retainedBytes: null };
  }
}

/** Whoever runs the pipeline holds a session of this name at the destination. */
async function isRunning(destination: PgSession, pipeline: string): Promise<boolean> {
  const name = Buffer.from(`millrace ${pipeline} apply`).subarray(0, 63).toString();
  const rows = await destination.query(
    'SELECT 1 FROM pg_catalog.pg_stat_activity AS a WHERE a.datname = pg_catalog.current_database() AND a.application_name = $1 LIMIT 1',
    [name],
  );
  return rows.length > 0;
}

function statusOf(
  record: PipelineRecord,
  objects: readonly ObjectRecord[],
  facts: SourceFacts & { readonly running: boolean },
): PipelineStatus {
  const lagBytes = facts.lsn === null || record.checkpointLsn === null ? null : Math.max(0, Number(facts.lsn - record.checkpointLsn));
  return {
    pipeline: record.name,
    state: pipelineStateOf(record.state, objects, facts.running),
    reason: reasonOf(record.reason),
    source_lsn: facts.lsn === null ? null : formatLsn(facts.lsn),
    checkpoint_lsn: record.checkpointLsn === null ? null : formatLsn(record.checkpointLsn),
    lag_bytes: lagBytes,
    lag_seconds: lagSeconds({ lagBytes, ageSeconds: secondsSince(record.checkpointCommitTime), running: facts.running }),
    retained_wal_bytes: facts.retainedBytes,
    slot: record.slotName,
    objects: objects.map(objectStatus),
  };
}

function objectStatus(object: ObjectRecord): ObjectStatus {
  const { counters } = object;
  return {
    object: formatObjectName({ schema: object.source.schema, name: object.source.name }),
    state: object.state,
    reason: reasonOf(object.reason),
    destination: object.destination === null ? null : { schema: object.destination.schema, table: object.destination.name },
    estimated_rows: null,
    snapshot_lsn: object.snapshotLsn === null ? null : formatLsn(object.snapshotLsn),
    applied_lsn: object.appliedLsn === null ? null : formatLsn(object.appliedLsn),
    note: noteOf(object),
    rows_copied: Number(counters.rowsCopied),
    bytes_copied: Number(counters.bytesCopied),
    inserted: Number(counters.inserted),
    updated: Number(counters.updated),
    deleted: Number(counters.deleted),
    truncated: Number(counters.truncated),
  };
}

/** What is no failure, and should be known all the same. */
function noteOf({ identity, columns, layout }: ObjectRecord): string | null {
  const retired = (columns ?? []).filter((column) => column.transfer === 'retired').map((column) => column.name);
  const notes = [
    ...(identity?.kind === 'none' && !isRefreshed(parseLayout(layout))
      ? ['inserts and TRUNCATE only: the table has no replica identity']
      : []),
    ...(retired.length > 0 ? [`no longer at the source, kept for what was built on it: ${retired.join(', ')}`] : []),
  ];
  return notes.length === 0 ? null : notes.join('; ');
}

function reasonOf(reason: StateReason | null): Reason | null {
  return reason === null ? null : { code: reason.code, cause: reason.cause, fix: reason.fix };
}

function secondsSince(timestamp: string | null): number | null {
  if (timestamp === null) return null;
  const at = Date.parse(timestamp.replace(' ', 'T').replace(/\+00$/, 'Z'));
  return Number.isNaN(at) ? null : Math.max(0, (Date.now() - at) / 1000);
}

function notStarted(pipeline: string): PipelineStatus {
  return {
    pipeline,
    state: 'idle',
    reason: null,
    source_lsn: null,
    checkpoint_lsn: null,
    lag_bytes: null,
    lag_seconds: null,
    retained_wal_bytes: null,
    slot: null,
    objects: [],
  };
}
