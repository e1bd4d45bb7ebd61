// Keeps a process that was replaced from coming back: one that was only asleep would take over from its successor, for ever in turns.
import { fenced } from '../../destination/state.ts';
import type { PipelineRecord } from '../../destination/state-records.ts';
import { MillraceError } from '../../model/error.ts';

/** What a process remembers from one session to the next. */
export interface Tenure {
  /** The epoch that it last wrote under; null before its first take-over. */
  epoch: bigint | null;
  /** Objects that this run has refreshed, by label: a new session is no reason to read them again. */
  readonly refreshed: Set<string>;
}

/**
 * Throws `fenced` when somebody took over, or dropped the pipeline, since this process's last session. A lower epoch is that of an older
 * backup of the destination, which the proof of continuity deals with.
 */
export function requireStillOurs(tenure: Pick<Tenure, 'epoch'>, pipeline: string, known: PipelineRecord | null): void {
  if (tenure.epoch === null) return;
  if (known === null) {
    throw new MillraceError('fenced', {
      cause: `pipeline ${JSON.stringify(pipeline)} was dropped while this process ran it`,
      side: 'destination',
    });
  }
  if (known.epoch > tenure.epoch) throw fenced({ pipeline, epoch: tenure.epoch });
}
