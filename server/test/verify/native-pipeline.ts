// A pipeline that is not ours, for tests of the comparison: the server's own logical replication between two test databases.
import { must } from '../../src/lib/assert.ts';
import type { VerifyPlan, VerifyProgress, VerifyResult } from '../../src/model/verify.ts';
import { quoteIdent, quoteLiteral, quoteName } from '../../src/pg/ident.ts';
import { readPendingChanges } from '../../src/source/verify-pending.ts';
import { readSlotPosition, readSourceLsn, waitForOpenTransactions } from '../../src/source/verify-position.ts';
import { VERIFY_SETTINGS, type VerifyLimits, verifyObject } from '../../src/app/verify/verify-object.ts';
import type { PgSession } from '../../src/db/session.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { waitFor } from '../pg/wait-for.ts';

/** Two databases whose tables have the same names and columns. */
export interface Databases {
  readonly source: TestDatabase;
  readonly destination: TestDatabase;
}

/** The columns of a table that both databases have. */
export interface SameTable {
  readonly schema?: string;
  readonly name: string;
  readonly columns: readonly string[];
  readonly key: readonly string[];
  readonly only?: boolean;
}

/** Runs `sql` in both databases. */
export async function inBoth(databases: Databases, sql: string): Promise<void> {
  await Promise.all([databases.source.query(sql), databases.destination.query(sql)]);
}

/** A running subscription to everything in the source database. `stop` it (or `drop` it) before the test ends. */
export async function startNativePipeline(databases: Databases): Promise<NativePipeline> {
  const name = `pipeline_${databases.source.name}`;
  await databases.source.query('CREATE PUBLICATION everything FOR ALL TABLES WITH (publish_via_partition_root = true)');
  const { host, port, database, user, password } = databases.source.settings();
  const text = Object.entries({ host, port, dbname: database, user, password: must(password, 'a password').reveal() })
    .map(([key, value]) => `${key}='${String(value).replaceAll(/[\\']/g, (char) => `\\${char}`)}'`)
    .join(' ');
  await databases.destination.query(
    `CREATE SUBSCRIPTION ${quoteIdent(name)} CONNECTION ${quoteLiteral(text)} PUBLICATION everything WITH (slot_name = ${quoteIdent(name)})`,
  );
  const pipeline = new NativePipeline(databases, name);
  await waitFor('the first copy', async () => {
    const states = await databases.destination.query(`SELECT srsubstate FROM pg_catalog.pg_subscription_rel`);
    return states.every(([state]) => state === 'r');
  });
  return pipeline;
}

export class NativePipeline {
  readonly #databases: Databases;
  readonly name: string;

  constructor(databases: Databases, name: string) {
    this.#databases = databases;
    this.name = name;
  }

  /** Stops it after everything written so far has been applied. */
  async stop(): Promise<void> {
    const { source, destination } = this.#databases;
    const [row] = await source.query('SELECT pg_catalog.pg_current_wal_flush_lsn()::text');
    await waitFor('the subscription to catch up', async () => {
      const rows = await source.query(
        `SELECT confirmed_flush_lsn >= $1::pg_lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = $2`,
        [row?.[0] ?? null, this.name],
      );
      return rows[0]?.[0] === 't';
    });
    await destination.query(`ALTER SUBSCRIPTION ${quoteIdent(this.name)} DISABLE`);
    await waitFor('the slot to be free', async () => {
      const rows = await source.query(`SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`, [this.name]);
      return rows[0]?.[0] === 'f';
    });
  }

  async resume(): Promise<void> {
    await this.#databases.destination.query(`ALTER SUBSCRIPTION ${quoteIdent(this.name)} ENABLE`);
  }

  /** Removes subscription and slot. */
  async drop(): Promise<void> {
    await this.#databases.destination.query(`ALTER SUBSCRIPTION ${quoteIdent(this.name)} DISABLE`);
    await this.#databases.destination.query(`ALTER SUBSCRIPTION ${quoteIdent(this.name)} SET (slot_name = NONE)`);
    await this.#databases.destination.query(`DROP SUBSCRIPTION ${quoteIdent(this.name)}`);
    await this.#databases.source.dropSlots();
  }

  /** Compares one table on sessions of its own. */
  async verify(table: SameTable, limits: Partial<VerifyLimits> = {}): Promise<VerifyResult> {
    const { source, destination } = this.#databases;
    const plan = await planOf(source, table);
    const settings = VERIFY_SETTINGS;
    const sessions = await Promise.all([source.open({ settings }), destination.open({ settings })]);
    const [sourceSession, destinationSession] = sessions;
    try {
      const progress = this.progress(sourceSession, plan);
      return await verifyObject({
        plan,
        progress,
        source: sourceSession,
        destination: destinationSession,
        allowsExtra: false,
        estimatedRows: -1,
        limits,
      });
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  }

  /** The subscription's worker commits before it confirms, so that the slot's position serves as checkpoint. */
  progress(session: PgSession, plan: VerifyPlan): VerifyProgress {
    const slot = this.name;
    return {
      sourceLsn: () => readSourceLsn(session),
      checkpoint: async () => (await readSlotPosition(session, slot)).confirmed,
      isRunning: async () => (await readSlotPosition(session, slot)).isActive,
      settled: () => waitForOpenTransactions(session, { timeoutMs: 10_000 }),
      pending: (from, upTo) =>
        readPendingChanges(session, {
          slot,
          publications: ['everything'],
          oids: plan.sourceOids,
          key: plan.source.key,
          from,
          upTo,
          maxWalBytes: 256 * 1024 * 1024,
        }),
    };
  }
}

/** The plan for a table that is the same on both sides. */
async function planOf(source: TestDatabase, table: SameTable): Promise<VerifyPlan> {
  const name = { schema: table.schema ?? 'public', name: table.name };
  const compared = { ...name, columns: table.columns, key: table.key };
  const rows = await source.query('SELECT relid FROM pg_catalog.pg_partition_tree($1::regclass)', [quoteName(name)]);
  const oids = rows.length > 0 ? rows : await source.query('SELECT $1::regclass::oid', [quoteName(name)]);
  const sourceOids = (await source.query('SELECT o::oid FROM unnest($1::regclass[]) AS o', [oids.map(([oid]) => oid ?? '')])).map(([oid]) =>
    Number(oid),
  );
  return {
    source: { ...compared, only: table.only ?? false },
    destination: { ...compared, only: false },
    sourceOids,
    leftOut: [],
  };
}
