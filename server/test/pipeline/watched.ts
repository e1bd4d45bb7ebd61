// A pipeline of which a test sees what its observer saw: the state of every object, and why.
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import type { PipelineObserver } from '../../src/app/pipeline/observer.ts';
import type { MillraceError } from '../../src/model/error.ts';
import type { ObjectState } from '../../src/model/object-state.ts';
import { objectLabel } from '../../src/model/table.ts';
import type { Log } from '../../src/lib/log.ts';
import { waitFor } from '../pg/wait-for.ts';
import type { Ends } from './compare.ts';
import { type RunningPipeline, runOnce, startPipeline } from './pipeline.ts';

/** What has been seen so far. */
export class Watched {
  readonly #states = new Map<string, { readonly state: ObjectState; readonly reason: MillraceError | null }>();
  /** The error of the last `retrying` or `stopped`. */
  trouble: MillraceError | null = null;
  /** `binary` or `text`, as the session announced it. */
  format: string | null = null;

  /** What to pass to a run, so that it is seen. */
  get options(): { readonly observer: Partial<PipelineObserver>; readonly log: Log } {
    const note = (_message: string, fields?: Readonly<Record<string, unknown>>): void => {
      if (typeof fields?.['format'] === 'string') this.format = fields['format'];
    };
    return {
      observer: {
        objectState: (object, state, reason) => void this.#states.set(objectLabel(object), { state, reason }),
        changesApplied: (object) => void this.#states.set(objectLabel(object.source), { state: object.state, reason: null }),
        pipelineState: (_state, reason) => {
          this.trouble = reason ?? this.trouble;
        },
      },
      log: quietLog(note),
    };
  }

  state(label: string): ObjectState | undefined {
    return this.#states.get(label)?.state;
  }

  reason(label: string): MillraceError | null {
    return this.#states.get(label)?.reason ?? null;
  }

  /** The labels of all objects in `state`, sorted. */
  all(state: ObjectState): readonly string[] {
    return [...this.#states]
      .filter(([, seen]) => seen.state === state)
      .map(([label]) => label)
      .toSorted();
  }

  /** `label: cause` of all objects that were refused or failed. */
  get complaints(): readonly string[] {
    return [...this.#states]
      .filter(([, { state }]) => state === 'failed' || state === 'ineligible')
      .map(([label, { reason }]) => `${label}: ${reason?.facts.cause}`);
  }

  async until(label: string, state: ObjectState): Promise<void> {
    await waitFor(`${label} to be ${state}`, () => this.state(label) === state, STATE_TIMEOUT_MS);
  }
}

function quietLog(note: Log['info']): Log {
  const log: Log = { debug: note, info: note, warn: note, error: note, with: () => log };
  return log;
}

const STATE_TIMEOUT_MS = 20_000;

/** Loads and catches up, and tells what was seen. */
export async function watchOnce({ source, destination }: Ends, settings: Partial<PipelineSettings> = {}): Promise<Watched> {
  const watched = new Watched();
  await runOnce(source, destination, { settings, ...watched.options });
  return watched;
}

/** A pipeline that runs until `stop`, and what is seen of it. */
export interface WatchedPipeline extends RunningPipeline {
  readonly seen: Watched;
}

export function startWatched({ source, destination }: Ends, settings: Partial<PipelineSettings> = {}): WatchedPipeline {
  const seen = new Watched();
  return { ...startPipeline(source, destination, { settings, ...seen.options }), seen };
}
