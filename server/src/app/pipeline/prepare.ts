// Makes everything ready for a stream: state, proof of continuity, publications, slot; decides where the stream begins.
import { connect } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import { loadObjects, loadPipeline, type PipelineBinding, setObjectState, setPipelineState, takeOver } from '../../destination/state.ts';
import { evictPredecessors } from '../../destination/state-evict.ts';
import { installState, readStateVersion } from '../../destination/state-install.ts';
import { rebindPipeline, startAnew } from '../../destination/state-start.ts';
import type { Fence, ObjectRecord, PipelineRecord } from '../../destination/state-records.ts';
import { failpoint } from '../../lib/failpoint.ts';
import type { TransferFormat } from '../../model/batch/row-format.ts';
import { MillraceError } from '../../model/error.ts';
import { isRefreshed } from '../../model/layout.ts';
import { type Lsn, minLsn } from '../../pg/lsn.ts';
import { SqlState } from '../../pg/sqlstate.ts';
import { hasFeature } from '../../pg/version.ts';
import { type ContinuityVerdict, judgeContinuity, type Lost, type StoredPosition } from '../../source/continuity.ts';
import { ensurePublications, readPublications } from '../../source/publication.ts';
import { streamedPublications } from '../../source/publication-plan.ts';
import { dropSlot, inspectSlot } from '../../source/slot.ts';
import { createSlot } from '../../source/slot-create.ts';
import type { ReplicationNames } from '../../source/slot-name.ts';
import { releaseSlot } from '../../source/slot-release.ts';
import { identifySystem, readTimelineHistory, requirePrimary, type SystemIdentity } from '../../source/system.ts';
import { missedRelations } from './ineligible.ts';
import { resumptionOf, stateReason, wasUnpublished } from './live-objects.ts';
import { mayBeMended } from './mends.ts';
import { pipelineNames } from './names.ts';
import { type PlannedResumption, rememberMissed, rememberObjects, rememberVanished } from './object-memory.ts';
import type { PipelineRun } from './pipeline-run.ts';
import { type PipelinePlan, type PlannedObject, planPipeline } from './plan.ts';
import { requireStillOurs, type Tenure } from './tenure.ts';

/** What a session stands on. */
export interface Prepared {
  readonly fence: Fence;
  readonly names: ReplicationNames;
  /** No object has been loaded yet: the slot was made just now. */
  readonly isFresh: boolean;
  readonly checkpoint: Lsn;
  /** Where the stream begins: at the checkpoint, or earlier when an object lags behind. */
  readonly from: Lsn;
  readonly format: TransferFormat;
  readonly plan: PipelinePlan;
  /** Publications to stream from. */
  readonly streamFrom: readonly string[];
}

export interface PrepareContext extends PipelineRun {
  readonly source: PgSession;
  readonly destination: PgSession;
}

/** What the start of a session needs beside that. */
export interface StartContext extends PrepareContext {
  readonly tenure: Tenure;
}

const SLOT_TIMEOUT_MS = 60_000;

/**
 * Throws `fenced` when this process was replaced, the continuity errors (`slot_lost`, `destination_rewound`, …), `publication_not_allowed`, `slot_creation_blocked` and whatever
 * connecting and reading throws. What is made before an error is found again by the next attempt.
 */
export async function prepare(context: StartContext): Promise<Prepared> {
  await requirePrimary(context.source);
  const replication = await connect(context.settings.source.connection, {
    applicationName: `millrace ${context.settings.name} slot`,
    side: 'source',
    replication: 'database',
  });
  try {
    return await prepareWith(context, replication);
  } finally {
    await replication.close();
  }
}

