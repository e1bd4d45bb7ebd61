// Wires the command line's operations to the work: reads the file, picks what was named, and hands over.
import type { Operations, OperationsSettings } from '../cli/operations.ts';
import type { Log } from '../lib/log.ts';
import type { Environment } from './config/environment.ts';
import { loadFile } from './config/load.ts';
import type { FileSettings } from './config/settings.ts';
import { runDemo } from './demo/demo.ts';
import { createLog } from './log.ts';
import { checkFile } from './operations/check.ts';
import { discoverSource } from './operations/discover.ts';
import { changeObjects } from './operations/change-objects.ts';
import { dropPipeline } from './operations/drop.ts';
import { previewPipeline } from './operations/plan.ts';
import { runFile } from './operations/run.ts';
import { listObjects, readStatus } from './operations/status.ts';
import { verifyPipeline } from './operations/verify.ts';
import { findPipeline, findSource, selectPipelines } from './selection.ts';

/** The operations for one command. Each reads the file anew. */
export function createOperations(environment: Environment, settings: OperationsSettings): Operations {
  const log = createLog(settings.logLevel, settings.writeLog);
  const load = (path: string): Promise<FileSettings> => loadWithWarnings(path, environment, log);
  return {
    demo: (options, onEvent, signal) => runDemo(options, { log, onEvent, signal }),
    async run(options, onEvent, signal) {
      return runFile(options, { file: await load(options.file), log, onEvent, signal });
    },
    async check(options) {
      return checkFile(await load(options.file), options);
    },
    async discover(options) {
      return discoverSource(findSource(await load(options.file), options.source));
    },
    async listObjects(options) {
      return listObjects(findPipeline(await load(options.file), options.pipeline));
    },
    async changeObjects(action, options, objects) {
      return changeObjects(findPipeline(await load(options.file), options.pipeline), action, objects);
    },
    async verify(options, objects, signal) {
      return verifyPipeline(findPipeline(await load(options.file), options.pipeline), objects, signal);
    },
    async status(options) {
      const chosen = selectPipelines(await load(options.file), options.pipeline === null ? [] : [options.pipeline]);
      return Promise.all(chosen.map(readStatus));
    },
    async plan(options) {
      return previewPipeline(findPipeline(await load(options.file), options.pipeline));
    },
    async drop(options) {
      return dropPipeline(findPipeline(await load(options.file), options.pipeline));
    },
  };
}

async function loadWithWarnings(path: string, environment: Environment, log: Log): Promise<FileSettings> {
  const file = await loadFile(path, environment);
  for (const warning of file.warnings) {
    log.warn(`${path}:${warning.line}:${warning.column}: ${warning.message}`, warning.hint === null ? {} : { hint: warning.hint });
  }
  return file;
}
