// Reads what the preflight judges by, as plain values.
import type { PgSession, Row } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { parseServerVersion, type ServerVersion } from '../pg/version.ts';
import { boolAt, intAt, optionalIntAt, optionalTextAt, textAt } from './catalog-row.ts';
import { FUTURE_TABLES_SQL, LONG_TRANSACTIONS_SQL, SERVER_FACTS_SQL, SETTINGS_SQL } from './checks.sql.ts';

export interface SourceFacts {
  readonly version: ServerVersion;
  readonly encoding: string;
  readonly inRecovery: boolean;
  readonly database: string;
  readonly role: RoleFacts;
  readonly settings: ReadonlyMap<string, SettingFacts>;
  readonly slotsInUse: number;
  readonly sendersInUse: number;
  /** Whether the pipeline's slot exists: then it needs no other, and no transaction can delay its creation. */
  readonly ownSlot: boolean;
  readonly mayCreateInDatabase: boolean;
  readonly longTransactions: readonly LongTransaction[];
}

export interface RoleFacts {
  readonly name: string;
  readonly superuser: boolean;
  /** By its own attribute, or by a role of a managed service that stands for it. */
  readonly mayReplicate: boolean;
}

export interface SettingFacts {
  readonly value: string;
  /** In bytes or milliseconds where the setting has such a unit; otherwise the number itself; -1 usually means without limit. */
  readonly number: number;
  /** A new value waits for a restart. */
  readonly pendingRestart: boolean;
}

export interface LongTransaction {
  readonly pid: number | null;
  readonly gid: string | null;
  readonly ageSeconds: number;
  readonly database: string;
}

/** Owner of tables in a schema, whose later tables our role may not read. */
export interface UnreadableFuture {
  readonly schema: string;
  readonly owner: string;
}

/** Reads the facts; `longTransactionSeconds` is how long a writing transaction must be open to count as long. */
export async function readSourceFacts(
  session: PgSession,
  slotName: string,
  longTransactionSeconds: number = LONG_TRANSACTION_SECONDS,
): Promise<SourceFacts> {
  const [found] = await session.query(SERVER_FACTS_SQL, [slotName]);
  const row = must(found, 'the facts of the source');
  const settings = await session.query(SETTINGS_SQL);
  const long = await session.query(LONG_TRANSACTIONS_SQL, [longTransactionSeconds]);
  const superuser = boolAt(row, 5);
  return {
    version: parseServerVersion(textAt(row, 0)),
    encoding: textAt(row, 1),
    inRecovery: boolAt(row, 2),
    database: textAt(row, 3),
    role: { name: textAt(row, 4), superuser, mayReplicate: superuser || boolAt(row, 6) || boolAt(row, 7) },
    settings: new Map(settings.map((setting) => [textAt(setting, 0), readSetting(setting)])),
    slotsInUse: intAt(row, 8),
    sendersInUse: intAt(row, 9),
    ownSlot: boolAt(row, 10),
    mayCreateInDatabase: boolAt(row, 11),
    longTransactions: long.map((transaction) => ({
      pid: optionalIntAt(transaction, 0),
      gid: optionalTextAt(transaction, 1),
      ageSeconds: intAt(transaction, 2),
      database: optionalTextAt(transaction, 3) ?? '',
    })),
  };
}

/** Who will make tables in these schemas that our role can't read. */
export async function readUnreadableFuture(session: PgSession, schemas: readonly string[]): Promise<readonly UnreadableFuture[]> {
  const rows = await session.query(FUTURE_TABLES_SQL, [schemas]);
  return rows.map((row) => ({ schema: textAt(row, 0), owner: textAt(row, 1) }));
}

const LONG_TRANSACTION_SECONDS = 60;

/** Units of `pg_settings`, as bytes or milliseconds. */
const UNITS: Readonly<Record<string, number>> = { kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, ms: 1, s: 1_000, min: 60_000 };

function readSetting(row: Row): SettingFacts {
  const value = textAt(row, 1);
  const number = Number(value);
  const scaled = number < 0 ? number : number * (UNITS[optionalTextAt(row, 2) ?? ''] ?? 1);
  return { value, number: scaled, pendingRestart: boolAt(row, 3) };
}
