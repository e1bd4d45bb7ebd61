// Drops the tables of objects whose layout another one can't grow from. Whatever others built on them stays, and stops it.
import type { PgSession } from '../db/session.ts';
import { dependentsOr, isOurs, type TableOwner } from './ddl.ts';
import * as sql from './ddl.sql.ts';
import { isAdopted, notOursToDrop } from './existing.ts';
import { readRelations } from './introspect.ts';
import { holdEpoch, setObjectState } from './state.ts';

/**
 * Drops the object's table if it is ours and still there, by OID: a table that somebody else put under its name stays.
 * Throws `destination_has_dependents` when something was built on it, and `adopted_table_unfit` when others made it. Returns whether a table was dropped.
 */
export async function dropDestinationTable(session: PgSession, owner: TableOwner, tableOid: number): Promise<boolean> {
  return session.transaction('BEGIN', async () => {
    await session.query(sql.LOCK_DDL);
    await holdEpoch(session, owner.fence);
    const isOwn = await isOurs(session, owner, tableOid);
    if (isOwn && (await isAdopted(session, tableOid))) throw notOursToDrop(owner.source);
    const dropped = isOwn && (await dropByOid(session, tableOid));
    await setObjectState(session, owner.fence, owner.source, { destinationOid: null, columns: null, identity: null });
    return dropped;
  });
}

async function dropByOid(session: PgSession, oid: number): Promise<boolean> {
  const [before] = await session.query(sql.TABLE_BY_OID, [oid]);
  if (before === undefined) return false;
  const table = { schema: before[0] ?? '', name: before[1] ?? '' };
  await session.query(sql.lockTable(table), []);
  const [locked] = await readRelations(session, [table]);
  // Renamed between the two looks, and the name is another table's now: what we hold the lock on is not ours.
  if (locked?.oid !== oid) return dropByOid(session, oid);
  try {
    await session.query(sql.dropTable(table), []);
  } catch (error) {
    throw dependentsOr(error, table);
  }
  return true;
}
