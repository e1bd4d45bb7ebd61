// How an object goes on when a session begins: from what the state says of it, what is wanted now, and what the catalogue shows.
import { keepingOf } from '../../destination/kept-columns.ts';
import type { ObjectRecord, StateReason } from '../../destination/state-records.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import { type DestinationColumn, type DestinationTable, tableSignature, writtenColumns } from '../../model/destination-table.ts';
import { MillraceError } from '../../model/error.ts';
import { CATALOGUE, type ErrorName } from '../../model/error-catalogue.ts';
import { isRefreshed } from '../../model/layout.ts';
import type { ObjectState } from '../../model/object-state.ts';
import { objectLabel, type RowIdentity, type SourceLeaf } from '../../model/table.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import { type Lsn, maxLsn } from '../../pg/lsn.ts';
import { parseSnapshot } from '../../pg/snapshot.ts';
import { diffPartitions, needsReload, sameFiles, wasRewritten } from '../../source/partitions.ts';
import type { PlannedObject } from './plan.ts';

/** What is to happen with an object in the session that begins. */
export type Resumption =
  /** Nothing is applied; `state` and `reason` are what people see. */
  | { readonly kind: 'rest'; readonly state: ObjectState; readonly reason: StateReason | null }
  /** It holds its place in the stream, but nothing is applied. */
  | { readonly kind: 'hold'; readonly state: 'paused' | 'failed'; readonly applied: Lsn; readonly reason: StateReason | null }
  /** Its historical load is due: from the start, or from the chunks that are there. */
  | { readonly kind: 'load'; readonly resume: boolean }
  /** It goes on streaming from its own position. */
  | { readonly kind: 'stream'; readonly applied: Lsn; readonly handoff: LiveObject['handoff'] };

/** Decides for one planned object. `checkpoint` is null when the pipeline is fresh; `refreshed` are those that this run has refreshed already. */
export function resumptionOf(object: PlannedObject, checkpoint: Lsn | null, refreshed: ReadonlySet<string>): Resumption {
  const { record, desired, outcome } = object;
  if (desired === 'skipped') return { kind: 'rest', state: 'skipped', reason: null };
  if (outcome.kind === 'refused') return { kind: 'rest', state: 'ineligible', reason: stateReason(outcome.error) };
  if (isRefreshed(outcome.table.layout)) return refreshOf(object, refreshed);
  if (record === null || checkpoint === null || record.restartRequested) return loadAnew(desired);
  if (isAnotherTable(object) || wasUnpublished(object)) return loadAnew(desired);
  if (desired === 'included' && rowsAreOutdated(object)) return loadAnew(desired);
  if (desired === 'included' && missedRewrite(object)) return loadAnew(desired);
  return resumptionByState({ record, desired, checkpoint });
}

/** Each run reads it once; more only when somebody asks, or when it failed by something that heals. */
function refreshOf({ source, record, desired }: PlannedObject, refreshed: ReadonlySet<string>): Resumption {
  if (record === null || record.restartRequested || !refreshed.has(objectLabel(source))) return loadAnew(desired);
  if (record.state === 'refreshed' && desired === 'included') return { kind: 'rest', state: 'refreshed', reason: null };
  return loadAnew(desired);
}

/** A change met rows as they were before an ALTER rewrote them: whatever else has changed since, only the rows as they are now help. */
function missedRewrite({ record, source }: PlannedObject): boolean {
  const before = record?.leaves ?? null;
  const isMissing = record?.state === 'failed' && record.reason?.name === ROW_MISSING;
  return isMissing && before !== null && wasRewritten(before, source.leaves);
}

const ROW_MISSING: ErrorName = 'destination_row_missing';

interface KnownObject {
  readonly record: ObjectRecord;
  readonly desired: 'included' | 'paused';
  readonly checkpoint: Lsn;
}

/** For an object whose rows at the destination the stream can go on from. */
function resumptionByState({ record, desired, checkpoint }: KnownObject): Resumption {
  switch (record.state) {
    case 'pending':
    case 'refreshed':
    case 'skipped':
    case 'ineligible':
      return loadAnew(desired);
    case 'copying':
      return desired === 'included' && record.snapshot !== null && record.appliedLsn !== null
        ? { kind: 'load', resume: true }
        : loadAnew(desired);
    case 'failed':
      if (healsByReload(record.reason)) return loadAnew(desired);
      if (record.resumeRequested && desired === 'included') return goOn(record, checkpoint);
      return record.appliedLsn === null ? { kind: 'rest', state: 'failed', reason: record.reason } : holdAt(record, 'failed', checkpoint);
    case 'paused':
    case 'catching_up':
    case 'streaming':
      if (record.appliedLsn === null) return loadAnew(desired);
      return desired === 'paused' ? holdAt(record, 'paused', checkpoint) : goOn(record, checkpoint);
  }
}

