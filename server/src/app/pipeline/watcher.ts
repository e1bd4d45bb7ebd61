// Looks, while a pipeline runs, for what operators ask and for what changed in the source's catalogue, and has it carried out.
import { setTimeout as delay } from 'node:timers/promises';
import type { PgSession } from '../../db/session.ts';
import { readTableShapes } from '../../destination/introspect.ts';
import { loadObjects, setObjectState } from '../../destination/state.ts';
import type { ObjectRecord } from '../../destination/state-records.ts';
import { isRefreshed } from '../../model/layout.ts';
import { objectLabel } from '../../model/table.ts';
import type { Lsn } from '../../pg/lsn.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import { diffPartitions, needsReload, wasRewritten } from '../../source/partitions.ts';
import { readCatalogueSignature } from '../../source/signature.ts';
import { visibleWalLsn } from '../../source/system.ts';
import {
  filesToRemember,
  generatedChanged,
  loadAnew,
  type Resumption,
  rowsReplaced,
  sameShape,
  sameKeyColumns,
  stateReason,
  wasUnpublished,
} from './live-objects.ts';
import { missedRelations } from './ineligible.ts';
import { type Mends, mayBeMended } from './mends.ts';
import type { ObjectKeeper } from './object-keeper.ts';
import { rememberMissed, rememberObjects, rememberVanished } from './object-memory.ts';
import type { PipelineRun } from './pipeline-run.ts';
import { type PlannedObject, planPipeline } from './plan.ts';
import { type Prepared, publish } from './prepare.ts';
import { SessionRestart } from './session-restart.ts';

export interface WatcherContext extends PipelineRun {
  /** Sessions for the watcher alone. */
  readonly source: PgSession;
  readonly destination: PgSession;
  readonly prepared: Prepared;
  readonly keeper: ObjectKeeper;
  readonly mends: Mends;
}

const REQUEST_INTERVAL_MS = 500;
/** How many rounds go by between two looks at the catalogue. */
const CATALOGUE_ROUNDS = 4;

/** Runs until the signal aborts. Throws `SessionRestart` when only a new session can carry a change out. */
export class Watcher {
  readonly #context: WatcherContext;
  #known: ReadonlyMap<string, PlannedObject>;
  /** Objects whose wished reload is on its way. */
  readonly #reloading = new Set<string>();
  #signature: string | null = null;

  constructor(context: WatcherContext) {
    this.#context = context;
    this.#known = byLabel(context.prepared.plan.objects);
    // The session has these loads on its list already: a table that keeps every load must not get one wish twice.
    for (const { record, source } of context.prepared.plan.objects)
      if (record?.restartRequested === true) this.#reloading.add(objectLabel(source));
  }

