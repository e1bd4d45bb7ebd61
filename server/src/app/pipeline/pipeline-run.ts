// What it takes to run one pipeline: what to do, who watches, and how it is stopped.
import type { Log } from '../../lib/log.ts';
import type { PipelineSettings } from '../config/settings.ts';
import type { PipelineObserver } from './observer.ts';

/** Sizes that are right for production when absent; tests make them small. */
export interface PipelineTuning {
  /** A batch of changes of this size is flushed even inside a source transaction. */
  readonly batchBytes?: number | undefined;
  /** See `CopyTuning`. */
  readonly chunkBytes?: number | undefined;
  readonly workersPerLoad?: number | undefined;
}

export interface PipelineRun {
  readonly settings: PipelineSettings;
  /** Ends when the source's position at the start is reached and no historical load is due. */
  readonly once: boolean;
  readonly log: Log;
  readonly observer: PipelineObserver;
  readonly signal: AbortSignal;
  readonly tuning?: PipelineTuning | undefined;
}
