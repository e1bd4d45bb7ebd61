// Runs a real pipeline between two test databases and compares what arrives: what every scenario is written with.
import { blindObserver, type PipelineObserver } from '../../src/app/pipeline/observer.ts';
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { runPipeline } from '../../src/app/pipeline/run-pipeline.ts';
import { type Log, silentLog } from '../../src/lib/log.ts';
import type { TestDatabase } from '../pg/test-database.ts';

export interface ScenarioOptions {
  readonly name?: string;
  readonly settings?: Partial<PipelineSettings>;
  readonly observer?: Partial<PipelineObserver>;
  readonly log?: Log;
}

/** The settings of a pipeline from `source` to `destination`; what is not said is the file's default. */
export function pipelineSettings(source: TestDatabase, destination: TestDatabase, options: ScenarioOptions = {}): PipelineSettings {
  return {
    name: options.name ?? 'scenario',
    source: { name: 'source', type: 'generic', connection: source.settings() },
    destination: { name: 'destination', connection: destination.settings() },
    schedule: 'continuous',
    loadHistoricalData: true,
    includeNewTables: true,
    defaultObjectState: 'included',
    schemas: null,
    objects: [],
    namespace: { kind: 'source' },
    ...options.settings,
  };
}

/** Loads what is due and catches up with the source's position at this moment. */
export async function runOnce(source: TestDatabase, destination: TestDatabase, options: ScenarioOptions = {}): Promise<void> {
  await runPipeline({
    settings: pipelineSettings(source, destination, options),
    once: true,
    log: options.log ?? silentLog,
    observer: { ...blindObserver, ...options.observer },
    signal: new AbortController().signal,
  });
}

/** A pipeline that runs until `stop`. */
export interface RunningPipeline {
  /** Settles when the pipeline ends; rejects with what ended it. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

export function startPipeline(source: TestDatabase, destination: TestDatabase, options: ScenarioOptions = {}): RunningPipeline {
  const controller = new AbortController();
  const ended = runPipeline({
    settings: pipelineSettings(source, destination, options),
    once: false,
    log: options.log ?? silentLog,
    observer: { ...blindObserver, ...options.observer },
    signal: controller.signal,
  });
  ended.catch(() => {});
  return {
    ended,
    async stop() {
      controller.abort();
      await ended;
    },
  };
}