/** Made anew under the name, found by another key, or to be laid out otherwise. */
function isAnotherTable({ record, source, outcome }: PlannedObject): boolean {
  if (record === null || outcome.kind === 'refused') return false;
  if (record.sourceOid !== source.oid) return true;
  if (record.destinationOid !== null && record.layout !== tableSignature(outcome.table)) return true;
  return record.identity !== null && !sameKeyColumns({ identity: record.identity, columns: record.columns ?? [] }, outcome.table);
}

/**
 * The table is not published as it was when its rows were loaded: somebody took it out of its publication, perhaps only for a while, and
 * the changes of that time will never come.
 */
export function wasUnpublished({ record, published }: PlannedObject): boolean {
  const before = record?.published ?? null;
  return before !== null && before !== published;
}

/** Something changed the source's rows, or what the destination computes from them, that no change spoke of. */
function rowsAreOutdated(object: PlannedObject): boolean {
  const { record } = object;
  return partitionsMoved(object) || rowsReplaced(object, record?.leaves ?? null) || generatedChanged(record, object);
}

/** Partitions came or went, with rows that no change spoke of, since the object's rows were loaded. */
function partitionsMoved({ record, source }: PlannedObject): boolean {
  const before = record?.leaves ?? null;
  return source.relkind === 'p' && before !== null && needsReload(diffPartitions(before, source.leaves));
}

/**
 * The source's rows have other values than those that were loaded or streamed, and no change spoke of it: they were rewritten since
 * `before`, or a column is another one of the same name. Where the columns look different, the stream itself says so at the next change.
 */
export function rowsReplaced({ record, outcome, source }: PlannedObject, before: readonly SourceLeaf[] | null): boolean {
  if (record === null || outcome.kind === 'refused' || !hasSameShape({ record, outcome })) return false;
  const { columns } = outcome.table;
  const isAnother = record.columns?.filter(isThere).some((column, index) => column.attnum !== columns[index]?.attnum) ?? false;
  return isAnother || (before !== null && wasRewritten(before, source.leaves));
}

/**
 * Generated columns came, went or got another expression. They are not in the stream, so nothing else says so; the destination's own are
 * made anew with its table.
 */
export function generatedChanged(record: ObjectRecord | null, { outcome }: Pick<PlannedObject, 'outcome'>): boolean {
  const known = record?.columns ?? null;
  if (known === null || record?.copyGeneration === 0 || outcome.kind === 'refused') return false;
  const describe = (columns: readonly DestinationColumn[]): string =>
    JSON.stringify(
      columns.flatMap((column) => (column.transfer === 'generated' ? [[column.sourceName, column.typeSql, column.expression]] : [])),
    );
  return describe(known) !== describe(outcome.table.columns);
}

/** Whether the stream describes the table's rows as it did when the destination table was made. */
function hasSameShape({ record, outcome }: Pick<PlannedObject, 'record' | 'outcome'>): boolean {
  const known = record?.columns ?? null;
  return known !== null && outcome.kind === 'table' && sameShape(known, outcome.table.columns);
}

/**
 * The files of which is known that nothing happened to them unseen, where the state does not have them yet: what is harmless now must
 * not look like a rewrite together with something harmless later.
 */
export function filesToRemember(object: PlannedObject): { readonly leaves: readonly SourceLeaf[] } | null {
  const { record, source } = object;
  const before = record?.leaves ?? null;
  if (before === null || !hasSameShape(object) || sameFiles(before, source.leaves)) return null;
  // What the stream has not brought yet is still new.
  const highestAttnum = before[0]?.highestAttnum;
  return { leaves: source.leaves.map((leaf) => ({ ...leaf, highestAttnum })) };
}

/** Whether the stream describes two lists of columns the same way. */
export function sameShape(a: readonly DestinationColumn[], b: readonly DestinationColumn[]): boolean {
  const describe = ({ sourceName, sourceTypeOid, sourceTypmod, transfer }: DestinationColumn) => [
    sourceName,
    sourceTypeOid,
    sourceTypmod ?? null,
    transfer,
  ];
  return JSON.stringify(a.filter(isThere).map(describe)) === JSON.stringify(b.filter(isThere).map(describe));
}

/** Whether the source has the column: one that is gone there may have stayed at the destination. */
function isThere(column: DestinationColumn): boolean {
  return column.transfer !== 'retired';
}

