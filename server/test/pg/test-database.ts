// Databases and roles for one test, with sessions that close by themselves when it ends.
import { connect, type SessionPurpose } from '../../src/db/connect.ts';
import type { PgSession, Row } from '../../src/db/session.ts';
import type { Secret } from '../../src/lib/secret.ts';
import type { ConnectionSettings } from '../../src/model/connection.ts';
import { quoteIdent, quoteLiteral } from '../../src/pg/ident.ts';
import type { Side } from './shared-clusters.ts';

/** Connection settings of a cluster's superuser for a database. */
export type ConnectionOf = (database: string) => ConnectionSettings;

export interface TestRole {
  readonly name: string;
  readonly password: Secret;
}

export interface RoleOptions {
  /** e.g. `LOGIN REPLICATION`; LOGIN when absent. */
  readonly attributes?: string | undefined;
  /** Names of roles to be a member of. */
  readonly memberOf?: readonly string[] | undefined;
}

export interface DatabaseOptions {
  /** e.g. `LATIN1`; UTF8 when absent. */
  readonly encoding?: string | undefined;
  /** Put at the end of the generated name, to try hostile ones. */
  readonly suffix?: string | undefined;
}

export interface OpenOptions extends Partial<Omit<SessionPurpose, 'side'>> {
  /** The superuser when absent. */
  readonly role?: TestRole | undefined;
}

/** One database of one test. The harness drops it; drop its slots yourself, or the leak check complains. */
export class TestDatabase {
  readonly name: string;
  readonly side: Side;
  readonly #connectionOf: ConnectionOf;
  readonly #sessions: PgSession[] = [];
  #own: Promise<PgSession> | null = null;

  constructor(name: string, side: Side, connectionOf: ConnectionOf) {
    this.name = name;
    this.side = side;
    this.#connectionOf = connectionOf;
  }

  /** How `role` (the superuser when absent) connects to this database. */
  settings(role?: TestRole): ConnectionSettings {
    const settings = this.#connectionOf(this.name);
    return role === undefined ? settings : { ...settings, user: role.name, password: role.password };
  }

  /** Runs a statement (without `values`: any number of them) as the superuser. The search_path is empty. */
  async query(text: string, values?: Parameters<PgSession['query']>[1]): Promise<readonly Row[]> {
    this.#own ??= this.open({ applicationName: 'test' });
    return (await this.#own).query(text, values);
  }

  /** Opens a session that the harness closes after the test. */
  async open(options: OpenOptions = {}): Promise<PgSession> {
    const { role, ...purpose } = options;
    const session = await connect(this.settings(role), { applicationName: 'test session', side: this.side, ...purpose });
    this.#sessions.push(session);
    return session;
  }

  /** Drops every logical slot of this database, ending the sessions that stream from them. */
  async dropSlots(): Promise<void> {
    await this.query(`
      SELECT pg_catalog.pg_terminate_backend(active_pid)
      FROM pg_catalog.pg_replication_slots
      WHERE database = ${quoteLiteral(this.name)} AND active_pid IS NOT NULL`);
    // A slot stays active until its backend is gone; the function waits no longer than the lock on the slot.
    for (const [slot] of await this.query('SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = $1', [this.name])) {
      await this.#dropSlot(slot ?? '');
    }
  }

  /** Process ids of the sessions that belong to the harness. */
  get backendPids(): readonly number[] {
    return this.#sessions.map((session) => session.backendPid);
  }

  /** How many sockets the harness holds open for this database. */
  get openSessions(): number {
    return this.#sessions.length;
  }

  /** Closes the sessions that the harness opened. */
  async closeSessions(): Promise<void> {
    this.#own = null;
    await Promise.all(this.#sessions.splice(0).map((session) => session.close()));
  }

  async #dropSlot(slot: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.query('SELECT pg_catalog.pg_drop_replication_slot($1)', [slot]);
        return;
      } catch (error) {
        const isActive = (error as { facts?: { sqlstate?: string } }).facts?.sqlstate === '55006';
        if (!isActive || attempt === 100) throw error;
        await this.query('SELECT pg_catalog.pg_sleep(0.02)');
      }
    }
  }
}

/** The text of CREATE DATABASE. template0 takes any encoding, but the builtin locale of 17 and later only UTF-8. */
export function createDatabaseSql(name: string, major: number, options: DatabaseOptions): string {
  if (options.encoding === undefined) return `CREATE DATABASE ${quoteIdent(name)}`;
  const provider = major >= 15 ? ' LOCALE_PROVIDER libc' : '';
  return `CREATE DATABASE ${quoteIdent(name)} TEMPLATE template0 ENCODING ${quoteLiteral(options.encoding)}${provider} LC_COLLATE 'C' LC_CTYPE 'C'`;
}

/** The text of CREATE ROLE. */
export function createRoleSql(role: TestRole, options: RoleOptions): string {
  const memberOf = options.memberOf ?? [];
  const membership = memberOf.length === 0 ? '' : ` IN ROLE ${memberOf.map(quoteIdent).join(', ')}`;
  return `CREATE ROLE ${quoteIdent(role.name)} ${options.attributes ?? 'LOGIN'} PASSWORD ${quoteLiteral(role.password.reveal())}${membership}`;
}
