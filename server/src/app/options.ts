// The one place that reads the process's environment variables; everybody else is given values.
import type { Environment } from './config/environment.ts';

export interface ProcessOptions {
  /** For `${NAME}` in the configuration file. */
  readonly environment: Environment;
  /** https://no-color.org: any value but the empty one. */
  readonly noColor: boolean;
}

/** Reads what Millrace uses of the environment. */
export function readProcessOptions(environment: NodeJS.ProcessEnv): ProcessOptions {
  return { environment, noColor: (environment['NO_COLOR'] ?? '') !== '' || environment['TERM'] === 'dumb' };
}