async function prepareWith(context: StartContext, replication: PgSession): Promise<Prepared> {
  const { source, destination, settings } = context;
  // A pipeline that was dropped while this process ran it must not come back by itself, nor its state.
  if ((await readStateVersion(destination)).kind !== 'installed') requireStillOurs(context.tenure, settings.name, null);
  await installState(destination);
  const system = await identifySystem(replication);
  const known = await loadPipeline(destination, settings.name);
  requireStillOurs(context.tenure, settings.name, known);
  const records = known === null ? [] : await loadObjects(destination, settings.name);
  const names = await pipelineNames(settings, destination);
  const verdict = await judge(context, replication, { system, known, names });
  const startOver = verdict.kind === 'fresh' || (verdict.kind === 'lost' && isRestartOfAll(records) && verdict.errorName !== 'slot_in_use');
  if (verdict.kind === 'lost' && !startOver) throw await lost(verdict, context, known);
  const binding = { systemId: system.systemId, database: settings.source.connection.database };
  if (startOver && known !== null) await rebindPipeline(destination, settings.name, binding);
  const record = await takeOverOrEvict(destination, {
    pipeline: settings.name,
    sourceSystemId: system.systemId,
    sourceDatabase: binding.database,
  });
  const isFirstSession = context.tenure.epoch === null;
  context.tenure.epoch = record.epoch;
  failpoint('session.after_take_over');
  // A predecessor that only sleeps keeps its sessions: what they lock and stream from is ours now.
  await evictPredecessors(destination, settings.name);
  await releaseSlot(source, names.slot);
  const fence: Fence = { pipeline: settings.name, epoch: record.epoch };
  // A new process tries everything once more that the destination refused: it may have been mended meanwhile.
  const tries = isFirstSession ? records.map((record) => (mayBeMended(record) ? { ...record, resumeRequested: true } : record)) : records;
  const plan = await planPipeline({ source, destination, settings, records: tries });
  await wishReloads(destination, fence, plan);
  const streamFrom = await publish(context, names, plan);
  failpoint('session.after_publications');
  let checkpoint = record.checkpointLsn;
  if (startOver || checkpoint === null) {
    await dropSlot(source, names.slot);
    const made = await createSlot(replication, names.slot, { timeoutMs: SLOT_TIMEOUT_MS, monitor: source, signal: context.signal });
    checkpoint = made.consistentPoint;
    failpoint('session.after_slot');
    await startAnew(destination, fence, { slotName: names.slot, timeline: system.timeline, checkpoint });
  } else if (verdict.kind === 'continue' && verdict.timelineChanged) {
    await setPipelineState(destination, fence, { state: 'loading', reason: null, slotName: null, timeline: system.timeline });
  }
  const resumeFrom = startOver ? null : checkpoint;
  await rememberVanished(destination, fence, { records, plan });
  await rememberMissed(destination, fence, { missed: missedRelations(plan, settings, records), observer: context.observer });
  const objects = plan.objects.map((planned) => ({ planned, resumption: resumptionOf(planned, resumeFrom, context.tenure.refreshed) }));
  await rememberObjects(destination, fence, objects);
  failpoint('session.after_first_state');
  return {
    fence,
    names,
    isFresh: startOver,
    checkpoint,
    from: startOf(objects, checkpoint),
    format: formatOf(plan),
    plan,
    streamFrom,
  };
}

/** A predecessor that is about to commit may do so; one that fell asleep in a transaction holds the pipeline's row, and is not waited for. */
async function takeOverOrEvict(destination: PgSession, binding: PipelineBinding): Promise<PipelineRecord> {
  try {
    return await takeOver(destination, binding, COMMIT_PATIENCE_MS);
  } catch (error) {
    if (!(error instanceof MillraceError) || error.facts.sqlstate !== SqlState.lockNotAvailable) throw error;
    await evictPredecessors(destination, binding.pipeline);
    return takeOver(destination, binding);
  }
}

const COMMIT_PATIENCE_MS = 3_000;

/**
 * Written before the publications are mended: afterwards, options that somebody had altered look as if nothing had happened, and a process
 * that died in between would go on without the changes of that time.
 */
