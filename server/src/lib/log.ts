// The logger that every layer takes: structured, with context, and without a word about where lines go.

export type LogFields = Readonly<Record<string, unknown>>;

/** A structured logger; `app/` decides where lines go. Values of users' rows never go into fields. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  with(fields: LogFields): Log;
}

/** A logger that drops everything, for tests and for commands that only print results. */
export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  with: () => silentLog,
};
