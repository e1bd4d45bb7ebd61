// Turns an error of the server or the driver into ours, by SQLSTATE; the one place that looks at driver errors of running sessions.
import { MillraceError } from '../model/error.ts';
import type { ErrorName } from '../model/error-catalogue.ts';
import { ProtocolError } from '../pg/protocol-error.ts';
import { SqlState, sqlStateClass } from '../pg/sqlstate.ts';

/** The fields of a server's ErrorResponse that we use. Source: manual, "54.8. Error and Notice Message Fields". */
export interface ServerErrorFields {
  readonly code: string;
  /** `ERROR`, `FATAL`, …; translated when the driver read the message. */
  readonly severity: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly where?: string | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly constraint?: string | undefined;
  /** The function of the server that raised it. */
  readonly routine?: string | undefined;
}

/**
 * A server's error as ours; keeps the SQLSTATE, and never copies DETAIL or a refused value: they are users' data. What ends the session
 * is `connection_lost`, whatever its SQLSTATE: nothing more can be asked of it.
 */
export function sqlError(error: unknown, side: 'source' | 'destination'): MillraceError {
  if (error instanceof MillraceError) return error;
  if (error instanceof ProtocolError) return new MillraceError('protocol_violation', { cause: `${side}: ${error.message}`, side }, error);
  const fields = error as Partial<ServerErrorFields>;
  const message = typeof fields.message === 'string' ? fields.message : String(error);
  if (isServerError(fields)) {
    const facts = { cause: `${side}: ${withoutValue(fields.code, message)}`, sqlstate: fields.code, side };
    return new MillraceError(nameOf(fields, side), { ...facts, ...(fields.hint ? { fix: fields.hint } : {}) }, error);
  }
  return new MillraceError('connection_lost', { cause: `${side}: ${message}`, side }, error);
}

/** Node's own errors have five-letter codes too (`EPIPE`), but no severity. */
function isServerError(fields: Partial<ServerErrorFields>): fields is ServerErrorFields {
  return typeof fields.code === 'string' && typeof fields.severity === 'string';
}

function nameOf(fields: ServerErrorFields, side: 'source' | 'destination'): ErrorName {
  const { code, message } = fields;
  if (endsSession(fields)) return 'connection_lost';
  if (code === SqlState.lockNotAvailable) return side === 'source' ? 'source_blocked' : 'destination_blocked';
  if (side === 'source' && isTooLarge(code, message)) return 'value_too_large';
  if (code === SqlState.invalidPassword) return 'authentication_failed';
  if (side === 'destination' && code === SqlState.diskFull) return 'destination_out_of_space';
  if (side === 'destination' && code === SqlState.readOnlyTransaction) return 'destination_read_only';
  if (side === 'destination' && isOfEncoding(fields)) return 'destination_encoding';
  if (code === SqlState.characterNotInRepertoire) return 'text_not_decodable';
  return 'unexpected';
}

/** Reading json raises the same SQLSTATE for an escape of NUL, which no encoding has; conversions of encodings all end in one function. */
function isOfEncoding({ code, routine }: ServerErrorFields): boolean {
  return code === SqlState.untranslatableCharacter && (routine === undefined || routine === 'report_untranslatable_char');
}

/**
 * A row that is too large for a message of 1 GB: a value's text form does not fit ("invalid memory alloc request size 1200000003", an
 * internal error, which is never translated), or the columns together do not ("out of memory", 54000).
 */
function isTooLarge(code: string, message: string): boolean {
  return (
    code === SqlState.programLimitExceeded || (code === SqlState.internalError && message.includes('invalid memory alloc request size'))
  );
}

/** The severity decides, since a trigger may pass on any SQLSTATE of a third server; the driver reports it translated, then the code does. */
function endsSession({ code, severity }: ServerErrorFields): boolean {
  switch (severity) {
    case 'FATAL':
    case 'PANIC':
      return true;
    case 'ERROR':
      return false;
    default:
      return ENDS_SESSION.has(code);
  }
}

const ENDS_SESSION: ReadonlySet<string> = new Set([
  SqlState.adminShutdown,
  SqlState.crashShutdown,
  SqlState.cannotConnectNow,
  SqlState.databaseDropped,
  SqlState.idleSessionTimeout,
  SqlState.idleInTransactionTimeout,
  SqlState.tooManyConnections,
  '25P04', // transaction_timeout
]);

const DATA_EXCEPTION = '22';

/** Data exceptions quote the value that they refuse. */
function withoutValue(code: string, message: string): string {
  return sqlStateClass(code) === DATA_EXCEPTION ? message.replace(/"[^]*"/, '"…"') : message;
}
