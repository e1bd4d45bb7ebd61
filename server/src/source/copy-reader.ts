// One session that reads pieces of tables, all in the snapshot of another session, and hands their bytes on unread.
import type { PgSession } from '../db/session.ts';
import { WireSession } from '../db/wire-session.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import { ProtocolError } from '../pg/protocol-error.ts';
import { type OnCopyBytes, RelayFramer } from '../pg/wire/relay-frame.ts';
import { beginInSnapshot, type CopyQuery, copyOut, identityOf } from './copy.sql.ts';
import { guardCopySession } from './snapshot.ts';

/** Settings of a session that reads: a page range must be read as such, by one process, and without a compiler's warm-up. */
export const COPY_READER_SETTINGS: Readonly<Record<string, string>> = {
  enable_seqscan: 'off',
  enable_indexscan: 'off',
  enable_indexonlyscan: 'off',
  enable_bitmapscan: 'off',
  max_parallel_workers_per_gather: '0',
  jit: 'off',
};

/** Reads for one load after another; between `begin` and `end` it is inside the load's snapshot. */
export class CopyReader {
  readonly #wire: WireSession;
  #onBytes: OnCopyBytes = nobodyListens;

  /** Takes the session over for good. */
  static async open(session: PgSession): Promise<CopyReader> {
    await guardCopySession(session);
    return new CopyReader(session);
  }

  private constructor(session: PgSession) {
    this.#wire = new WireSession(session, new RelayFramer((bytes, start, end) => this.#onBytes(bytes, start, end)));
  }

  get backendPid(): number {
    return this.#wire.backendPid;
  }

  async begin(exportedName: string): Promise<void> {
    await this.#wire.query(beginInSnapshot(exportedName));
  }

  /**
   * Reads a piece; `onBytes` gets the bytes of CopyData messages as they come, cut anywhere. Resolves to the number of rows when the last byte was handed on.
   * Throws `object_vanished` when the name turns out to lead to another relation (its schema can be renamed under our lock), and
   * `copy_interrupted` when it was rewritten: what was handed on must be thrown away then.
   */
  async read(query: CopyQuery, onBytes: OnCopyBytes): Promise<number> {
    this.#onBytes = onBytes;
    const copied = this.#wire.query(copyOut(query));
    const named = this.#wire.query(identityOf(query.leaf));
    // Both fail together when the connection is lost; the second must not count as unhandled.
    named.catch(() => {});
    const { count } = await copied;
    this.#onBytes = nobodyListens;
    const [row] = (await named).rows;
    if (Number(row?.[0] ?? 0) !== query.leaf.oid) throw failure('object_vanished', query, 'replaced by another relation');
    if (Number(row?.[1] ?? 0) !== query.leaf.relfilenode) throw failure('copy_interrupted', query, 'rewritten');
    return count;
  }

  /** Stops the flow of data until `resume`; the server waits. */
  pause(): void {
    this.#wire.pause();
  }

  resume(): void {
    this.#wire.resume();
  }

  async end(): Promise<void> {
    await this.#wire.query('COMMIT');
  }

  async close(): Promise<void> {
    await this.#wire.close();
  }

  destroy(): void {
    this.#wire.destroy();
  }
}

function nobodyListens(): void {
  throw new ProtocolError('COPY data came that nobody asked for', 0);
}

function failure(name: 'object_vanished' | 'copy_interrupted', query: CopyQuery, what: string): MillraceError {
  const label = objectLabel(query.leaf);
  return new MillraceError(name, { cause: `${label} was ${what} while it was copied`, object: label, side: 'source' });
}
