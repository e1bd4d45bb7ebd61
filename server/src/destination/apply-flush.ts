// One attempt to bring batches into their tables: statement after statement is sent, and the answers are looked at in the end.
import type { WireResult, WireSession } from '../db/wire-session.ts';
import type { KeyedEffect, KeyedPhase, PartialGroup, ReplaceMode } from '../model/batch/keyed-phase.ts';
import type { MoveEffect } from '../model/batch/move-phase.ts';
import type { MultisetDelete, MultisetEffect } from '../model/batch/multiset-phase.ts';
import type { AnyBatch } from '../model/batch/any-batch.ts';
import type { ObjectBatch, Phase } from '../model/batch/object-batch.ts';
import type { TransferFormat } from '../model/batch/row-format.ts';
import type { CopyRows } from '../model/batch/segments.ts';
import * as sql from './apply.sql.ts';
import type { ApplyTarget } from './apply-target.ts';
import { feedRows } from './copy-feed.ts';
import type { FlushLane } from './flush-lane.ts';
import * as inbox from './inbox.sql.ts';
import { flushKept } from './kept-flush.ts';
import * as raw from './raw.sql.ts';
import { exactly } from './row-guard.ts';
import type { StagedBy } from './stage.sql.ts';
import * as stage from './stage.sql.ts';
import type { Stages } from './stages.ts';

/** Changes of one object, and where they go. */
export interface ObjectWork {
  readonly target: ApplyTarget;
  readonly batch: AnyBatch;
}

/**
 * - `trusting`: rows that the stream knows to be new are inserted without deleting first, and rows change where they stand.
 * - `careful`: anything may be at the destination already, and other unique columns may stand in the way: whatever changes is deleted
 *   before anything is inserted.
 */
export type Care = 'trusting' | 'careful';

/** From this size on values are stored out of line: staging such rows would compress and write them twice. Source: manual, "66.2. TOAST". */
const STAGED_ROW_BYTES = 2_000;

/** Sends the statements of a flush over one session. */
export class Flush {
  readonly #wire: WireSession;
  readonly #stages: Stages;
  readonly #care: Care;
  readonly #results: Promise<WireResult>[] = [];

  constructor(wire: WireSession, stages: Stages, care: Care) {
    this.#wire = wire;
    this.#stages = stages;
    this.#care = care;
  }

  run(statement: string): void {
    this.#keep(this.#wire.query(statement));
  }

  /** Resolves when everything is sent, which may be long before it is answered. */
  async object({ target, batch }: ObjectWork): Promise<void> {
    if (batch.keeps !== 'rows') return flushKept(this.#lane, target, batch);
    for (const phase of batch.phases) {
      if (!phase.isEmpty) await this.#phase({ target, batch }, phase);
    }
  }

  readonly #lane: FlushLane = {
    run: (statement) => this.run(statement),
    change: (target, statement, rows) => this.#change(target, statement, rows),
    copy: (statement, rows, format) => this.#copy(statement, rows, format),
    stage: (name, create) => this.#stage(name, create),
    clear: (name, rows) => this.#clear(name, rows),
  };

  /** Waits for all answers; throws the first error, since those after it are only its consequences. Resolves to the last answer. */
  async done(): Promise<WireResult | null> {
    const settled = await Promise.allSettled(this.#results);
    for (const result of settled) if (result.status === 'rejected') throw result.reason;
    const last = settled.at(-1);
    return last?.status === 'fulfilled' ? last.value : null;
  }

  async #phase({ target, batch }: { readonly target: ApplyTarget; readonly batch: ObjectBatch }, phase: Phase): Promise<void> {
    const format = batch.shape.format.name;
    switch (phase.kind) {
      case 'append':
        return this.#append(target, phase.effect(), format);
      case 'multiset':
        return this.#multiset(target, phase.effect(), format);
      case 'keyed':
        return this.#keyed(target, phase.effect(this.#mode(target, phase)), format, batch.overlap);
      case 'moves':
        return this.#moves(target, phase.effect(), format);
      case 'mark_all':
        return this.run(sql.markAllRows(target));
    }
  }

