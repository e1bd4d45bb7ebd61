// The apply lane: one destination session that flushes batches into an open transaction and commits them together with the checkpoint.
import type { WireResult, WireSession } from '../db/wire-session.ts';
import type { KeyedEffect, ReplaceMode } from '../model/batch/keyed-phase.ts';
import type { ObjectBatch, Phase } from '../model/batch/object-batch.ts';
import type { TransferFormat } from '../model/batch/row-format.ts';
import type { CopyRows } from '../model/batch/segments.ts';
import { MillraceError } from '../model/error.ts';
import { CATALOGUE } from '../model/error-catalogue.ts';
import { objectLabel } from '../model/table.ts';
import type { ApplyTarget } from './apply-target.ts';
import {
  clearStage,
  copyIntoKeyStage,
  copyIntoRowStage,
  copyIntoTarget,
  createKeyStage,
  createRowStage,
  deleteColumnlessRows,
  deleteStagedKeys,
  deleteStagedRowsOnce,
  KEYED_SETTINGS,
  keyStage,
  MULTISET_SETTINGS,
  moveStagedRows,
  rowStage,
  truncateTables,
  updateStagedColumns,
  upsertStagedRows,
} from './apply.sql.ts';
import { feedRows } from './copy-feed.ts';

/** Changes of one object, and where they go. */
export interface ObjectWork {
  readonly target: ApplyTarget;
  readonly batch: ObjectBatch;
}

/** A flush failed because of one object; its transaction has been rolled back. */
export class ObjectRejected extends Error {
  override readonly name = 'ObjectRejected';
  readonly targetId: string;
  readonly reason: MillraceError;

  constructor(targetId: string, reason: MillraceError) {
    super(reason.message, { cause: reason });
    this.targetId = targetId;
    this.reason = reason;
  }
}

/**
 * Applies flushes one after the other. Nothing is visible to others before `commit`; any error other than `ObjectRejected`
 * leaves the session unusable (the connection is gone).
 */
export class ApplySession {
  readonly #wire: WireSession;
  readonly #staged = new Set<string>();
  #inTransaction = false;

