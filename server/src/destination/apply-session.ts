// The apply lane: one destination session that flushes batches into an open transaction and commits them together with the checkpoint.
import type { Row } from '../db/session.ts';
import type { ServerErrorFields } from '../db/sql-error.ts';
import type { WireSession } from '../db/wire-session.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import { truncateTables } from './apply.sql.ts';
import { faultOf } from './apply-fault.ts';
import { type Care, Flush, type ObjectWork } from './apply-flush.ts';
import type { ApplyTarget } from './apply-target.ts';
import type { RunStatement } from './ddl-alter.ts';
import { referredToFromOutside, relationsOfConstraint } from './constraint.sql.ts';
import { readsPosition, setPosition } from './metadata.ts';
import { fixOfRefusal } from './refusal-fix.ts';
import { exactly, miscountOf } from './row-guard.ts';
import { DROP_STAGES } from './stage.sql.ts';
import { Stages } from './stages.ts';

/** A flush failed because of one object; its transaction has been rolled back. */
export class ObjectRejected extends Error {
  override readonly name = 'ObjectRejected';
  readonly targetId: string;
  readonly reason: MillraceError;

  constructor(target: ApplyTarget, reason: MillraceError) {
    super(reason.message, { cause: reason });
    this.targetId = target.id;
    this.reason = reason;
  }
}

/**
 * Applies batches one after the other. Nothing is visible to others before `commit`. After an `ObjectRejected` the session can be used
 * again, with an empty transaction; any other error leaves it to be destroyed.
 */
export class ApplySession {
  readonly #wire: WireSession;
  readonly #stages = new Stages(() => performance.now());
  /** Targets that the open transaction has changed. */
  readonly #touched = new Map<string, ApplyTarget>();
  #inTransaction = false;

  constructor(wire: WireSession) {
    this.#wire = wire;
  }

  get inTransaction(): boolean {
    return this.#inTransaction;
  }

  /**
   * Brings a batch into the open transaction (opening it if need be). Where the destination refuses it, the flush is done again with
   * care, object by object. Throws `ObjectRejected` when one object can't be applied even so.
   */
  async flush(works: readonly ObjectWork[]): Promise<void> {
    try {
      await this.#attempt(works, 'trusting');
    } catch (error) {
      if (faultOf(error) !== 'object') throw error;
      await this.#flushWithCare(works);
    }
  }

