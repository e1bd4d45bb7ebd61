// Turns a source's or destination's keys into connection settings: files read, secrets wrapped, and no unencrypted line by accident.
import type { FileDestination, FileSource, FileSsl } from '@millrace/contract/file';
import { isLoopback } from '@millrace/contract/host';
import { Secret } from '../../lib/secret.ts';
import type { ConnectionSettings, SslMode, SslSettings } from '../../model/connection.ts';
import { readNamedFile } from './named-files.ts';
import type { Place } from './place.ts';
import { readCertificates, readPrivateKey } from './tls-files.ts';

/** What a connection needs beside the keys that sources and destinations share. */
export interface ConnectionTarget {
  readonly database: string;
  readonly connectTimeoutMs: number;
}

/** Reads everything that the connection needs. Problems go to `place`; the result counts only when there is none. */
export async function readConnection(
  raw: FileSource | FileDestination,
  target: ConnectionTarget,
  place: Place,
  directory: string,
): Promise<ConnectionSettings> {
  return {
    host: raw.host,
    port: raw.port,
    database: target.database,
    user: raw.user,
    password: await readPassword(raw, place, directory),
    ssl: await readSsl(raw, place, directory),
    connectTimeoutMs: target.connectTimeoutMs,
  };
}

async function readPassword(raw: FileSource | FileDestination, place: Place, directory: string): Promise<Secret | null> {
  if (raw.password !== undefined && raw.password_file !== undefined) {
    place.problem('password_file', 'password and password_file exclude each other', 'keep one of the two');
    return null;
  }
  if (raw.password !== undefined) return new Secret(raw.password);
  if (raw.password_file === undefined) return null;
  const file = await readNamedFile(directory, raw.password_file, 'password_file');
  if (file.kind === 'problem') {
    place.problem('password_file', file.message, file.hint);
    return null;
  }
  // Editors end a file with a newline that is no part of the password.
  const password = file.text.replace(/\r?\n$/, '');
  if (password === '') place.problem('password_file', 'password_file is empty', 'write the password into it, without quotes');
  if (/[\r\n\0]/.test(password))
    place.problem('password_file', 'password_file holds more than one line', 'write only the password into it');
  return new Secret(password);
}

async function readSsl(raw: FileSource | FileDestination, place: Place, directory: string): Promise<SslSettings> {
  const mode = raw.ssl?.mode ?? defaultMode(raw.host, raw.allow_unencrypted === true);
  if (MAY_BE_UNENCRYPTED.has(mode) && !isLoopback(raw.host) && raw.allow_unencrypted !== true) {
    place
      .inside('ssl')
      .problem(
        'mode',
        `ssl mode ${mode} may send data and password unencrypted to another machine`,
        'use mode: verify-full (or require); allow_unencrypted: true accepts the risk',
      );
  }
  const sslPlace = place.inside('ssl');
  if (mode === 'disable') refuseFiles(raw.ssl, sslPlace);
  return { mode, ...(await readSslFiles(raw.ssl, mode, sslPlace, directory)) };
}

const MAY_BE_UNENCRYPTED: ReadonlySet<SslMode> = new Set(['disable', 'allow', 'prefer']);

/** Without an `ssl` block: encrypted to other machines; not to this one, where nothing travels over a network. */
function defaultMode(host: string, allowUnencrypted: boolean): SslMode {
  if (isLoopback(host)) return 'disable';
  return allowUnencrypted ? 'prefer' : 'require';
}

const FILE_KEYS = ['ca_file', 'client_certificate_file', 'client_key_file'] as const;

function refuseFiles(ssl: FileSsl | undefined, place: Place): void {
  for (const key of FILE_KEYS) {
    if (ssl?.[key] !== undefined) place.problem(key, `${key} does not go with mode: disable`, 'remove the line, or use mode: verify-full');
  }
}

async function readSslFiles(ssl: FileSsl | undefined, mode: SslMode, place: Place, directory: string): Promise<Omit<SslSettings, 'mode'>> {
  const none = { ca: null, clientCertificate: null, clientKey: null };
  if (ssl === undefined || mode === 'disable') return none;
  const { client_certificate_file: certificateFile, client_key_file: keyFile } = ssl;
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    const [present, absent] =
      keyFile === undefined ? ['client_certificate_file', 'client_key_file'] : ['client_key_file', 'client_certificate_file'];
    place.problem(present, `${present} needs ${absent}`, 'give both or neither');
  }
  if (ssl.load_all_ca_certificates !== undefined && ssl.ca_file === undefined) {
    place.problem('load_all_ca_certificates', 'load_all_ca_certificates needs ca_file', 'name the file, or remove the line');
  }
  if (ssl.ca_file !== undefined && !mode.startsWith('verify-')) {
    place.warn('ca_file', `ca_file is not used by mode: ${mode}`, "use mode: verify-full (or verify-ca) to check the server's certificate");
  }
  const all = ssl.load_all_ca_certificates !== false;
  const clientKey = await readPem(ssl, 'client_key_file', { place, directory }, readPrivateKey);
  return {
    ca: await readPem(ssl, 'ca_file', { place, directory }, (text) => readCertificates(text, all)),
    clientCertificate: await readPem(ssl, 'client_certificate_file', { place, directory }, (text) => readCertificates(text, true)),
    clientKey: clientKey === null ? null : new Secret(clientKey),
  };
}

async function readPem(
  ssl: FileSsl,
  key: (typeof FILE_KEYS)[number],
  where: { readonly place: Place; readonly directory: string },
  read: (text: string) => ReturnType<typeof readPrivateKey>,
): Promise<string | null> {
  const path = ssl[key];
  if (path === undefined) return null;
  const file = await readNamedFile(where.directory, path, key);
  const pem = file.kind === 'text' ? read(file.text) : file;
  if (pem.kind === 'pem') return pem.pem;
  where.place.problem(key, file.kind === 'text' ? `${key}: ${pem.message}` : pem.message, pem.hint);
  return null;
}
