// The logger behind `Log`: pino, writing JSON lines to whoever prints them.
import { type Logger, pino } from 'pino';
import type { LogLevel } from '../cli/operations.ts';
import type { Log, LogFields } from '../lib/log.ts';

/** A logger of `level` and above. `write` gets one JSON object a call, without the newline. */
export function createLog(level: LogLevel, write: (line: string) => void): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return wrap(pino(options, { write: (line: string) => write(line.trimEnd()) }));
}

function wrap(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    with: (fields: LogFields) => wrap(logger.child(fields)),
  };
}
