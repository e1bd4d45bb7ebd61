// The sessions of a pipeline's historical loads, kept between objects: opening six for each of ten thousand small tables would take longer than copying them.
import { connect } from '../../db/connect.ts';
import type { PgSession } from '../../db/session.ts';
import { LoadWriter } from '../../destination/load-writer.ts';
import type { Secret } from '../../lib/secret.ts';
import type { ConnectionSettings } from '../../model/connection.ts';
import { COPY_READER_SETTINGS, CopyReader } from '../../source/copy-reader.ts';
import { maskSettings } from '../../source/mask.sql.ts';
import { guardCopySession } from '../../source/snapshot.ts';

export interface CopyServers {
  readonly source: ConnectionSettings;
  readonly destination: ConnectionSettings;
  /** What `application_name` begins with, e.g. `millrace shop`. */
  readonly applicationName: string;
  /** What hashes of masked values are made with; absent where none are. */
  readonly maskSalt?: Secret | null | undefined;
  /** How long to wait for a lock on a table, on either side; a minute when absent. */
  readonly lockTimeoutMs?: number | undefined;
}

/** What one object's load needs beside its lanes: the holder of the snapshot, and a session for everything that is not COPY. */
export interface CopyDesk {
  readonly holder: PgSession;
  readonly control: PgSession;
}

/** A reader at the source and a writer at the destination that work together. */
export interface CopyLane {
  readonly reader: CopyReader;
  readonly writer: LoadWriter;
}

/** Lends sessions, and opens more when all are lent. What comes back must be idle; what failed is closed instead. */
export class CopySessions {
  readonly #servers: CopyServers;
  readonly #desks: CopyDesk[] = [];
  readonly #lanes: CopyLane[] = [];
  /** Work that nobody waits for, on desks that are lent until it is done. */
  readonly #errands = new Set<Promise<void>>();

  constructor(servers: CopyServers) {
    this.#servers = servers;
  }

  async borrowDesk(): Promise<CopyDesk> {
    return this.#desks.pop() ?? this.#openDesk();
  }

  async borrowLane(): Promise<CopyLane> {
    return this.#lanes.pop() ?? this.#openLane();
  }

  returnDesk(desk: CopyDesk): void {
    this.#desks.push(desk);
  }

  /** Takes the desk back as soon as `errand`, which works on it and never rejects, is done. */
  returnDeskAfter(desk: CopyDesk, errand: Promise<void>): void {
    const done = errand.then(() => {
      this.#errands.delete(done);
      this.returnDesk(desk);
    });
    this.#errands.add(done);
  }

  returnLane(lane: CopyLane): void {
    this.#lanes.push(lane);
  }

  /**
   * Closes what nobody has borrowed, once errands are done. Call it at the end, and after a failure: idle sessions may have failed for the
   * same reason.
   */
  async closeIdle(): Promise<void> {
    await Promise.all(this.#errands);
    const sessions = [
      ...this.#desks.splice(0).flatMap((desk) => [desk.holder, desk.control]),
      ...this.#lanes.splice(0).flatMap((lane) => [lane.reader, lane.writer]),
    ];
    await Promise.all(sessions.map((session) => session.close()));
  }

  async #openDesk(): Promise<CopyDesk> {
    const [holder, control] = await openBoth(this.#open('source', 'copy snapshot'), this.#open('destination', 'copy'));
    await orClose(guardCopySession(holder), [holder, control]);
    return { holder, control };
  }

  async #openLane(): Promise<CopyLane> {
    const [source, destination] = await openBoth(
      this.#open('source', 'copy reader', { ...COPY_READER_SETTINGS, ...maskSettings(this.#servers.maskSalt ?? null) }),
      this.#open('destination', 'copy writer'),
    );
    const reader = await orClose(CopyReader.open(source), [source, destination]);
    return { reader, writer: new LoadWriter(destination) };
  }

  #open(side: 'source' | 'destination', role: string, settings: Readonly<Record<string, string>> = {}): Promise<PgSession> {
    const { applicationName, lockTimeoutMs = DEFAULT_LOCK_TIMEOUT_MS } = this.#servers;
    return connect(this.#servers[side], { applicationName: `${applicationName} ${role}`, side, lockTimeoutMs, settings });
  }
}

const DEFAULT_LOCK_TIMEOUT_MS = 60_000;

/** Two sessions or none: the one that opened is closed when the other does not. */
async function openBoth(first: Promise<PgSession>, second: Promise<PgSession>): Promise<readonly [PgSession, PgSession]> {
  const [a, b] = await Promise.allSettled([first, second]);
  if (a.status === 'fulfilled' && b.status === 'fulfilled') return [a.value, b.value];
  for (const opened of [a, b]) if (opened.status === 'fulfilled') await opened.value.close();
  throw a.status === 'rejected' ? a.reason : b.status === 'rejected' ? b.reason : new Error('expected one of the two to have failed');
}

async function orClose<T>(work: Promise<T>, sessions: readonly PgSession[]): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await Promise.all(sessions.map((session) => session.close()));
    throw error;
  }
}