/** Whether two tables find rows by the same columns, whatever these are called. */
export function sameKeyColumns(a: IdentifiedTable, b: IdentifiedTable): boolean {
  return sameIdentity(byNumber(a), byNumber(b));
}

export interface IdentifiedTable {
  readonly identity: RowIdentity;
  readonly columns: readonly { readonly name: string; readonly attnum: number }[];
}

function byNumber({ identity, columns }: IdentifiedTable): RowIdentity {
  if (identity.kind !== 'key') return identity;
  const numbers = new Map(columns.map((column) => [column.name, String(column.attnum)]));
  return { kind: 'key', columns: identity.columns.map((name) => numbers.get(name) ?? name) };
}

/** How rows are found changed: neither the keys at the destination nor what the log says of old rows fit any more. */
function sameIdentity(a: RowIdentity, b: RowIdentity): boolean {
  if (a.kind !== 'key' || b.kind !== 'key') return a.kind === b.kind;
  return JSON.stringify(a.columns) === JSON.stringify(b.columns);
}

/** What the state says of an object without a load that the stream could go on from: whatever was copied is not complete. */
export const NOTHING_LOADED = { snapshot: null, snapshotLsn: null, appliedLsn: null } as const;

/** From the first row, or when it is paused as soon as it is not. */
export function loadAnew(desired: PlannedObject['desired']): Resumption {
  return desired === 'paused' ? { kind: 'rest', state: 'paused', reason: null } : { kind: 'load', resume: false };
}

/** See `NOTHING_LOADED`. */
function goOn(record: ObjectRecord, checkpoint: Lsn): Resumption {
  if (record.appliedLsn === null) return { kind: 'load', resume: false };
  return { kind: 'stream', applied: positionOf(record, checkpoint), handoff: handoffOf(record) };
}

function holdAt(record: ObjectRecord, state: 'paused' | 'failed', checkpoint: Lsn): Resumption {
  return { kind: 'hold', state, applied: positionOf(record, checkpoint), reason: record.reason };
}

/** A streaming object's own position is as far as the checkpoint, which covers it. */
function positionOf(record: ObjectRecord, checkpoint: Lsn): Lsn {
  const applied = record.appliedLsn ?? checkpoint;
  return record.state === 'streaming' ? maxLsn(applied, checkpoint) : applied;
}

function handoffOf(record: ObjectRecord): LiveObject['handoff'] {
  if (record.snapshot === null || record.snapshotLsn === null || record.state === 'streaming') return null;
  return { snapshot: parseSnapshot(record.snapshot), end: record.snapshotLsn, overlap: record.overlap };
}

function healsByReload(reason: StateReason | null): boolean {
  return reason !== null && reason.name in CATALOGUE && CATALOGUE[reason.name as keyof typeof CATALOGUE].retry === 'backoff';
}

/** The engine's view of a planned object that is not part of the stream yet. `table`: what its rows at the destination look like. */
export function liveObject(object: PlannedObject, table: DestinationTable, applied: Lsn): LiveObject {
  return {
    key: objectLabel(object.source),
    source: { schema: object.source.schema, name: object.source.name },
    sourceOid: object.source.oid,
    state: 'pending',
    applied,
    handoff: null,
    shape: null,
    ...shapeOf(table),
  };
}

/** What the stream must bring for a table. */
export function shapeOf(table: DestinationTable): Pick<LiveObject, 'expected' | 'identity' | 'deletes' | 'filter' | 'keeps'> {
  return {
    expected: writtenColumns(table).map((column) => ({
      name: column.sourceName,
      typeOid: column.sourceTypeOid,
      typmod: column.sourceTypmod ?? null,
    })),
    identity: identityColumns(table),
    deletes: table.layout.deletes,
    filter: table.filter ?? null,
    keeps: keepingOf(table.layout),
  };
}

/** Source names of the columns that find a row; null for a multiset. */
function identityColumns(table: DestinationTable): readonly string[] | null {
  switch (table.identity.kind) {
    case 'full':
      return null;
    case 'none':
      return [];
    case 'key': {
      const { columns } = table.identity;
      return table.columns.filter((column) => columns.includes(column.name)).map((column) => column.sourceName);
    }
  }
}

/** What the state keeps of an error. */
export function stateReason(error: MillraceError): StateReason {
  return { name: error.errorName, code: error.code, cause: error.facts.cause, fix: error.fix };
}

/** The error that the state keeps of an object: what people were told, they are told again. */
export function errorOfReason(reason: StateReason, object: QualifiedName): MillraceError {
  const name = reason.name in CATALOGUE ? (reason.name as ErrorName) : 'unexpected';
  return new MillraceError(name, { cause: reason.cause, fix: reason.fix, object: objectLabel(object) });
}
