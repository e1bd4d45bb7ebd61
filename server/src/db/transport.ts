// Decides whether a connection is encrypted, and when the other way is worth a try: as libpq's `sslmode` says.
import type { SslMode } from '../model/connection.ts';
import { SqlState, sqlStateClass } from '../pg/sqlstate.ts';

export type Transport = 'tls' | 'plain';

/** What to try, in order. Source: PostgreSQL manual, "32.19.3. Protection Provided in Different Modes". */
export function transportsOf(mode: SslMode): readonly [Transport, Transport?] {
  switch (mode) {
    case 'disable':
      return ['plain'];
    case 'allow':
      return ['plain', 'tls'];
    case 'prefer':
      return ['tls', 'plain'];
    case 'require':
    case 'verify-ca':
    case 'verify-full':
      return ['tls'];
  }
}

/**
 * Whether another transport may help: the server has no TLS, the handshake failed, or pg_hba.conf has no line for this one. Any other
 * answer would be the same, and a wrong password that is tried twice counts twice.
 */
export function isAboutTransport(error: unknown): boolean {
  const { code, severity, message } = error as { code?: unknown; severity?: unknown; message?: unknown };
  if (typeof code === 'string' && typeof severity === 'string') {
    return sqlStateClass(code) === INVALID_AUTHORIZATION && code !== SqlState.invalidPassword;
  }
  return typeof message === 'string' && TLS_TROUBLE.test(`${String(code)} ${message}`);
}

/** Class 28. "no pg_hba.conf entry for host …, no encryption" shares its SQLSTATE with others. */
const INVALID_AUTHORIZATION = '28';

/** The driver's own words, and the codes and words of Node's TLS. */
const TLS_TROUBLE = /ssl|tls|certificate|EPROTO|handshake/i;