async function wishReloads(destination: PgSession, fence: Fence, plan: PipelinePlan): Promise<void> {
  for (const object of plan.objects) {
    if (object.desired === 'skipped' || !wasUnpublished(object)) continue;
    const { schema, name } = object.source;
    await setObjectState(destination, fence, { schema, name }, { restartRequested: true });
  }
}

interface SystemFacts {
  readonly system: SystemIdentity;
  readonly known: PipelineRecord | null;
  readonly names: ReplicationNames;
}

async function judge(context: PrepareContext, replication: PgSession, { system, known, names }: SystemFacts): Promise<ContinuityVerdict> {
  const states = await readPublications(context.source, [names.publications.full, names.publications.insertOnly]);
  const present = new Set(states.map((publication) => publication.name));
  return judgeContinuity({
    stored: storedPosition(known, names),
    source: { ...system, history: await readTimelineHistory(replication, system.timeline).catch(() => null) },
    slotName: names.slot,
    slot: await inspectSlot(context.source, names.slot),
    missingPublications: streamedPublications(names.publications, states).filter((name) => !present.has(name)),
  });
}

/** The publications with every object that is wanted, now or when it is resumed. */
export async function publish(context: PrepareContext, names: ReplicationNames, plan: PipelinePlan): Promise<readonly string[]> {
  const { source } = context;
  const wanted = plan.objects
    .filter((object) => object.desired !== 'skipped' && object.outcome.kind === 'table' && !isRefreshed(object.outcome.table.layout))
    .map((object) => object.source);
  const full = wanted.filter((table) => table.identity.kind !== 'none');
  const insertOnly = wanted.filter((table) => table.identity.kind === 'none');
  const change = await ensurePublications(source, names.publications, { full, insertOnly });
  return change.streamFrom;
}

function startOf(objects: readonly PlannedResumption[], checkpoint: Lsn): Lsn {
  let from = checkpoint;
  for (const { planned, resumption } of objects) {
    if (resumption.kind === 'stream' || resumption.kind === 'hold') from = minLsn(from, resumption.applied);
    if (resumption.kind === 'load' && resumption.resume && planned.record?.appliedLsn) from = minLsn(from, planned.record.appliedLsn);
  }
  return from;
}

/** One table whose values are only safe as text makes the whole stream text: pgoutput knows one format per stream. */
function formatOf(plan: PipelinePlan): TransferFormat {
  const streamed = plan.objects.filter(
    (object): object is PlannedObject & { outcome: { kind: 'table' } } =>
      object.desired !== 'skipped' && object.outcome.kind === 'table' && !isRefreshed(object.outcome.table.layout),
  );
  const safe = streamed.every((object) => object.outcome.table.binarySafe);
  return safe && hasFeature(plan.sourceVersion, 'pgoutputBinary') ? 'binary' : 'text';
}

function storedPosition(known: PipelineRecord | null, names: ReplicationNames): StoredPosition {
  if (known === null || known.checkpointLsn === null) return { kind: 'none' };
  const { checkpointLsn: lsn, sourceSystemId: systemId, timeline, slotName } = known;
  return { kind: 'checkpoint', lsn, systemId, timeline: timeline ?? 1, slotName: slotName ?? names.slot };
}

/** An operator asked for everything anew: then nothing depends on what was lost. */
function isRestartOfAll(records: readonly ObjectRecord[]): boolean {
  return records.every((record) => record.restartRequested || record.desired === 'skipped' || record.state === 'ineligible');
}

/** A lost continuity is written down, so that `status` shows it. */
async function lost(verdict: Lost, context: PrepareContext, known: PipelineRecord | null): Promise<MillraceError> {
  const error = new MillraceError(verdict.errorName, { cause: verdict.cause, fix: verdict.choices.join('\n'), side: 'source' });
  context.observer.pipelineState('stopped', error);
  if (known !== null) {
    const fence = { pipeline: known.name, epoch: known.epoch };
    await setPipelineState(context.destination, fence, { state: 'stopped', reason: stateReason(error), slotName: null, timeline: null });
  }
  return error;
}
