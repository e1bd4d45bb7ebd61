// Says which setting is wrong when a connection can't be made: from the socket's error code or the server's SQLSTATE.
import type { ConnectionSettings } from '../model/connection.ts';
import { MillraceError } from '../model/error.ts';
import type { ErrorName } from '../model/error-catalogue.ts';

/** The error of a failed connection attempt, with host, port, user and database named and the password never. */
export function connectError(error: unknown, settings: ConnectionSettings, side: 'source' | 'destination'): MillraceError {
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  // Node's own errors have codes like SQLSTATEs too (EPIPE), but no severity.
  const sqlstate = typeof code === 'string' && typeof severity === 'string' ? code : undefined;
  const where = `${settings.host}:${settings.port}, database ${settings.database}, user ${settings.user}`;
  return new MillraceError(nameOf(sqlstate, message), { cause: `${side} (${where}): ${message}`, sqlstate, side }, error);
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
    case '57P03':
    case '53300':
      return 'connection_lost';
    case undefined:
      return /ssl|tls|certificate|self-signed|altname/i.test(message) ? 'connection_settings_rejected' : 'connection_failed';
    default:
      return 'connection_settings_rejected';
  }
}