  async run(signal: AbortSignal): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      const records = await loadObjects(this.#context.destination, this.#context.settings.name);
      if (round % CATALOGUE_ROUNDS === 0) await this.#lookAtCatalogue(records);
      else await this.#carryOut(records);
      if (round % CATALOGUE_ROUNDS === 1) await this.#tryMended(records);
      await delay(REQUEST_INTERVAL_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Objects that the destination refused, and may not refuse any more. */
  async #tryMended(records: readonly ObjectRecord[]): Promise<void> {
    const { destination, prepared, mends, log } = this.#context;
    const failed = records.filter(mayBeMended);
    if (failed.length === 0) return;
    const shapes = await readTableShapes(
      destination,
      failed.flatMap(({ destinationOid }) => (destinationOid === null ? [] : [destinationOid])),
    );
    for (const { source } of mends.due(failed, shapes, performance.now())) {
      log.info('trying an object again that the destination refused', { object: objectLabel(source) });
      await setObjectState(destination, prepared.fence, source, { resumeRequested: true });
    }
  }

  /** What an operator asked for since the session began. */
  async #carryOut(records: readonly ObjectRecord[]): Promise<void> {
    for (const record of records) {
      const label = objectLabel(record.source);
      const known = this.#known.get(label);
      if (!record.restartRequested) this.#reloading.delete(label);
      if (known === undefined) continue;
      const planned: PlannedObject = {
        ...known,
        record,
        desired: known.desired === 'skipped' && record.desired !== 'skipped' ? record.desired : record.desired,
      };
      if (record.resumeRequested) throw new SessionRestart(`${label} is resumed`);
      if (record.restartRequested && record.desired === 'included') {
        // The wish stays written until the load begins, which may have to wait for others.
        if (this.#reloading.has(label)) continue;
        this.#reloading.add(label);
        await this.#reload(planned);
      } else if (record.desired !== known.desired) await this.#changeDesire(planned, known);
      else continue;
      this.#known = new Map(this.#known).set(label, { ...planned, record });
    }
  }

  async #changeDesire(planned: PlannedObject, before: PlannedObject): Promise<void> {
    const { keeper } = this.#context;
    const label = objectLabel(planned.source);
    switch (planned.desired) {
      case 'paused':
        return keeper.pause(label);
      case 'skipped':
        await keeper.remove(label);
        await this.#publishAll(planned);
        return this.#context.observer.objectState(planned.source, 'skipped', null);
      case 'included':
        if (before.desired === 'paused') throw new SessionRestart(`${label} is included again`);
        if (this.#needsOtherFormat(planned)) throw new SessionRestart('the stream needs the text format');
        await this.#publishAll(planned);
        return keeper.add(planned);
    }
  }

  async #reload(planned: PlannedObject): Promise<void> {
    await this.#publishAll(planned);
    await this.#context.keeper.reload(objectLabel(planned.source), planned);
  }

  /** Publications and state follow a change of one object. */
  async #publishAll(changed: PlannedObject): Promise<void> {
    const known = new Map(this.#known).set(objectLabel(changed.source), changed);
    await publish(this.#context, this.#context.prepared.names, { ...this.#context.prepared.plan, objects: [...known.values()] });
    // Several may change at one look: publishing the next must not take this one out again.
    this.#known = known;
    await this.#remember(changed);
  }

  async #remember(planned: PlannedObject): Promise<void> {
    const { destination, prepared } = this.#context;
    const { desired, outcome } = planned;
    const resumption: Resumption =
      desired === 'skipped'
        ? { kind: 'rest', state: 'skipped', reason: null }
        : outcome.kind === 'refused'
          ? { kind: 'rest', state: 'ineligible', reason: stateReason(outcome.error) }
          : loadAnew(desired);
    await rememberObjects(destination, prepared.fence, [{ planned, resumption }]);
  }

