// What it takes to run one pipeline: what to do, who watches, and how it is stopped.
import type { Log } from '../../lib/log.ts';
import type { PipelineSettings } from '../config/settings.ts';
import type { PipelineObserver } from './observer.ts';

export interface PipelineRun {
  readonly settings: PipelineSettings;
  /** Ends when the source's position at the start is reached and no historical load is due. */
  readonly once: boolean;
  readonly log: Log;
  readonly observer: PipelineObserver;
  readonly signal: AbortSignal;
}