  constructor(wire: WireSession) {
    this.#wire = wire;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /**
   * Brings a batch into the open transaction (opening it if need be). Rows that the stream knows to be new are inserted without
   * deleting first; where that turns out wrong the flush is done again with care. Throws `ObjectRejected` when one object can't be applied.
   */
  async flush(works: readonly ObjectWork[]): Promise<void> {
    await this.#begin();
    try {
      await this.#attempt(works, 'trusting');
    } catch (error) {
      // More care would not find the row: the server refused nothing, so there is nothing to try again.
      if (error instanceof ObjectRejected) await this.rollback();
      if (!isRejection(error)) throw error;
      await this.#flushWithCare(works);
    }
  }

  /**
   * Runs `checkpoint`, which must change exactly one row, then `others`, and commits. Throws `fenced` when it does not: another process
   * has taken over.
   */
  async commit(checkpoint: string, others: readonly string[]): Promise<void> {
    await this.#begin();
    const [moved] = await settleAll([checkpoint, ...others].map((sql) => this.#wire.query(sql)));
    if (moved?.count !== 1) {
      await this.rollback();
      throw new MillraceError('fenced', { cause: 'the checkpoint was taken over by another process', side: 'destination' });
    }
    await this.#wire.query('COMMIT');
    this.#inTransaction = false;
  }

  async rollback(): Promise<void> {
    if (!this.#inTransaction) return;
    await this.#wire.query('ROLLBACK');
    this.#inTransaction = false;
    this.#staged.clear();
  }

  async close(): Promise<void> {
    await this.#wire.close();
  }

  destroy(): void {
    this.#wire.destroy();
  }

  async #begin(): Promise<void> {
    if (this.#inTransaction) return;
    this.#inTransaction = true;
    await this.#wire.query('BEGIN');
  }

  /** Object by object, expecting anything at the destination, so that the one that can't be applied is known. */
  async #flushWithCare(works: readonly ObjectWork[]): Promise<void> {
    for (const work of works) {
      try {
        await this.#attempt([work], 'careful');
      } catch (error) {
        if (error instanceof ObjectRejected) await this.rollback();
        if (!isRejection(error)) throw error;
        await this.rollback();
        // A full disk or a lock is nobody's row: the whole batch is tried again later.
        throw CATALOGUE[error.errorName].retry === 'backoff' && error.errorName !== 'unexpected'
          ? error
          : new ObjectRejected(work.target.id, error);
      }
    }
  }

  async #attempt(works: readonly ObjectWork[], trust: 'trusting' | 'careful'): Promise<void> {
    const flush = new Flush(this.#wire, this.#staged, trust);
    const before = new Set(this.#staged);
    flush.run('SAVEPOINT millrace_flush');
    const emptied = works.filter((work) => work.batch.truncateFirst).map((work) => work.target);
    if (emptied.length > 0) flush.run(truncateTables(emptied));
    try {
      for (const work of works) await flush.object(work);
      flush.run('RELEASE SAVEPOINT millrace_flush');
      await flush.done();
    } catch (error) {
      if (isRejection(error)) {
        await this.#wire.query('ROLLBACK TO SAVEPOINT millrace_flush');
        // Staging tables made inside the savepoint are gone with it.
        this.#staged.clear();
        for (const name of before) this.#staged.add(name);
      }
      throw error;
    }
  }
}

/** One attempt: sends statement after statement, and looks at the answers at the end. */
class Flush {
  readonly #wire: WireSession;
  readonly #staged: Set<string>;
  readonly #careful: boolean;
  readonly #results: Promise<unknown>[] = [];

  constructor(wire: WireSession, staged: Set<string>, trust: 'trusting' | 'careful') {
    this.#wire = wire;
    this.#staged = staged;
    this.#careful = trust === 'careful';
  }

  run(sql: string): void {
    this.#keep(this.#wire.query(sql));
  }

  async object(work: ObjectWork): Promise<void> {
    for (const phase of work.batch.phases) {
      if (!phase.isEmpty) await this.#phase(work, phase);
    }
  }

  async done(): Promise<void> {
    await settleAll(this.#results);
  }

  async #phase({ target, batch }: ObjectWork, phase: Phase): Promise<void> {
    const format = batch.shape.format.name;
    switch (phase.kind) {
      case 'append':
        return this.#copy(copyIntoTarget(target, format), phase.effect(), format);
      case 'multiset': {
        const { deletes, rows } = phase.effect();
        await this.#deleteEqualRows(target, deletes, format);
        return this.#copy(copyIntoTarget(target, format), rows, format);
      }
      case 'keyed':
        return this.#keyed(target, phase.effect(this.#mode(target)), format, batch.overlap);
      case 'moves': {
        const { columns, rows } = phase.effect();
        this.#stage(rowStage(target), createRowStage(target));
        await this.#copy(copyIntoRowStage(target, columns, true, format), rows, format);
        this.#expectCount(target, moveStagedRows(target, columns), rows.segments.rows);
        this.run(clearStage(rowStage(target), rows.segments.rows));
      }
    }
  }

  #mode(target: ApplyTarget): ReplaceMode {
    if (target.strategy === 'upsert') return 'upsert';
    return this.#careful ? 'replace_all' : 'replace';
  }

  async #keyed(target: ApplyTarget, effect: KeyedEffect, format: TransferFormat, overlap: boolean): Promise<void> {
    if (effect.deletes.segments.rows > 0) {
      this.#stage(keyStage(target), createKeyStage(target));
      await this.#copy(copyIntoKeyStage(target, format), effect.deletes, format);
      this.run(deleteStagedKeys(target));
      this.run(clearStage(keyStage(target), effect.deletes.segments.rows));
    }
    for (const group of effect.partials) {
      const rows = group.rows.segments.rows;
      this.#stage(rowStage(target), createRowStage(target));
      await this.#copy(copyIntoRowStage(target, group.columns, false, format), group.rows, format);
      const sql = updateStagedColumns(target, group.columns);
      if (overlap) this.run(sql);
      else this.#expectCount(target, sql, rows);
      this.run(clearStage(rowStage(target), rows));
    }
    if (effect.rows.segments.rows === 0) return;
    if (target.strategy === 'replace') return this.#copy(copyIntoTarget(target, format), effect.rows, format);
    const all = target.columns.map((_, column) => column);
    this.#stage(rowStage(target), createRowStage(target));
    await this.#copy(copyIntoRowStage(target, all, false, format), effect.rows, format);
    this.run(upsertStagedRows(target));
    this.run(clearStage(rowStage(target), effect.rows.segments.rows));
  }

  async #deleteEqualRows(target: ApplyTarget, deletes: CopyRows, format: TransferFormat): Promise<void> {
    const rows = deletes.segments.rows;
    if (rows === 0) return;
    if (target.columns.length === 0) return this.run(deleteColumnlessRows(target, rows));
    const all = target.columns.map((_, column) => column);
    this.#stage(rowStage(target), createRowStage(target));
    await this.#copy(copyIntoRowStage(target, all, false, format), deletes, format);
    this.run(MULTISET_SETTINGS);
    this.run(deleteStagedRowsOnce(target));
    this.run(KEYED_SETTINGS);
    this.run(clearStage(rowStage(target), rows));
  }

  #stage(name: string, create: string): void {
    if (this.#staged.has(name)) return;
    this.#staged.add(name);
    this.run(create);
  }

  async #copy(sql: string, rows: CopyRows, format: TransferFormat): Promise<void> {
    if (rows.segments.rows === 0) return;
    const copy = this.#wire.copyIn(sql, (sink) => feedRows(sink, rows, format));
    this.#keep(copy.result);
    await copy.sent;
  }

  #expectCount(target: ApplyTarget, sql: string, rows: number): void {
    this.#keep(
      this.#wire.query(sql).then((result) => {
        if (result.count === rows) return;
        const cause = `${rows - result.count} of ${rows} rows that changed in part are missing in ${objectLabel(target.table)}`;
        throw new ObjectRejected(target.id, new MillraceError('destination_row_missing', { cause, side: 'destination' }));
      }),
    );
  }

  #keep(result: Promise<unknown>): void {
    // Handled in `done`; until then a rejection must not count as unhandled.
    result.catch(() => {});
    this.#results.push(result);
  }
}

/** Waits for all answers; throws the first error, since those after it are only its consequences. */
async function settleAll<T = WireResult>(results: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(results);
  return settled.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/** The server refused a statement, but the session lives. */
function isRejection(error: unknown): error is MillraceError {
  return error instanceof MillraceError && error.errorName !== 'connection_lost' && error.errorName !== 'protocol_violation';
}
