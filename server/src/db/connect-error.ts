// Says which setting is wrong when a connection can't be made: from the socket's error code or the server's SQLSTATE.
import type { ConnectionSettings } from '../model/connection.ts';
import { MillraceError } from '../model/error.ts';
import type { ErrorName } from '../model/error-catalogue.ts';
import { ProtocolError } from '../pg/protocol-error.ts';
import { SqlState } from '../pg/sqlstate.ts';

/** The error of a failed connection attempt, with host, port, user and database named and the password never. */
export function connectError(
  error: unknown,
  settings: Pick<ConnectionSettings, 'host' | 'port' | 'database' | 'user'>,
  purpose: { readonly side: 'source' | 'destination'; readonly replication?: 'database' | undefined },
): MillraceError {
  const { side } = purpose;
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  // Node's own errors have codes like SQLSTATEs too (EPIPE), but no severity.
  const sqlstate = typeof code === 'string' && typeof severity === 'string' ? code : undefined;
  const where = `${settings.host}:${settings.port}, database ${settings.database}, user ${settings.user}`;
  const name = nameOfFailure(error, { sqlstate, message, replication: purpose.replication });
  return new MillraceError(name, { cause: `${side} (${where}): ${message}`, sqlstate, side }, error);
}

function nameOfFailure(
  error: unknown,
  {
    sqlstate,
    message,
    replication,
  }: { readonly sqlstate: string | undefined; readonly message: string; readonly replication: 'database' | undefined },
): ErrorName {
  if (error instanceof ProtocolError) return 'protocol_violation';
  return isSenderLimit(sqlstate, message, replication) ? 'no_free_sender' : nameOf(sqlstate, message);
}

/** "number of requested standby connections exceeds max_wal_senders": the setting's name stands in every translation. */
function isSenderLimit(sqlstate: string | undefined, message: string, replication: 'database' | undefined): boolean {
  return replication !== undefined && sqlstate === SqlState.tooManyConnections && message.includes('max_wal_senders');
}

function nameOf(sqlstate: string | undefined, message: string): ErrorName {
  switch (sqlstate) {
    case '28P01':
      return 'authentication_failed';
    case '28000':
      // "no pg_hba.conf entry for host …" and "role … is not permitted to log in" share the SQLSTATE.
      return message.includes('pg_hba.conf') ? 'no_hba_entry' : 'role_cannot_login';
    case '42501':
      return message.includes('CONNECT') || message.includes('database') ? 'database_missing' : 'replication_role_missing';
    case '3D000':
      return 'database_missing';
    case PROTOCOL_VIOLATION:
      // PgBouncer: "unsupported startup parameter: options". A server ignores none of ours, and refuses a wrong one by another code.
      return message.includes('unsupported startup parameter') ? 'pooler_in_between' : 'connection_settings_rejected';
    case undefined:
      return /ssl|tls|certificate|self-signed|altname/i.test(message) ? 'connection_settings_rejected' : 'connection_failed';
    default:
      return PASSING_CLASSES.test(sqlstate) ? 'connection_lost' : 'connection_settings_rejected';
  }
}

const PROTOCOL_VIOLATION = '08P01';
/**
 * The server starts, stops or crashes at this moment, has no room, or its disk fails: 57P01 to 57P03, and classes 08, 53, 58. Source:
 * manual, "Appendix A. PostgreSQL Error Codes".
 */
const PASSING_CLASSES = /^(?:57P|08|53|58)/;
