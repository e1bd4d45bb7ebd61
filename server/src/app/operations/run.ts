// The operation `run`: several pipelines side by side, told to the command line as events.
import type { PipelineOutcome, RunReport } from '@millrace/contract/report';
import type { EventListener, RunOptions } from '../../cli/operations.ts';
import type { Log } from '../../lib/log.ts';
import type { FileSettings, PipelineSettings } from '../config/settings.ts';
import { withCut } from '../config/with-cut.ts';
import { describeError } from '../error-report.ts';
import { runPipeline } from '../pipeline/run-pipeline.ts';
import { selectPipelines } from '../selection.ts';
import { EventObserver } from './event-observer.ts';
import { readStatusOrNull } from './status.ts';

export interface RunContext {
  readonly file: FileSettings;
  readonly log: Log;
  readonly onEvent: EventListener;
  readonly signal: AbortSignal;
}

/** Runs the chosen pipelines until each is done, has failed for good, or the signal aborts. One pipeline's failure is its own. */
export async function runFile(options: Pick<RunOptions, 'pipelines' | 'once'>, context: RunContext): Promise<RunReport> {
  const chosen = selectPipelines(context.file, options.pipelines);
  return { pipelines: await Promise.all(chosen.map((settings) => runOne(settings, options.once, context))) };
}

async function runOne(settings: PipelineSettings, once: boolean, context: RunContext): Promise<PipelineOutcome> {
  const observer = new EventObserver(settings.name, context.onEvent);
  const log = context.log.with({ pipeline: settings.name });
  try {
    await runPipeline({ settings, once: once || settings.schedule === 'manual', log, observer, signal: context.signal });
    return { pipeline: settings.name, error: null, status: await readStatusOrNull(answeringSoon(settings, context.signal), 'idle') };
  } catch (error) {
    const report = describeError(error);
    context.onEvent({ type: 'error', time: new Date().toISOString(), pipeline: settings.name, error: report });
    return { pipeline: settings.name, error: report, status: report.exit === 3 ? null : await readStatusOrNull(settings, 'stopped') };
  } finally {
    observer.close();
  }
}

/** Who stops us may do so because a server is out of reach; then there is no last status to show. */
function answeringSoon(settings: PipelineSettings, stop: AbortSignal): PipelineSettings {
  return stop.aborted ? withCut(settings, AbortSignal.timeout(LAST_STATUS_MS)) : settings;
}

const LAST_STATUS_MS = 1_000;
