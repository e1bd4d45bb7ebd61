// Remembers where the source's log ended when somebody asked, and so how new our rows are although no commit of ours says it.
import { type Lsn, LSN_ZERO } from '../pg/lsn.ts';

/** Where the log ended, and when (microseconds since 2000) that was asked. */
export interface SourceEndNote {
  readonly end: Lsn;
  readonly atMicros: bigint;
}

export class SourceEnd {
  #last: SourceEndNote = { end: LSN_ZERO, atMicros: 0n };
  #reachedAtMicros = 0n;

  /** The end that was noted last. */
  get lsn(): Lsn {
    return this.#last.end;
  }

  /** `received`: everything before this position is with us. */
  note(note: SourceEndNote, received: Lsn): void {
    this.reachedAtMicros(received);
    this.#last = note;
  }

  /** The newest time at which all that was in the log is with us now; 0 before there is one. */
  reachedAtMicros(received: Lsn): bigint {
    if (received >= this.#last.end) this.#reachedAtMicros = this.#last.atMicros;
    return this.#reachedAtMicros;
  }
}