  /** New tables, tables that were dropped and made again, partitions that came and went, identities that changed. */
  async #lookAtCatalogue(records: readonly ObjectRecord[]): Promise<void> {
    const { source, destination, settings, prepared, keeper, observer } = this.#context;
    const signature = await readCatalogueSignature(source);
    if (signature === this.#signature) return;
    const plan = await planPipeline({ source, destination, settings, records });
    // Every change that the plan shows is committed before.
    const position = await visibleWalLsn(source);
    if (plan.objects.some((object) => this.#needsOtherFormat(object))) throw new SessionRestart('the stream needs the text format');
    for (const planned of plan.objects) await this.#compare(planned, position);
    for (const { record, error } of await rememberVanished(destination, prepared.fence, { records, plan })) {
      await keeper.remove(objectLabel(record.source));
      observer.objectState(record.source, 'ineligible', error);
    }
    await rememberMissed(destination, prepared.fence, { missed: missedRelations(plan, settings, records), observer });
    this.#known = byLabel(plan.objects);
    this.#signature = signature;
  }

  async #compare(planned: PlannedObject, position: Lsn): Promise<void> {
    const { keeper, log, destination, prepared } = this.#context;
    const label = objectLabel(planned.source);
    const known = this.#known.get(label);
    const isNew = known === undefined || known.source.oid !== planned.source.oid;
    if (isNew || (known.outcome.kind === 'refused' && planned.outcome.kind === 'table')) {
      log.info('a table is new', { object: label, desired: planned.desired });
      await this.#publishAll(planned);
      if (planned.desired === 'included') await keeper.add(planned);
      return;
    }
    if (planned.desired === 'skipped') return;
    if (known.source.condition !== undefined && planned.source.condition === undefined) {
      log.warn('the row condition fits the table no more; taking the table out of its publication', { object: label });
      return this.#reload(planned);
    }
    // Whatever happened to its rows, the next refresh reads them as they are then.
    if (planned.outcome.kind === 'table' && isRefreshed(planned.outcome.table.layout)) return;
    if (planned.source.relkind === 'p' && needsReload(diffPartitions(known.source.leaves, planned.source.leaves))) {
      log.warn('partitions changed outside of the log; loading the object again', { object: label });
      return this.#reload(planned);
    }
    if (rewrittenSince(known, planned) || rowsReplaced(planned, loadedFrom(planned.record))) {
      log.warn('an ALTER changed values outside of the log; loading the object again', { object: label });
      return this.#reload(planned);
    }
    if (hasRows(planned.record) && generatedChanged(planned.record, planned)) {
      log.warn('a generated column changed; loading the object again', { object: label });
      return this.#reload(planned);
    }
    if (hasRows(planned.record) && wasUnpublished(planned)) {
      log.warn('the table was taken out of its publication; loading the object again', { object: label });
      // Written down before the publication is mended, which hides that it had been altered; carried out as an operator's wish.
      return setObjectState(destination, prepared.fence, nameOf(planned), { restartRequested: true });
    }
    if (!sameKeyColumns(known.source, planned.source)) {
      log.warn('the replica identity changed; loading the object again', { object: label });
      return this.#reload(planned);
    }
    keeper.announce(planned, position);
    const files = loadedFrom(planned.record) === null ? null : filesToRemember(planned);
    if (files !== null) await setObjectState(destination, prepared.fence, nameOf(planned), files);
  }

  #needsOtherFormat(planned: PlannedObject): boolean {
    const known = this.#known.get(objectLabel(planned.source));
    // Of what could not be an object, or was skipped, nobody asked when the format was chosen.
    const wasAsked = known !== undefined && known.desired !== 'skipped' && known.outcome.kind === 'table';
    const { outcome } = planned;
    const unsafe = outcome.kind === 'table' && !outcome.table.binarySafe && !isRefreshed(outcome.table.layout);
    return !wasAsked && unsafe && planned.desired === 'included' && this.#context.prepared.format === 'binary';
  }
}

/** Rows were rewritten between two looks, and the columns still look the same. */
function rewrittenSince(known: PlannedObject, planned: PlannedObject): boolean {
  if (known.outcome.kind === 'refused' || planned.outcome.kind === 'refused') return false;
  return sameShape(known.outcome.table.columns, planned.outcome.table.columns) && wasRewritten(known.source.leaves, planned.source.leaves);
}

/** Whether the stream goes on from rows that are there, or that a load is bringing. */
function hasRows(record: ObjectRecord | null): boolean {
  return record !== null && record.appliedLsn !== null;
}

/** The files that the object's rows came from; null where a load is due or runs, which reads the rows as they are now. */
function loadedFrom(record: ObjectRecord | null): ObjectRecord['leaves'] {
  return record === null || record.appliedLsn === null || record.state === 'copying' ? null : record.leaves;
}

function nameOf({ source }: PlannedObject): QualifiedName {
  return { schema: source.schema, name: source.name };
}

function byLabel(objects: readonly PlannedObject[]): ReadonlyMap<string, PlannedObject> {
  return new Map(objects.map((object) => [objectLabel(object.source), object]));
}