  #mode(target: ApplyTarget, phase: KeyedPhase): ReplaceMode {
    if (target.strategy === 'upsert') return 'upsert';
    if (this.#care === 'careful') return 'replace_all';
    const mayUpdate = target.strategy === 'update' && !target.rowsMayBeMissing;
    return mayUpdate && phase.rowBytes < STAGED_ROW_BYTES && !phase.keysAreDense ? 'update' : 'replace';
  }

  async #keyed(target: ApplyTarget, effect: KeyedEffect, format: TransferFormat, overlap: boolean): Promise<void> {
    if (effect.deletes.segments.rows > 0) {
      const name = this.#stage(stage.keyStage(target), () => stage.createKeyStage(target));
      await this.#copy(stage.copyIntoKeyStage(target, format), effect.deletes, format);
      this.run(sql.deleteStagedKeys(target));
      this.#clear(name, effect.deletes.segments.rows);
    }
    const mayLackRows = overlap || target.rowsMayBeMissing;
    if (this.#care === 'careful' && target.strategy !== 'upsert' && !mayLackRows)
      await this.#replaceInPart(target, effect.partials, format);
    else for (const group of effect.partials) await this.#updateInPart(target, group, format, overlap);
    if (effect.changes.segments.rows > 0)
      await this.#updateInPart(target, { columns: allColumns(target), rows: effect.changes }, format, overlap);
    await this.#insert(target, effect.rows, format);
    await this.#recordDeletes(target, effect.deletes, format);
    await this.#markKeys(target, effect.marks, format);
  }

