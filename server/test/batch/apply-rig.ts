// An apply session on a database of a test, with tables of it as targets and pgoutput messages as input.
import { connect } from '../../src/db/connect.ts';
import { WireSession } from '../../src/db/wire-session.ts';
import { APPLY_SETTINGS } from '../../src/destination/apply.sql.ts';
import { ApplySession } from '../../src/destination/apply-session.ts';
import { type ApplyTarget, readApplyTarget } from '../../src/destination/apply-target.ts';
import { binaryRows } from '../../src/model/batch/binary-rows.ts';
import { ObjectBatch, type RowShape } from '../../src/model/batch/object-batch.ts';
import type { TransferFormat } from '../../src/model/batch/row-format.ts';
import { textRows } from '../../src/model/batch/text-rows.ts';
import type { ConnectionSettings } from '../../src/model/connection.ts';
import { encodeMessage, type OldRow, type Value } from '../fuzz/encode-pgoutput.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { feedBatch } from './feed-batch.ts';

/** Our own checkpoint table of a test: one row, whose value the commit of an epoch moves. */
export const CHECKPOINT_SQL = 'CREATE TABLE public.checkpoint AS SELECT 1 AS epoch, 0 AS moved';

export class ApplyRig {
  readonly database: TestDatabase;
  readonly session: ApplySession;
  readonly backendPid: number;

  static async open(database: TestDatabase, settings: ConnectionSettings = database.settings(), lockTimeoutMs = 0): Promise<ApplyRig> {
    const purpose = { applicationName: 'apply', side: 'destination', settings: APPLY_SETTINGS, lockTimeoutMs } as const;
    const session = await connect(settings, purpose);
    return new ApplyRig(database, new ApplySession(new WireSession(session)), session.backendPid);
  }

  private constructor(database: TestDatabase, session: ApplySession, backendPid: number) {
    this.database = database;
    this.session = session;
    this.backendPid = backendPid;
  }

  async target(name: string, columns: readonly string[], keyColumns: readonly string[], schema = 'public'): Promise<ApplyTarget> {
    const session = await this.database.open();
    return readApplyTarget(session, { id: name, table: { schema, name }, columns, keyColumns });
  }

  /** Commits under an epoch, as the checkpoint's row has it or not. */
  async commit(works: Parameters<ApplySession['commit']>[2] = [], epoch = 1): Promise<void> {
    await this.session.commit(`UPDATE public.checkpoint SET moved = moved + 1 WHERE epoch = ${epoch}`, [], works);
  }

  async moved(): Promise<number> {
    return Number((await this.database.query('SELECT moved FROM public.checkpoint'))[0]?.[0]);
  }
}

/** Collects changes of a table whose values tests write as text (null, or undefined for "unchanged, not sent"). */
export class BatchWriter {
  readonly batch: ObjectBatch;
  readonly #kind: 'text' | 'binary';
  readonly #columns: number;

  constructor(format: TransferFormat, columns: readonly string[], identity: RowShape['identity'], overlap = false) {
    this.batch = new ObjectBatch({ format: format === 'binary' ? binaryRows : textRows, columns, identity, deletes: 'hard' }, overlap);
    this.#kind = format;
    this.#columns = columns.length;
  }

  insert(...row: Cell[]): this {
    return this.#take(encodeMessage({ tag: 'insert', oid: 1, row: this.#row(row) }));
  }

  update(old: { readonly key: Cell[] } | { readonly full: Cell[] } | null, ...row: Cell[]): this {
    const carried: OldRow =
      old === null
        ? { kind: 'absent' }
        : 'key' in old
          ? { kind: 'key', values: this.#row(old.key) }
          : { kind: 'full', values: this.#row(old.full) };
    return this.#take(encodeMessage({ tag: 'update', oid: 1, old: carried, row: this.#row(row) }));
  }

  delete(old: { readonly key: Cell[] } | { readonly full: Cell[] }): this {
    const carried =
      'key' in old ? ({ kind: 'key', values: this.#row(old.key) } as const) : ({ kind: 'full', values: this.#row(old.full) } as const);
    return this.#take(encodeMessage({ tag: 'delete', oid: 1, old: carried }));
  }

  truncate(): this {
    this.batch.truncate();
    return this;
  }

  #take(message: Buffer): this {
    const outcome = feedBatch(this.batch, message);
    if (outcome !== 'done') throw new Error(`the batch says ${outcome}`);
    return this;
  }

  #row(cells: readonly Cell[]): Value[] {
    if (cells.length !== this.#columns) throw new Error(`${cells.length} values for ${this.#columns} columns`);
    return cells.map((cell): Value => {
      if (cell === null) return { kind: 'null' };
      if (cell === undefined) return { kind: 'unchanged' };
      return { kind: this.#kind, bytes: typeof cell === 'string' ? Buffer.from(cell) : cell };
    });
  }
}

/** A value in the format of the stream; undefined: unchanged, and therefore not sent. */
export type Cell = string | Buffer | null | undefined;

/** Binary form of an int4. */
export function int4(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
