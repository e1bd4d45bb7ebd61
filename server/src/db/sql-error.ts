// Turns an error of the server or the driver into ours, by SQLSTATE; the one place that looks at driver errors of running sessions.
import { MillraceError } from '../model/error.ts';
import type { ErrorName } from '../model/error-catalogue.ts';

/** The fields of a server's ErrorResponse that we use. Source: manual, "54.8. Error and Notice Message Fields". */
export interface ServerErrorFields {
  readonly code?: string | undefined;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  readonly where?: string | undefined;
  readonly schema?: string | undefined;
  readonly table?: string | undefined;
  readonly column?: string | undefined;
  readonly constraint?: string | undefined;
}

/** A server's error as ours; keeps the SQLSTATE, and never copies DETAIL (it quotes row values). */
export function sqlError(error: unknown, side: 'source' | 'destination'): MillraceError {
  if (error instanceof MillraceError) return error;
  const fields = error as Partial<ServerErrorFields>;
  const message = typeof fields.message === 'string' ? fields.message : String(error);
  if (typeof fields.code === 'string' && SQLSTATE.test(fields.code)) {
    const name = nameOf(fields.code);
    return new MillraceError(name, { cause: `${side}: ${message}`, sqlstate: fields.code, side, ...(fields.hint ? { fix: fields.hint } : {}) }, error);
  }
  return new MillraceError('connection_lost', { cause: `${side}: ${message}`, side }, error);
}

const SQLSTATE = /^[0-9A-Z]{5}$/;

function nameOf(sqlstate: string): ErrorName {
  switch (sqlstate) {
    case '53100':
      return 'destination_out_of_space';
    case '53300':
    case '57P01':
    case '57P02':
    case '57P03':
      return 'connection_lost';
    case '55P03':
      return 'destination_blocked';
    case '25006':
      return 'destination_read_only';
    case '28P01':
      return 'authentication_failed';
    default:
      return sqlstate.startsWith('08') ? 'connection_lost' : 'unexpected';
  }
}
