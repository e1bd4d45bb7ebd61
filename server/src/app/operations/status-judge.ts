// Says in one word where a pipeline stands and how far behind it is, from what its state holds. Pure.
import type { PipelineStateName } from '@millrace/contract/report';
import type { ObjectState } from '../../model/object-state.ts';

/** A running pipeline loads while any of its objects is on the way to the stream. `recorded`: the state's own word. */
export function pipelineStateOf(
  recorded: string,
  objects: readonly { readonly state: ObjectState }[],
  running: boolean,
): PipelineStateName {
  if (recorded === 'stopped') return 'stopped';
  if (!running) return 'idle';
  if (objects.length === 0) return recorded === 'streaming' ? 'streaming' : 'loading';
  return objects.some(({ state }) => ON_THE_WAY.has(state)) ? 'loading' : 'streaming';
}

export interface LagFacts {
  /** WAL between checkpoint and the source's end; null when the source can't be asked. */
  readonly lagBytes: number | null;
  /** The age of the source's state that is here; null before the first. */
  readonly ageSeconds: number | null;
  readonly running: boolean;
}

/**
 * How old the destination's rows are. While a process runs and nothing is pending, it notes that every few seconds, whatever WAL others
 * write: a small rest that is no older than that is the next note's, not ours.
 */
export function lagSeconds({ lagBytes, ageSeconds, running }: LagFacts): number | null {
  if (lagBytes === null) return null;
  if (lagBytes === 0) return 0;
  if (running && lagBytes < NOISE_BYTES && ageSeconds !== null && ageSeconds < NOTE_SECONDS) return 0;
  return ageSeconds;
}

const ON_THE_WAY: ReadonlySet<ObjectState> = new Set(['pending', 'copying', 'catching_up']);
const NOISE_BYTES = 64 * 1024;
/** An idle pipeline's checkpoint follows the log every five seconds; two for the way. */
const NOTE_SECONDS = 7;