  /**
   * Runs `work`, DDL, in the open transaction (opening it if need be), after what was flushed. When it throws an error that is not its
   * own to handle, the session is to be closed.
   */
  async alter<T>(work: (run: RunStatement) => Promise<T>): Promise<T> {
    if (!this.#inTransaction) {
      const flush = new Flush(this.#wire, this.#stages, 'trusting');
      this.#begin(flush);
      await flush.done();
    }
    return work((statement) => this.#wire.query(statement));
  }

  /**
   * Runs `checkpoint`, an UPDATE that must change exactly one row, then `others`, and commits, after a last batch that goes out in the
   * same write: a small change costs one round trip. Throws `fenced` when another process has taken over, and what `flush` throws.
   */
  async commit(checkpoint: string, others: readonly string[], last: readonly ObjectWork[] = []): Promise<void> {
    const ending = [exactly(checkpoint, 1, 'fenced'), ...others, 'COMMIT'];
    if (!this.#inTransaction && last.length > 0) {
      if (await this.#commitAtOnce(ending, last)) return;
      await this.#flushWithCare(last);
    } else if (last.length > 0) await this.flush(last);
    const flush = new Flush(this.#wire, this.#stages, 'trusting');
    this.#begin(flush);
    for (const statement of ending) flush.run(statement);
    const touched = [...this.#touched.values()];
    try {
      await this.#committed(flush);
    } catch (error) {
      throw await this.#blamed(error, touched);
    }
  }

  async rollback(): Promise<void> {
    if (!this.#inTransaction) return;
    this.#abandon();
    await this.#wire.query('ROLLBACK');
  }

  async close(): Promise<void> {
    await this.#wire.close();
  }

  destroy(): void {
    this.#wire.destroy();
  }

  /** Sends a whole transaction without waiting; false when the destination refused it and nothing of it is there. */
  async #commitAtOnce(ending: readonly string[], works: readonly ObjectWork[]): Promise<boolean> {
    const flush = new Flush(this.#wire, this.#stages, 'trusting');
    this.#begin(flush);
    try {
      await this.#send(flush, works);
      for (const statement of ending) flush.run(statement);
      await this.#committed(flush);
      return true;
    } catch (error) {
      if (faultOf(error) !== 'object') throw error;
      return false;
    }
  }

  /** Waits for a flush that ends with COMMIT. Whatever goes wrong before that, the server answers COMMIT by rolling back. */
  async #committed(flush: Flush): Promise<void> {
    try {
      const last = await flush.done();
      if (last?.tags[0] !== 'COMMIT')
        throw new MillraceError('protocol_violation', { cause: 'COMMIT was answered otherwise', side: 'destination' });
      this.#inTransaction = false;
      this.#touched.clear();
    } catch (error) {
      this.#abandon();
      throw miscountOf(error)?.meaning === 'fenced' ? fenced(error) : error;
    }
  }

  /**
   * Object by object, expecting anything at the destination, so that the one that can't be applied is known. Objects that are refused
   * are tried again after the others: what they refer to may come with those.
   */
  async #flushWithCare(works: readonly ObjectWork[]): Promise<void> {
    await this.#truncateWithCare(works);
    let waiting = works;
    while (waiting.length > 0) {
      const refused: ObjectWork[] = [];
      let rejected: ObjectRejected | null = null;
      for (const work of waiting) {
        const error = await this.#refusal(() => this.#attempt([work], 'careful'));
        if (error === null) continue;
        rejected ??= new ObjectRejected(work.target, named(error, work.target));
        refused.push(work);
      }
      if (rejected !== null && refused.length === waiting.length) {
        await this.rollback();
        throw rejected;
      }
      waiting = refused;
    }
  }

  /** All together: a table that others refer to can only be emptied with them. */
  async #truncateWithCare(works: readonly ObjectWork[]): Promise<void> {
    const targets = emptiedBy(works);
    if (targets.length === 0) return;
    const together = await this.#refusalToTruncate(targets);
    if (together === null) return;
    const { rows } = await this.#wire.query(referredToFromOutside(targets.map((target) => target.table)));
    let culprit = targets.find((target) => isNamed(target, rows));
    for (const target of targets) {
      if (culprit === undefined && (await this.#refusalToTruncate([target])) !== null) culprit = target;
    }
    await this.rollback();
    throw culprit === undefined ? together : new ObjectRejected(culprit, together);
  }

  #refusalToTruncate(targets: readonly ApplyTarget[]): Promise<MillraceError | null> {
    return this.#refusal(() => this.#savepoint((flush) => flush.run(truncateTables(targets))));
  }

  /** The error by which the destination refuses `work`, or null. Throws whatever is nobody's rows' fault. */
  async #refusal(work: () => Promise<void>): Promise<MillraceError | null> {
    try {
      await work();
      return null;
    } catch (error) {
      if (faultOf(error) === 'object' && error instanceof MillraceError) return error;
      throw error;
    }
  }

  async #attempt(works: readonly ObjectWork[], care: Care): Promise<void> {
    await this.#savepoint((flush) => (care === 'trusting' ? this.#send(flush, works) : this.#sendObjects(flush, works)), care);
  }

  /** Runs `send` so that the transaction stays as it was when the destination refuses any of it. */
  async #savepoint(send: (flush: Flush) => void | Promise<void>, care: Care = 'trusting'): Promise<void> {
    const flush = new Flush(this.#wire, this.#stages, care);
    this.#begin(flush);
    flush.run('SAVEPOINT millrace');
    try {
      await send(flush);
      flush.run('RELEASE SAVEPOINT millrace');
      await flush.done();
    } catch (error) {
      if (faultOf(error) === 'object') {
        await this.#wire.query('ROLLBACK TO SAVEPOINT millrace; RELEASE SAVEPOINT millrace');
        // Staging tables made since are gone.
        this.#stages.forget();
      }
      throw error;
    }
  }

  async #send(flush: Flush, works: readonly ObjectWork[]): Promise<void> {
    const emptied = emptiedBy(works);
    if (emptied.length > 0) flush.run(truncateTables(emptied));
    await this.#sendObjects(flush, works);
  }

  async #sendObjects(flush: Flush, works: readonly ObjectWork[]): Promise<void> {
    const positioned = works.find(({ target }) => readsPosition(target.metadata));
    if (positioned !== undefined) flush.run(setPosition(positioned.batch.position, 'transaction'));
    for (const work of works) {
      this.#touched.set(work.target.id, work.target);
      await flush.object(work);
    }
  }

  #begin(flush: Flush): void {
    if (this.#inTransaction) return;
    this.#inTransaction = true;
    if (this.#stages.renewalIsDue()) flush.run(DROP_STAGES);
    flush.run('BEGIN');
  }

  #abandon(): void {
    this.#inTransaction = false;
    this.#stages.forget();
    this.#touched.clear();
  }

  /** A constraint that is only checked at COMMIT names its tables: it is the error of the object that one of them belongs to. */
  async #blamed(error: unknown, touched: readonly ApplyTarget[]): Promise<unknown> {
    if (!(error instanceof MillraceError) || faultOf(error) !== 'object') return error;
    const { schema, table, constraint } = error.cause as Partial<ServerErrorFields>;
    if (schema === undefined || table === undefined || constraint === undefined) return error;
    const { rows } = await this.#wire.query(relationsOfConstraint(schema, table, constraint));
    const target = touched.find((known) => isNamed(known, rows));
    return target === undefined ? error : new ObjectRejected(target, error);
  }
}

function isNamed({ table }: ApplyTarget, names: readonly Row[]): boolean {
  return names.some(([schema, name]) => table.schema === schema && table.name === name);
}

function emptiedBy(works: readonly ObjectWork[]): readonly ApplyTarget[] {
  return works.filter((work) => work.batch.truncateFirst).map((work) => work.target);
}

function fenced(error: unknown): MillraceError {
  return new MillraceError('fenced', { cause: 'the checkpoint was taken over by another process', side: 'destination' }, error);
}

/** What a refusal is called for people. */
function named(error: MillraceError, target: ApplyTarget): MillraceError {
  const miscount = miscountOf(error);
  if (miscount === null) {
    const fix = fixOfRefusal(error.cause ?? {}, target.table);
    return fix === null ? error : new MillraceError(error.errorName, { ...error.facts, fix }, error.cause);
  }
  const cause = `rows that a change needs are missing in ${objectLabel(target.table)}: only ${miscount.rows} were found`;
  return new MillraceError('destination_row_missing', { cause, side: 'destination' }, error);
}
