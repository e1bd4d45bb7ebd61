// Writes down what is planned for objects, so that the state never promises a position that nobody keeps.
import type { PgSession } from '../../db/session.ts';
import { discardSideTable } from '../../destination/load-place.ts';
import { holdEpoch, setObjectState, upsertObjects } from '../../destination/state.ts';
import type { Fence, ObjectRecord } from '../../destination/state-records.ts';
import { MillraceError } from '../../model/error.ts';
import { objectLabel } from '../../model/table.ts';
import type { IneligibleRelation } from '../../source/eligibility.ts';
import { ineligibleError, type MissedRelation } from './ineligible.ts';
import { NOTHING_LOADED, type Resumption, stateReason } from './live-objects.ts';
import type { PipelineObserver } from './observer.ts';
import type { PipelinePlan, PlannedObject } from './plan.ts';

export interface PlannedResumption {
  readonly planned: PlannedObject;
  readonly resumption: Resumption;
}

/**
 * Adds new objects and updates the others. An object that is to be loaded loses its position: from now on nothing holds it in the slot.
 * One that is skipped from now on leaves nothing of a reload that was cut short.
 * Throws `fenced`.
 */
export async function rememberObjects(session: PgSession, fence: Fence, objects: readonly PlannedResumption[]): Promise<void> {
  for (const { planned, resumption } of objects) {
    // Of the states that keep a position, only a pause can also mean that nothing is loaded.
    const forgets = resumption.kind === 'rest' && resumption.state === 'paused' && planned.record !== null;
    if (forgets) await setObjectState(session, fence, nameOf(planned), NOTHING_LOADED);
    if (isSkippedNow(planned, resumption)) await discardReload(session, fence, planned);
  }
  const entries = objects.map(({ planned, resumption }) => ({
    source: nameOf(planned),
    sourceOid: planned.source.oid,
    state: stateOf(planned, resumption),
    desired: planned.desired,
    reason: resumption.kind === 'rest' ? resumption.reason : (planned.record?.reason ?? null),
    destination: { schema: planned.name.schema, name: planned.name.name },
  }));
  await upsertObjects(session, fence, entries);
}

/**
 * Objects of the state that are no table of the plan any more: dropped at the source, or not eligible. Their rows at the destination
 * stay as they are. Returns those whose state changed by this, with the error that says why. Throws `fenced`.
 */
export async function rememberVanished(
  session: PgSession,
  fence: Fence,
  { records, plan }: { readonly records: readonly ObjectRecord[]; readonly plan: PipelinePlan },
): Promise<readonly { readonly record: ObjectRecord; readonly error: MillraceError }[]> {
  const planned = new Set(plan.objects.map((object) => objectLabel(object.source)));
  const ineligible = new Map(plan.ineligible.map((relation) => [objectLabel(relation), relation]));
  const changed: { readonly record: ObjectRecord; readonly error: MillraceError }[] = [];
  for (const record of records) {
    const label = objectLabel(record.source);
    if (planned.has(label)) continue;
    const error = whyGone(label, ineligible.get(label));
    if (record.state === 'ineligible' && record.reason?.cause === error.facts.cause) continue;
    const patch = { state: 'ineligible', reason: stateReason(error), restartRequested: false, resumeRequested: false } as const;
    await setObjectState(session, fence, record.source, { ...patch, ...NOTHING_LOADED });
    changed.push({ record, error });
  }
  return changed;
}

/** Adds what the pipeline would include and can't, and tells the observer why: nobody should have to miss rows to find out. Throws `fenced`. */
export async function rememberMissed(
  session: PgSession,
  fence: Fence,
  { missed, observer }: { readonly missed: readonly MissedRelation[]; readonly observer: Pick<PipelineObserver, 'objectState'> },
): Promise<void> {
  const entries = missed.map(({ relation, isNew }) => {
    const source = { schema: relation.schema, name: relation.name };
    const error = ineligibleError(relation);
    return { isNew, error, source, sourceOid: relation.oid };
  });
  const added = entries.filter(({ isNew }) => isNew);
  await upsertObjects(
    session,
    fence,
    added.map(({ source, sourceOid, error }) => ({
      source,
      sourceOid,
      state: 'ineligible',
      desired: 'included',
      reason: stateReason(error),
      destination: null,
    })),
  );
  for (const { source, error } of entries) observer.objectState(source, 'ineligible', error);
}

function isSkippedNow({ record }: PlannedObject, resumption: Resumption): boolean {
  const isSkipped = resumption.kind === 'rest' && resumption.state === 'skipped';
  return isSkipped && record !== null && record.state !== 'skipped' && record.copyGeneration > 0;
}

function discardReload(session: PgSession, fence: Fence, { name }: PlannedObject): Promise<void> {
  return session.transaction('BEGIN', async () => {
    await holdEpoch(session, fence);
    await discardSideTable(session, name);
  });
}

function stateOf(planned: PlannedObject, resumption: Resumption) {
  switch (resumption.kind) {
    case 'rest':
      return resumption.state;
    case 'load':
      return resumption.resume ? 'copying' : 'pending';
    case 'hold':
    case 'stream':
      return planned.record?.state ?? 'pending';
  }
}

function whyGone(label: string, relation: IneligibleRelation | undefined): MillraceError {
  if (relation === undefined) {
    const cause = `${label} is not at the source any more, or not in a schema that the pipeline looks at`;
    return new MillraceError('object_vanished', { cause, object: label, side: 'source' });
  }
  return ineligibleError(relation);
}

function nameOf(planned: PlannedObject) {
  return { schema: planned.source.schema, name: planned.source.name };
}
