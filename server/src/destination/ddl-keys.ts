// Takes away those of our keys that the source's table no longer has: its rows may be no longer unique by them.
import type { PgSession } from '../db/session.ts';
import type { DestinationTable } from '../model/destination-table.ts';
import { dependentsOr } from './ddl.ts';
import * as sql from './ddl-keys.sql.ts';
import { isAdopted } from './existing.ts';
import { readRelations } from './introspect.ts';
import { ownName } from './names.ts';
import { holdEpoch } from './state.ts';
import type { Fence } from './state-records.ts';

/**
 * Drops our primary key and our unique index where the planned table has others, in one transaction. Keys that others made stay.
 * The rows are to be loaded anew and `addKeys` to be called then. Throws `destination_has_dependents` where a foreign key needs the old
 * key, and `fenced`.
 */
export async function dropStaleKeys(session: PgSession, fence: Fence, table: DestinationTable): Promise<void> {
  await session.transaction('BEGIN', async () => {
    await holdEpoch(session, fence);
    const [relation] = await readRelations(session, [table]);
    if (relation === undefined || (await isAdopted(session, relation.oid))) return;
    const found = (await session.query(sql.KEYS_OF_TABLE, [relation.oid])).map(([name, isPrimary, isDeferrable, columns]) => ({
      name: name ?? '',
      isPrimary: isPrimary === 't',
      isDeferrable: isDeferrable === 't',
      columns: JSON.parse(columns ?? '[]') as readonly string[],
    }));
    for (const key of found) {
      if (!isStale(table, key)) continue;
      try {
        await session.query(key.isPrimary ? sql.dropPrimaryKey(table, key.name) : sql.dropIndex(table, key.name), []);
      } catch (error) {
        throw dependentsOr(error, table);
      }
      for (const name of key.columns) {
        if (table.columns.some((column) => column.name === name && !column.notNull)) await session.query(sql.allowNull(table, name), []);
      }
    }
  });
}

interface FoundKey {
  readonly name: string;
  readonly isPrimary: boolean;
  readonly isDeferrable: boolean;
  readonly columns: readonly string[];
}

function isStale(table: DestinationTable, key: FoundKey): boolean {
  if (key.isPrimary && key.name === ownName(table, 'pkey')) {
    const isIdentity = table.identity.kind === 'key' && table.uniqueKey.length === 0;
    return !sameMembers(key.columns, table.primaryKey) || key.isDeferrable === isIdentity;
  }
  return key.name === ownName(table, 'key') && !sameMembers(key.columns, table.uniqueKey);
}

function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
