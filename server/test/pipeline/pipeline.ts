// Runs a real pipeline between two test databases: what every scenario is written with.
import { onTestFinished } from 'vitest';
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { blindObserver, type PipelineObserver } from '../../src/app/pipeline/observer.ts';
import type { PipelineRun, PipelineTuning } from '../../src/app/pipeline/pipeline-run.ts';
import { runPipeline } from '../../src/app/pipeline/run-pipeline.ts';
import { createLog } from '../../src/app/log.ts';
import { NATIVE_LAYOUT } from '../../src/model/layout.ts';
import { type Log, silentLog } from '../../src/lib/log.ts';
import type { TestDatabase } from '../pg/test-database.ts';

export interface ScenarioOptions {
  readonly name?: string;
  readonly settings?: Partial<PipelineSettings>;
  readonly observer?: Partial<PipelineObserver>;
  readonly log?: Log;
  readonly tuning?: PipelineTuning;
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
    layout: NATIVE_LAYOUT,
    schemaChanges: 'apply',
    ...options.settings,
  };
}

/** Loads what is due and catches up with the source's position at this moment. */
export async function runOnce(source: TestDatabase, destination: TestDatabase, options: ScenarioOptions = {}): Promise<void> {
  await runPipeline(pipelineRun(source, destination, options, { once: true, signal: new AbortController().signal }));
}

/** A pipeline that runs until `stop`. */
export interface RunningPipeline {
  /** Settles when the pipeline ends; rejects with what ended it. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** A test that fails before its `stop` has the pipeline stopped all the same. */
export function startPipeline(source: TestDatabase, destination: TestDatabase, options: ScenarioOptions = {}): RunningPipeline {
  const controller = new AbortController();
  const ended = runPipeline(pipelineRun(source, destination, options, { once: false, signal: controller.signal }));
  ended.catch(() => {});
  onTestFinished(async () => {
    controller.abort();
    await ended.catch(() => {});
  });
  return {
    ended,
    async stop() {
      controller.abort();
      await ended;
    },
  };
}

function pipelineRun(
  source: TestDatabase,
  destination: TestDatabase,
  options: ScenarioOptions,
  how: Pick<PipelineRun, 'once' | 'signal'>,
): PipelineRun {
  return {
    ...how,
    settings: pipelineSettings(source, destination, options),
    log: options.log ?? defaultLog(),
    observer: { ...blindObserver, ...options.observer },
    tuning: options.tuning,
  };
}

/** Silent, unless MILLRACE_TEST_LOG asks for a level: to see why a scenario fails. */
function defaultLog(): Log {
  const level = process.env['MILLRACE_TEST_LOG'];
  return level === undefined ? silentLog : createLog(level === 'debug' ? 'debug' : 'info', (line) => process.stderr.write(`${line}\n`));
}
