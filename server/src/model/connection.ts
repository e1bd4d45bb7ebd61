// Where and how to connect to one Postgres server. Plain settings; `db/` turns them into sockets.
import type { Secret } from '../lib/secret.ts';

/** libpq's sslmode. */
export type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/** TLS settings with the files already read; nothing here names a path. */
export interface SslSettings {
  readonly mode: SslMode;
  /** PEM text of the trusted certificates; null: the system's. */
  readonly ca: string | null;
  readonly clientCertificate: string | null;
  readonly clientKey: Secret | null;
}

/** One Postgres server, database and role. */
export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: Secret | null;
  readonly ssl: SslSettings;
  /** Bound on TCP connect, TLS and authentication together, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Aborting it cuts every connection that was made with these settings, whatever it is doing, and fails those that are being made. */
  readonly cut?: AbortSignal | undefined;
}
