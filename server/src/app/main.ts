// The process's start and end: gives the command line its streams, signals and operations, and ends with its exit code.
import manifest from '../../package.json' with { type: 'json' };
import type { CliContext, Output, StopSignal } from '../cli/context.ts';
import { runCli } from '../cli/program.ts';
import { describeError } from './error-report.ts';
import { createOperations } from './operations.ts';
import { readProcessOptions } from './options.ts';

const STOP_SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const options = readProcessOptions(process.env);

const context: CliContext = {
  version: manifest.version,
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  noColor: options.noColor,
  createOperations: (settings) => createOperations(options.environment, settings),
  describeError,
  onStopSignal(listener) {
    for (const signal of STOP_SIGNALS) process.on(signal, listener);
    return () => {
      for (const signal of STOP_SIGNALS) process.off(signal, listener);
    };
  },
  exitNow: (code) => process.exit(code),
  now: Date.now,
};

// `millrace discover | head` closes our output early: that is a wish to stop, not a failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

const exit = await runCli(process.argv.slice(2), context);
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(exit);

function outputOf(stream: NodeJS.WriteStream): Output {
  return {
    write: (text) => {
      stream.write(text);
    },
    get isTty() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? null;
    },
    get rows() {
      return stream.rows ?? null;
    },
  };
}

/** A pipe takes what it is given later; exiting before would cut the last lines. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
