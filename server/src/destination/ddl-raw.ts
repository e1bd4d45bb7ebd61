// Makes the table of raw records that belongs to an object, and remembers whose it is.
import type { PgSession } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { readRelations } from './introspect.ts';
import { createRawTable } from './raw.sql.ts';
import * as stateSql from './state.sql.ts';

/** A table of raw records, and the object that it belongs to. */
export interface RawTable {
  readonly pipeline: string;
  readonly source: QualifiedName;
  readonly table: QualifiedName;
}

/** Those of all pipelines of this destination. The state must be installed. */
export async function loadRawTables(session: PgSession): Promise<readonly RawTable[]> {
  const rows = await session.query(stateSql.SELECT_RAW_TABLES, []);
  return rows.map(([pipeline, schema, name, rawSchema, rawName]) => ({
    pipeline: pipeline ?? '',
    source: { schema: schema ?? '', name: name ?? '' },
    table: { schema: rawSchema ?? '', name: rawName ?? '' },
  }));
}

/**
 * Makes the table, or finds the object's own, which keeps its records. Call it in the transaction that makes the table beside it, when
 * the schema is there. Throws `destination_table_exists` when the name is taken by something that this object did not create.
 */
export async function ensureRawTable(session: PgSession, { pipeline, source, table }: RawTable): Promise<void> {
  const [existing] = await readRelations(session, [table]);
  const owner = [pipeline, source.schema, source.name];
  if (existing !== undefined) {
    const ours = await session.query(stateSql.OWNS_RAW_TABLE, [...owner, String(existing.oid)]);
    if (ours.length > 0) return;
    const cause = `the destination has ${objectLabel(table)} already, and ${objectLabel(source)} did not create it`;
    throw new MillraceError('destination_table_exists', { cause, object: objectLabel(source), side: 'destination' });
  }
  await session.query(createRawTable(table), []);
  await session.query(stateSql.REMEMBER_RAW_TABLE, [...owner, table.schema, table.name]);
}
