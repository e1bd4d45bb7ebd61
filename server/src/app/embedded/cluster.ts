// An embedded PostgreSQL cluster: made on first use, started on a free port, stopped, killed and restarted on demand.
import { chown, mkdir, open, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../db/connect.ts';
import { unreachable } from '../../lib/assert.ts';
import type { Secret } from '../../lib/secret.ts';
import type { ConnectionSettings } from '../../model/connection.ts';
import { MillraceError } from '../../model/error.ts';
import { findBinaries, type PostgresMajor } from './binaries.ts';
import { freePort } from './free-port.ts';
import { dataDirectory, ensureDataDirectory, settingsFile } from './initdb.ts';
import { type Installation, prepareInstallation } from './installation.ts';
import { awaitFreeDirectory } from './postmaster-pid.ts';
import { launchServer, type ServerProcess } from './server-process.ts';
import { renderSettings } from './server-settings.ts';
import { firstClosedDirectory, type ServerUser, serverUser } from './server-user.ts';

export interface ClusterOptions {
  /** Major version; 17 when absent. Others are installed in a checkout only. */
  readonly version?: PostgresMajor | undefined;
  /** A directory for us alone; made when missing. Holds the data, the log and the links to the libraries. */
  readonly dataDir: string;
  /** `postgres` when absent. Counts, with the password, only when the cluster is made. */
  readonly superuser?: string | undefined;
  readonly password: Secret;
  /** Server settings that win over ours, e.g. `{ wal_level: 'replica' }`. */
  readonly settings: Readonly<Record<string, string>>;
  /** false: no fsync; only for data that may be lost with the machine. */
  readonly durable: boolean;
  /** How long a start may take, crash recovery included; a minute when absent. */
  readonly startTimeoutMs?: number | undefined;
}

/** Who connects to which database; what is absent is the superuser's. */
export interface ClusterLogin {
  readonly database?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: Secret | undefined;
}

/**
 * Makes the cluster if need be and starts it. Resolves when it accepts connections. Throws `embedded_postgres_unavailable`
 * with the reason and the end of the server's log.
 */
export async function startCluster(options: ClusterOptions): Promise<EmbeddedCluster> {
  const home = resolve(options.dataDir);
  const user = await serverUser();
  await prepareHome(home, user);
  const binaries = findBinaries(options.version ?? 17);
  const installation = await prepareInstallation(binaries, home, user);
  const superuser = options.superuser ?? 'postgres';
  await ensureDataDirectory({ ...options, major: binaries.major, installation, home, user, superuser });
  const cluster = new EmbeddedCluster({ ...options, superuser, home, user, installation }, await freePort());
  await cluster.start('any_port');
  return cluster;
}

/** One cluster. Its port stays the same through every restart. It ends with this process, in whatever way that ends. */
export class EmbeddedCluster {
  readonly #place: Place;
  #port: number;
  #settings: Readonly<Record<string, string>>;
  #server: ServerProcess | null = null;

  constructor(place: Place, port: number) {
    this.#place = place;
    this.#port = port;
    this.#settings = place.settings;
  }

  get port(): number {
    return this.#port;
  }

  get dataDir(): string {
    return this.#place.home;
  }

  /** The postmaster's process id, or null while the server is down. */
  get pid(): number | null {
    return this.#server?.pid ?? null;
  }

  /** How to connect as the superuser to `postgres`, or as somebody else to another database. */
  connection(login: ClusterLogin = {}): ConnectionSettings {
    return {
      host: '127.0.0.1',
      port: this.#port,
      database: login.database ?? 'postgres',
      user: login.user ?? this.#place.superuser,
      password: login.password ?? this.#place.password,
      ssl: { mode: 'disable', ca: null, clientCertificate: null, clientKey: null },
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    };
  }

  /** Starts a stopped server; without effect when it runs. `any_port` may change the port when another program takes it first. */
  async start(port: 'same_port' | 'any_port' = 'same_port'): Promise<void> {
    if (this.#server !== null) return;
    const { home, startTimeoutMs } = this.#place;
    const deadline = Date.now() + (startTimeoutMs ?? START_TIMEOUT_MS);
    await awaitFreeDirectory(dataDirectory(home), ORPHAN_TIMEOUT_MS);
    await rotateLog(logFile(home));
    for (;;) {
      const outcome = await this.#attempt(deadline);
      if (outcome.kind === 'ready') return;
      if (!mayRetry(outcome) || Date.now() > deadline) throw startError(outcome);
      if (outcome.kind === 'port_taken' && port === 'any_port') this.#port = await freePort();
      else await delay(RETRY_MS);
    }
  }

  /** Stops the server: `fast` ends sessions and writes a checkpoint, `immediate` leaves recovery to the next start. */
  async stop(mode: 'fast' | 'immediate'): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    server.signal(mode === 'fast' ? 'INT' : 'QUIT');
    // A fast shutdown waits for the receivers of replication; one that hangs must not hang us.
    const timer = setTimeout(() => server.signal('QUIT'), FAST_STOP_TIMEOUT_MS);
    await server.exited;
    clearTimeout(timer);
  }

  /** `kill -9` of the postmaster. Its children notice by themselves, some of them a little later. */
  async kill(): Promise<void> {
    this.#server?.signal('KILL');
    await this.#server?.exited;
  }

  /** Stops and starts on the same port, with `settings` in place of the former ones where given. */
  async restart(change: { mode?: 'fast' | 'immediate'; settings?: Readonly<Record<string, string>> } = {}): Promise<void> {
    await this.stop(change.mode ?? 'fast');
    if (change.settings !== undefined) this.#settings = change.settings;
    await this.start();
  }

  /** Resolves when the server is down, for whatever reason; at once when it is. */
  async untilDown(): Promise<void> {
    await this.#server?.exited;
  }

  /** The end of the server's log, at most 16 KiB. */
  async logTail(): Promise<string> {
    return readTail(logFile(this.#place.home), 0);
  }

  async #attempt(deadline: number): Promise<StartOutcome> {
    const { home, installation, user } = this.#place;
    const log = logFile(home);
    const logStart = await sizeOf(log);
    const settings = renderSettings({ port: this.#port, durable: this.#place.durable, settings: this.#settings });
    await writeFile(settingsFile(home), settings, { mode: 0o644 });
    const server = await launchServer({ installation, home, data: dataDirectory(home), logFile: log, user });
    this.#server = server;
    const down = server.exited.then(() => {
      this.#server = null;
      return 'down' as const;
    });
    const state = await this.#untilAnswer(down, logStart, deadline);
    if (state === 'ready') return { kind: 'ready' };
    if (state !== 'down') await this.stop('immediate');
    if (state === 'wrong_password') return { kind: 'wrong_password', log: '' };
    return judgeFailedStart(await readTail(log, logStart));
  }

  async #untilAnswer(down: Promise<'down'>, logStart: number, deadline: number): Promise<Answer | 'down'> {
    while (Date.now() < deadline) {
      const next = await Promise.race([down, this.#ask()]);
      const isFinal = next === 'wrong_password' ? await this.#refusedPassword(logStart) : next !== 'silent';
      if (isFinal) return next;
      await delay(POLL_MS);
    }
    return 'silent';
  }

  /** Whether it was our server that refused the password, and not the one that won the race for the port. */
  async #refusedPassword(logStart: number): Promise<boolean> {
    return (await readTail(logFile(this.#place.home), logStart)).includes('password authentication failed');
  }

  /** Asks for the data directory too: after a lost race for the port, the server that answers is somebody else's. */
  async #ask(): Promise<Answer> {
    try {
      const session = await connect(this.connection(), { applicationName: 'millrace start', side: 'destination' });
      const rows = await session.query("SELECT pg_catalog.current_setting('data_directory')");
      await session.close();
      return rows[0]?.[0] === dataDirectory(this.#place.home) ? 'ready' : 'silent';
    } catch (error) {
      return error instanceof MillraceError && error.errorName === 'authentication_failed' ? 'wrong_password' : 'silent';
    }
  }
}

type Answer = 'ready' | 'silent' | 'wrong_password';

interface Place extends ClusterOptions {
  readonly superuser: string;
  readonly home: string;
  readonly user: ServerUser | null;
  readonly installation: Installation;
}

type FailedStart = { readonly kind: 'port_taken' | 'memory_in_use' | 'wrong_password' | 'failed'; readonly log: string };
type StartOutcome = { readonly kind: 'ready' } | FailedStart;

const CONNECT_TIMEOUT_MS = 5_000;
const START_TIMEOUT_MS = 60_000;
const ORPHAN_TIMEOUT_MS = 6_000;
const FAST_STOP_TIMEOUT_MS = 15_000;
const RETRY_MS = 100;
const POLL_MS = 20;
const LOG_LIMIT_BYTES = 8 * 1024 * 1024;
const TAIL_BYTES = 16 * 1024;

/** Reads the reason of a failed start from the server's log (in English: its locale is C). */
export function judgeFailedStart(log: string): FailedStart {
  if (/could not (bind|create any TCP)/.test(log)) return { kind: 'port_taken', log };
  // After a kill of the postmaster its children may hold the shared memory for a moment.
  if (/pre-existing shared memory block/.test(log)) return { kind: 'memory_in_use', log };
  return { kind: 'failed', log };
}

function mayRetry(failed: FailedStart): boolean {
  return failed.kind === 'port_taken' || failed.kind === 'memory_in_use';
}

function startError(failed: FailedStart): MillraceError {
  const reason = startReason(failed.kind);
  const log = failed.log.trim();
  return new MillraceError('embedded_postgres_unavailable', { cause: log === '' ? reason : `${reason}. The end of its log:\n${log}` });
}

function startReason(kind: FailedStart['kind']): string {
  switch (kind) {
    case 'port_taken':
      return 'another program uses the port of the embedded PostgreSQL';
    case 'memory_in_use':
      return 'processes of the former embedded PostgreSQL did not end';
    case 'wrong_password':
      return 'the password is not the one that the embedded PostgreSQL was made with';
    case 'failed':
      return 'the embedded PostgreSQL did not start';
    default:
      return unreachable(kind);
  }
}

function logFile(home: string): string {
  return join(home, 'server.log');
}

async function prepareHome(home: string, user: ServerUser | null): Promise<void> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  if (user === null) return;
  const closed = await firstClosedDirectory(dirname(home), user);
  if (closed !== null) {
    throw new MillraceError('embedded_postgres_unavailable', {
      cause: `PostgreSQL does not run as root, and the account ${user.name} may not enter ${closed}`,
      fix: 'Choose a directory that every account can reach, or run as an ordinary user.',
    });
  }
  await chown(home, user.uid, user.gid);
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0;
}

async function rotateLog(file: string): Promise<void> {
  if ((await sizeOf(file)) > LOG_LIMIT_BYTES) await rename(file, `${file}.1`);
}

async function readTail(file: string, from: number): Promise<string> {
  const handle = await open(file).catch(() => null);
  if (handle === null) return '';
  try {
    const { size } = await handle.stat();
    const start = Math.max(from, size - TAIL_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.max(0, size - start)), 0, null, start);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