  /** Keys were deleted so that their rows could be inserted anew, too: only what is still gone was deleted at the source. */
  async #recordDeletes(target: ApplyTarget, keys: CopyRows, format: TransferFormat): Promise<void> {
    if (!raw.isRecorded(target) || keys.segments.rows === 0) return;
    const name = this.#stage(stage.keyStage(target), () => stage.createKeyStage(target));
    await this.#copy(stage.copyIntoKeyStage(target, format), keys, format);
    this.run(raw.recordDeletedKeys(target));
    this.#clear(name, keys.segments.rows);
  }

  /** Records of rows that staged ones have changed; of keys that were left, too. */
  #record(target: ApplyTarget, by: StagedBy): void {
    if (!raw.isRecorded(target)) return;
    this.run(raw.recordChanges(target, by));
    if (by === 'old_key') this.run(raw.recordLeftKeys(target));
  }

  /** Rows whose deletes are ignored are not even looked for. */
  async #markKeys(target: ApplyTarget, keys: CopyRows, format: TransferFormat): Promise<void> {
    if (target.deletes !== 'soft' || keys.segments.rows === 0) return;
    const name = this.#stage(stage.keyStage(target), () => stage.createKeyStage(target));
    await this.#copy(stage.copyIntoKeyStage(target, format), keys, format);
    this.run(sql.markStagedKeys(target));
    if (raw.isRecorded(target)) this.run(raw.recordDeletedKeys(target));
    this.#clear(name, keys.segments.rows);
  }

  async #insert(target: ApplyTarget, rows: CopyRows, format: TransferFormat): Promise<void> {
    if (rows.segments.rows === 0) return;
    if (target.strategy !== 'upsert') return this.#append(target, rows, format);
    const name = await this.#stageRows(target, allColumns(target), rows, format);
    this.run(sql.upsertStagedRows(target));
    this.#record(target, 'new_key');
    this.#clear(name, rows.segments.rows);
  }

  async #updateInPart(target: ApplyTarget, { columns, rows }: PartialGroup, format: TransferFormat, overlap: boolean): Promise<void> {
    const name = await this.#stageRows(target, columns, rows, format);
    const update = sql.updateStagedColumns(target, columns);
    // In an overlap the row may be gone already: the stream's delete is still to come.
    if (overlap) this.run(update);
    else this.#change(target, update, rows.segments.rows);
    this.#record(target, 'new_key');
    this.#clear(name, rows.segments.rows);
  }

  /** Completes all rows from those that stand there before any of them is written: they may swap values of other unique columns. */
  async #replaceInPart(target: ApplyTarget, groups: readonly PartialGroup[], format: TransferFormat): Promise<void> {
    if (groups.length === 0) return;
    let name = '';
    let count = 0;
    for (const { columns, rows } of groups) {
      name = await this.#stageRows(target, columns, rows, format);
      count += rows.segments.rows;
      // Rows of the groups before find nothing to be completed from any more.
      this.#complete(target, columns, rows.segments.rows, 'new_key');
    }
    this.run(sql.insertStagedRows(target, 'new_key'));
    this.#record(target, 'new_key');
    this.#clear(name, count);
  }

  async #moves(target: ApplyTarget, { columns, rows, runs }: MoveEffect, format: TransferFormat): Promise<void> {
    if (target.deletes !== 'hard') return this.#movesBeside(target, columns, rows, format);
    const inPlace = target.strategy === 'upsert' || (runs.length === 1 && this.#care === 'trusting');
    const name = this.#stage(stage.moveStage(target), () => stage.createMoveStage(target));
    if (inPlace) {
      for (const run of runs) {
        await this.#stageMoves(target, { columns, rows: run }, format);
        this.#change(target, sql.moveStagedRows(target, columns), run.segments.rows);
        this.#record(target, 'old_key');
        this.#clear(name, run.segments.rows);
      }
      return;
    }
    await this.#stageMoves(target, { columns, rows }, format);
    this.#complete(target, columns, rows.segments.rows, 'old_key');
    this.run(sql.insertStagedRows(target, 'old_key'));
    this.#record(target, 'old_key');
    this.#clear(name, rows.segments.rows);
  }

  /** Rows get a new key, and stay under their old one too. */
  async #movesBeside(target: ApplyTarget, columns: readonly number[], rows: CopyRows, format: TransferFormat): Promise<void> {
    const name = this.#stage(stage.moveStage(target), () => stage.createMoveStage(target));
    await this.#stageMoves(target, { columns, rows }, format);
    if (target.rowsMayBeMissing) this.run(sql.dropUnmatched(target, 'old_key'));
    this.#change(target, sql.completeStagedRows(target, missing(target, columns), 'old_key'), rows.segments.rows);
    this.run(sql.deleteTakenKeys(target));
    this.run(sql.insertStagedRows(target, 'old_key'));
    if (target.deletes === 'soft') this.run(sql.markMovedRows(target));
    this.#record(target, 'old_key');
    this.#clear(name, rows.segments.rows);
  }

  async #multiset(target: ApplyTarget, { deletes, rows, marks }: MultisetEffect, format: TransferFormat): Promise<void> {
    for (const { copies, rows: equal } of deletes) {
      const count = equal.segments.rows * copies;
      if (target.columns.length === 0) {
        this.#change(target, sql.deleteColumnlessRows(target, count), count);
        continue;
      }
      const name = await this.#stageRows(target, allColumns(target), equal, format);
      this.run(sql.MULTISET_SETTINGS);
      this.#change(target, sql.deleteStagedRowsOnce(target, copies), count);
      if (raw.isRecorded(target)) this.run(raw.recordDeletedRows(target, copies));
      this.run(sql.KEYED_SETTINGS);
      this.#clear(name, equal.segments.rows);
    }
    await this.#append(target, rows, format);
    if (target.deletes === 'soft') for (const mark of marks) await this.#markEqual(target, mark, format);
  }

  async #markEqual(target: ApplyTarget, { copies, rows }: MultisetDelete, format: TransferFormat): Promise<void> {
    const name = await this.#stageRows(target, allColumns(target), rows, format);
    this.run(sql.MULTISET_SETTINGS);
    this.#change(target, sql.markStagedRowsOnce(target, copies), rows.segments.rows * copies);
    if (raw.isRecorded(target)) this.run(raw.recordDeletedRows(target, copies));
    this.run(sql.KEYED_SETTINGS);
    this.#clear(name, rows.segments.rows);
  }

  /** Takes the rows that staged rows change out of the table, and what those lack from them. */
  #complete(target: ApplyTarget, columns: readonly number[], rows: number, by: StagedBy): void {
    if (target.rowsMayBeMissing) this.run(sql.dropUnmatched(target, by));
    this.#change(target, sql.completeStagedRows(target, missing(target, columns), by), rows);
    this.run(sql.deleteChangedRows(target, by));
  }

  /** Runs a statement that must change `rows` rows, unless there is a reason why some are not there. */
  #change(target: ApplyTarget, statement: string, rows: number): void {
    this.run(target.rowsMayBeMissing ? statement : exactly(statement, rows, 'row_missing'));
  }

  async #stageRows(target: ApplyTarget, columns: readonly number[], rows: CopyRows, format: TransferFormat): Promise<string> {
    const name = this.#stage(stage.rowStage(target), () => stage.createRowStage(target));
    if (inbox.isConverting(target)) await this.#convert(target, { columns, rows }, { format, into: 'new_key' });
    else await this.#copy(stage.copyIntoRowStage(target, columns, format), rows, format);
    return name;
  }

  #stageMoves(target: ApplyTarget, moved: PartialGroup, format: TransferFormat): Promise<void> {
    return inbox.isConverting(target)
      ? this.#convert(target, moved, { format, into: 'old_key' })
      : this.#copy(stage.copyIntoMoveStage(target, moved.columns, format), moved.rows, format);
  }

  /** Brings whole rows into the table without looking for others. */
  #append(target: ApplyTarget, rows: CopyRows, format: TransferFormat): Promise<void> {
    return inbox.isConverting(target)
      ? this.#convert(target, { columns: allColumns(target), rows }, { format, into: 'target' })
      : this.#copy(sql.copyIntoTarget(target, format), rows, format);
  }

  /** Copies rows in as they come, and hands them on as the table has them: to the table itself, or to a staging table. */
  async #convert(
    target: inbox.ConvertingTarget,
    { columns, rows }: PartialGroup,
    { format, into }: { readonly format: TransferFormat; readonly into: StagedBy | 'target' },
  ): Promise<void> {
    const count = rows.segments.rows;
    if (count === 0) return;
    const name = this.#stage(inbox.inbox(target), () => inbox.createInbox(target));
    await this.#copy(inbox.copyIntoInbox(target, columns, { format, withKeys: into === 'old_key' }), rows, format);
    if (into === 'target' && raw.isRecorded(target)) this.run(raw.recordArrivals(target));
    this.run(into === 'target' ? inbox.insertFromInbox(target) : inbox.stageFromInbox(target, columns, into));
    this.#clear(name, count);
  }

  #stage(name: string, create: () => string): string {
    if (this.#stages.isNew(name)) this.run(create());
    return name;
  }

  #clear(name: string, rows: number): void {
    this.run(stage.clearStage(name, this.#stages.clearing(name, rows)));
  }

  async #copy(statement: string, rows: CopyRows, format: TransferFormat): Promise<void> {
    if (rows.segments.rows === 0) return;
    const copy = this.#wire.copyIn(statement, (sink) => feedRows(sink, rows, format));
    this.#keep(copy.result);
    await copy.sent;
  }

  #keep(result: Promise<WireResult>): void {
    // Handled in `done`; until then a rejection must not count as unhandled.
    result.catch(() => {});
    this.#results.push(result);
  }
}

function allColumns(target: ApplyTarget): readonly number[] {
  return target.columns.map((_, column) => column);
}

function missing(target: ApplyTarget, present: readonly number[]): readonly number[] {
  const there = new Set(present);
  return allColumns(target).filter((column) => !there.has(column));
}
