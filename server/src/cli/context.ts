// Everything that the command line touches of the world, so that tests can run it whole without a process.
import type { ErrorReport } from '@millrace/contract/report';
import type { Operations, OperationsSettings } from './operations.ts';

/** An output stream. `columns` and `rows` are the terminal's size, or null when it is none. */
export interface Output {
  write(text: string): void;
  readonly isTty: boolean;
  readonly columns: number | null;
  readonly rows: number | null;
}

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export interface CliContext {
  readonly version: string;
  /** For data. */
  readonly stdout: Output;
  /** For talk: progress, warnings, errors. */
  readonly stderr: Output;
  /** Whether colours are unwanted even on a terminal (https://no-color.org). */
  readonly noColor: boolean;
  readonly createOperations: (settings: OperationsSettings) => Operations;
  /** Gives any thrown value its code, cause and way out. */
  readonly describeError: (error: unknown) => ErrorReport;
  /** Calls `listener` at each signal until the returned function is called. */
  readonly onStopSignal: (listener: (signal: StopSignal) => void) => () => void;
  /** Ends the process at once, for a stop that takes too long. */
  readonly exitNow: (code: number) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The command line itself is wrong; becomes code 2002 and exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string | null;

  constructor(message: string, hint: string | null = null) {
    super(message);
    this.hint = hint;
  }
}
