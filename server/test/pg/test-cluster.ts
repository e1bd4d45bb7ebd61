// What a test may do with a cluster: make databases and roles in it, which go when the test ends.
import { randomUUID } from 'node:crypto';
import { connect } from '../../src/db/connect.ts';
import type { Row } from '../../src/db/session.ts';
import { Secret } from '../../src/lib/secret.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import type { Side } from './shared-clusters.ts';
import {
  type ConnectionOf,
  createDatabaseSql,
  createRoleSql,
  type DatabaseOptions,
  type RoleOptions,
  TestDatabase,
  type TestRole,
} from './test-database.ts';

/** One of the run's shared clusters, or a cluster of a test's own. */
export class TestCluster {
  /** Major version, for `test.skipIf`. */
  readonly major: number;
  readonly side: Side;
  readonly #connectionOf: ConnectionOf;
  #databases: TestDatabase[] = [];
  #roles: TestRole[] = [];

  constructor(side: Side, major: number, connectionOf: ConnectionOf) {
    this.side = side;
    this.major = major;
    this.#connectionOf = connectionOf;
  }

  /** The databases that exist now because of this test or file. */
  get databases(): readonly TestDatabase[] {
    return this.#databases;
  }

  async createDatabase(options: DatabaseOptions = {}): Promise<TestDatabase> {
    const name = `${uniqueName('db')}${options.suffix ?? ''}`;
    const database = new TestDatabase(name, this.side, this.#connectionOf);
    await this.query(createDatabaseSql(name, this.major, options));
    this.#databases.push(database);
    return database;
  }

  /** A role with a password; LOGIN and nothing more unless `attributes` says so. */
  async createRole(options: RoleOptions = {}): Promise<TestRole> {
    const role = { name: uniqueName('role'), password: new Secret(randomUUID()) };
    await this.query(createRoleSql(role, options));
    this.#roles.push(role);
    return role;
  }

  /** Runs a statement as the superuser in the database `postgres`, on a session of its own. */
  async query(text: string, values?: readonly (string | readonly string[])[]): Promise<readonly Row[]> {
    const session = await connect(this.#connectionOf('postgres'), { applicationName: 'test harness', side: this.side });
    try {
      return await session.query(text, values);
    } finally {
      await session.close();
    }
  }

  /** Marks what exists now, so that `dropSince` removes only what came later. */
  mark(): ClusterMark {
    return { databases: this.#databases.length, roles: this.#roles.length };
  }

  /** Drops what was made since `mark`, whatever is left inside. */
  async dropSince(mark: ClusterMark): Promise<void> {
    const databases = this.#databases.splice(mark.databases);
    await Promise.all(databases.map((database) => this.#drop(database)));
    for (const role of this.#roles.splice(mark.roles)) await this.query(`DROP ROLE ${quoteIdent(role.name)}`);
  }

  /** Forgets everything without touching the server, which is about to be removed. */
  async forget(): Promise<void> {
    this.#roles = [];
    await Promise.all(this.#databases.splice(0).map((database) => database.closeSessions()));
  }

  async #drop(database: TestDatabase): Promise<void> {
    const prepared = await this.query('SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = $1', [database.name]);
    for (const [gid] of prepared) await database.query(`ROLLBACK PREPARED '${(gid ?? '').replaceAll("'", "''")}'`);
    const slots = await this.query('SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = $1', [database.name]);
    if (slots.length > 0) await database.dropSlots();
    await database.closeSessions();
    await this.query(`DROP DATABASE ${quoteIdent(database.name)} WITH (FORCE)`);
  }
}

export interface ClusterMark {
  readonly databases: number;
  readonly roles: number;
}

let counter = 0;

/** Unique within the run: files run in processes of their own. */
function uniqueName(kind: string): string {
  counter += 1;
  return `${kind}_${process.pid}_${counter}`;
}
