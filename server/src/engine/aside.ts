// The changes of objects that load or catch up: kept aside while their rows are copied, applied afterwards, until each joins the stream.
import type { RowFormat } from '../model/batch/row-format.ts';
import { type Lsn, maxLsn } from '../pg/lsn.ts';
import { CatchUp } from './catch-up.ts';
import type { LiveObject } from './live-object.ts';
import type { ApplyLane, Reshape, Spool } from './ports.ts';

export interface AsideOptions {
  readonly format: RowFormat;
  readonly lane: ApplyLane;
  /** A transaction larger than this is flushed in parts. */
  readonly batchBytes: number;
  readonly openSpool: (object: LiveObject) => Spool;
  readonly reshape: Reshape;
  readonly nowMs: () => number;
}

/** How much of what one object kept is applied before the stream gets its turn again. */
const CATCH_UP_BYTES = 8 * 1024 * 1024;
const COMMIT_MESSAGE = 0x43; // 'C'

/** See the file's first line. */
export class Aside {
  readonly #options: AsideOptions;
  readonly #spools = new Map<LiveObject, Spool>();
  readonly #catchUps = new Map<LiveObject, CatchUp>();
  /** Objects whose rows are there: asked after every transaction, so the others must not be walked through. */
  readonly #waiting = new Set<LiveObject>();

  constructor(options: AsideOptions) {
    this.#options = options;
  }

  /** Bytes of whole transactions that can be applied now. */
  get readableBytes(): number {
    let sizeBytes = 0;
    for (const [object, spool] of this.#spools) if (object.state === 'catching_up') sizeBytes += spool.readableBytes;
    return sizeBytes;
  }

  keep(object: LiveObject, bytes: Buffer, start: number, end: number): void {
    let spool = this.#spools.get(object);
    if (spool === undefined) {
      spool = this.#options.openSpool(object);
      this.#spools.set(object, spool);
    }
    spool.append(bytes, start, end);
    if (bytes[start] === COMMIT_MESSAGE) spool.markCommit();
  }

  /** The object's rows are all there (state `catching_up`): it may join the stream once nothing is kept any more. */
  expect(object: LiveObject): void {
    this.#waiting.add(object);
  }

  /** Applies a share of what one object kept, in a commit of its own; null when there is nothing. */
  async catchUp(): Promise<LiveObject | null> {
    for (const [object, spool] of this.#spools) {
      if (object.state !== 'catching_up' || spool.readableBytes === 0) continue;
      let catchUp = this.#catchUps.get(object);
      if (catchUp === undefined) {
        catchUp = new CatchUp(object, this.#options);
        this.#catchUps.set(object, catchUp);
      }
      await catchUp.step(spool, this.#options.lane, CATCH_UP_BYTES, this.#options.batchBytes);
      return object;
    }
    return null;
  }

  /**
   * At a boundary of the stream, lets objects join that have nothing left aside: from the next transaction on their changes go into the
   * batches. `isBusy`: the lane applies something, perhaps of an object that catches up; that one waits.
   */
  join(position: Lsn, isBusy: boolean): readonly LiveObject[] {
    const joined: LiveObject[] = [];
    for (const object of this.#waiting) {
      if (object.state !== 'catching_up' || (isBusy && this.#catchUps.has(object))) continue;
      if (!(this.#spools.get(object)?.isEmpty ?? true)) continue;
      if (object.handoff !== null && position < object.handoff.end) continue;
      object.state = 'streaming';
      object.applied = maxLsn(object.applied, position);
      object.handoff = null;
      this.forget(object);
      joined.push(object);
    }
    return joined;
  }

  /** The slot still has what was kept of it. */
  forget(object: LiveObject): void {
    this.#waiting.delete(object);
    this.dropKept(object);
  }

  /** What was kept so far is void: another load begins. */
  dropKept(object: LiveObject): void {
    this.#spools.get(object)?.close();
    this.#spools.delete(object);
    this.#catchUps.delete(object);
  }

  close(): void {
    for (const spool of this.#spools.values()) spool.close();
    this.#spools.clear();
  }
}
