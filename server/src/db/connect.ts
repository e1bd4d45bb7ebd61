// Opens sessions to Postgres: the only place that makes a connection, so that every session has the same pinned settings.
import { setMaxListeners } from 'node:events';
import pg from 'pg';
import type { ConnectionSettings, SslSettings } from '../model/connection.ts';
import { connectError } from './connect-error.ts';
import { cutAfter, guardMessages } from './guard-messages.ts';
import { PgSession } from './session.ts';
import { isAboutTransport, type Transport, transportsOf } from './transport.ts';

/** What a session is for: shown in `pg_stat_activity.application_name`, and decides its timeouts. */
export interface SessionPurpose {
  /** e.g. `millrace shop apply`; cut to 63 bytes by the server. */
  readonly applicationName: string;
  readonly side: 'source' | 'destination';
  /** `database` opens a walsender that speaks the replication protocol. Source: manual, "54.4. Streaming Replication Protocol". */
  readonly replication?: 'database' | undefined;
  /** `statement_timeout` in milliseconds; 0 (the default) for none. */
  readonly statementTimeoutMs?: number | undefined;
  /** `lock_timeout` in milliseconds; 0 (the default) for none. */
  readonly lockTimeoutMs?: number | undefined;
  /** Further settings for this session alone. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/**
 * Connects and authenticates. Throws a `MillraceError` whose code says which setting is wrong; on failure no socket is left open.
 * With `ssl.mode` `allow` and `prefer`, a transport that the server does not want gives way to the other one.
 */
export async function connect(settings: ConnectionSettings, purpose: SessionPurpose): Promise<PgSession> {
  const [first, second] = transportsOf(settings.ssl.mode);
  try {
    return await connectBy(first, settings, purpose);
  } catch (error) {
    if (second === undefined || !isAboutTransport(error)) throw connectError(error, settings, purpose);
  }
  try {
    return await connectBy(second, settings, purpose);
  } catch (error) {
    throw connectError(error, settings, purpose);
  }
}

/** Throws what the driver throws. */
async function connectBy(transport: Transport, settings: ConnectionSettings, purpose: SessionPurpose): Promise<PgSession> {
  const client = new pg.Client({
    host: settings.host,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    password: settings.password?.reveal(),
    ssl: transport === 'plain' ? false : tlsOptions(settings.ssl),
    connectionTimeoutMillis: settings.connectTimeoutMs,
    application_name: purpose.applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_IDLE_MS,
    options: startupOptions(purpose),
    types: { getTypeParser: () => keepText },
    ...(purpose.replication === undefined ? {} : { replication: purpose.replication }),
  });
  // Without a listener, an error on an idle connection would end the process.
  client.on('error', () => {});
  guardMessages(client);
  const release = cutBy(client, settings.cut);
  const arrived = cutAfter(client, settings.connectTimeoutMs);
  try {
    await client.connect();
    await client.query(PIN_WHERE_KNOWN);
  } catch (error) {
    release();
    client.connection.stream.destroy();
    throw error;
  } finally {
    arrived();
  }
  client.connection.stream.once('close', release);
  return new PgSession(client, purpose.side);
}

/** Destroys the client's socket when the signal aborts; returns what ends the waiting for that. */
function cutBy(client: pg.Client, signal: AbortSignal | undefined): () => void {
  if (signal === undefined) return () => {};
  const cut = (): void => void client.connection.stream.destroy();
  // One listener for each connection, and there may be many.
  setMaxListeners(0, signal);
  signal.addEventListener('abort', cut, { once: true });
  if (signal.aborted) queueMicrotask(cut);
  return () => signal.removeEventListener('abort', cut);
}

/**
 * Settings that older servers don't know; one that may only be raised: with `synchronous_commit = off` a crash of the server takes
 * back commits that it has confirmed, while `local` and above are the administrator's choice; and one that depends on the database: a
 * database without an encoding would check its bytes against ours, and a walsender that finds a bad one can never get past it.
 */
const PIN_WHERE_KNOWN = `
  SELECT pg_catalog.set_config(CASE name WHEN 'server_encoding' THEN 'client_encoding' ELSE name END,
                               CASE name WHEN 'synchronous_commit' THEN 'on' WHEN 'server_encoding' THEN 'SQL_ASCII' ELSE '0' END, false)
  FROM pg_catalog.pg_settings
  WHERE name IN ('idle_session_timeout', 'transaction_timeout') AND setting <> '0'
     OR name = 'synchronous_commit' AND setting = 'off'
     OR name = 'server_encoding' AND setting = 'SQL_ASCII'`;

const KEEPALIVE_IDLE_MS = 10_000;

/**
 * Settings that decide how values are read and printed and how names resolve. Role and database defaults are not to be trusted:
 * a different DateStyle at the source would change the text of every date.
 */
export const PINNED_SETTINGS: Readonly<Record<string, string>> = {
  search_path: '',
  timezone: 'UTC',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  extra_float_digits: '3',
  bytea_output: 'hex',
  array_nulls: 'on',
  quote_all_identifiers: 'off',
  transform_null_equals: 'off',
  xmloption: 'content',
  row_security: 'off',
  standard_conforming_strings: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  default_transaction_deferrable: 'off',
  idle_in_transaction_session_timeout: '0',
  lc_monetary: 'C',
  client_min_messages: 'warning',
  synchronize_seqscans: 'off',
};

function startupOptions(purpose: SessionPurpose): string {
  const settings: Record<string, string> = {
    ...PINNED_SETTINGS,
    statement_timeout: String(purpose.statementTimeoutMs ?? 0),
    lock_timeout: String(purpose.lockTimeoutMs ?? 0),
    ...purpose.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${escapeOption(value)}`)
    .join(' ');
}

/** Backslash protects white space or a backslash inside `options`. Source: manual, "34.1.2. Parameter Key Words". */
function escapeOption(value: string): string {
  return value.replaceAll(/[\\\s]/g, (char) => `\\${char}`);
}

function keepText(value: string): string {
  return value;
}

function tlsOptions(ssl: SslSettings): pg.ClientConfig['ssl'] {
  const verify = ssl.mode === 'verify-ca' || ssl.mode === 'verify-full';
  return {
    rejectUnauthorized: verify,
    minVersion: 'TLSv1.2',
    ...(ssl.ca === null ? {} : { ca: ssl.ca }),
    ...(ssl.clientCertificate === null ? {} : { cert: ssl.clientCertificate }),
    ...(ssl.clientKey === null ? {} : { key: ssl.clientKey.reveal() }),
    ...(ssl.mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
  };
}
