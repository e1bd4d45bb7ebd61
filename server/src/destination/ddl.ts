// Creates and drops destination tables. Ownership is an OID in our state, written in the transaction that makes the table.
import type { PgSession } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { type DestinationTable, tableSignature } from '../model/destination-table.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import { type QualifiedName, quoteIdent } from '../pg/ident.ts';
import * as sql from './ddl.sql.ts';
import { addKeptIndexes } from './ddl-kept.ts';
import { ensureRawTable } from './ddl-raw.ts';
import { ensureTypes } from './ddl-types.ts';
import { type ExistingPolicy, isAdopted, markAdopted, notOursToDrop, requireFitting, requireStillFitting } from './existing.ts';
import { type ExistingColumn, readColumns, readRelations, readSchemas, readServerFacts } from './introspect.ts';
import { holdEpoch, setObjectState } from './state.ts';
import * as stateSql from './state.sql.ts';
import type { Fence } from './state-records.ts';
import { sameRef } from './types-existing.ts';
import type { TypeDefinition } from './types-outcome.ts';

/** Which object a table belongs to, and who says so. */
export interface TableOwner {
  readonly fence: Fence;
  readonly source: QualifiedName;
}

/** A planned table with the types that it needs. */
export interface TableToCreate {
  readonly table: DestinationTable;
  readonly definitions: readonly TypeDefinition[];
  /** What to do with a table that others made. Absent: `empty`. */
  readonly existing?: ExistingPolicy | undefined;
}

/**
 * `created`: made just now, empty. `found`: it was this object's already, with these very columns, and may hold rows. `adopted` and
 * `adopted_with_rows`: others made it, and from now on it is this object's to fill.
 */
export interface CreatedTable {
  readonly kind: 'created' | 'found' | 'adopted' | 'adopted_with_rows';
  readonly oid: number;
}

/**
 * Makes schema, types and table in one transaction, and records in the object's state that the table is ours, with its columns and
 * identity. A table that others made is taken into use if it fits. Throws `destination_table_exists` when it does not, or is another
 * object's, `object_schema_changed` when our own table has other columns, `adopted_table_unfit` when one that we only use has,
 * `destination_schema_denied`, `fenced`.
 */
export async function createDestinationTable(session: PgSession, owner: TableOwner, plan: TableToCreate): Promise<CreatedTable> {
  const { table } = plan;
  return session.transaction('BEGIN', async () => {
    await session.query(sql.LOCK_DDL);
    await holdEpoch(session, owner.fence);
    const raw = table.raw ?? null;
    await ensureSchemas(session, [
      table.schema,
      ...(raw === null ? [] : [raw.schema]),
      ...plan.definitions.map((definition) => definition.schema),
    ]);
    const [existing] = await readRelations(session, [table]);
    const found = existing === undefined ? null : await recognise(session, owner, plan, existing.oid);
    await grantedOr(session, table.schema, async () => {
      await ensureTypes(session, owner.fence.pipeline, plan.definitions);
      if (existing === undefined) await createTable(session, owner, table);
    });
    if (raw !== null) {
      const { fence, source } = owner;
      await grantedOr(session, raw.schema, () => ensureRawTable(session, { pipeline: fence.pipeline, source, table: raw }));
    }
    const oid = existing?.oid ?? must((await readRelations(session, [table]))[0], 'the table just created').oid;
    if (existing === undefined) await assertOwnExpressions(session, table, oid);
    const { schema, name, columns, identity } = table;
    const layout = tableSignature(table);
    await setObjectState(session, owner.fence, owner.source, {
      destination: { schema, name },
      destinationOid: oid,
      columns,
      identity,
      layout,
    });
    if (found !== 'found') await markAdopted(session, owner.fence.pipeline, owner.source, found !== null);
    return { kind: found ?? 'created', oid };
  });
}

/**
 * Adds the primary key and the unique index that the table lacks; does nothing when both are there, or the table is others'. Blocks writers
 * of the table, not readers.
 * A violation is thrown as the server reports it: the copied rows then are not the source's.
 */
export async function addKeys(session: PgSession, fence: Fence, table: DestinationTable): Promise<void> {
  await session.transaction('BEGIN', async () => {
    await holdEpoch(session, fence);
    const [relation] = await readRelations(session, [table]);
    if (relation === undefined) throw vanished(table);
    if (await isAdopted(session, relation.oid)) return;
    const indexes = await session.query(sql.UNIQUE_INDEXES, [relation.oid]);
    const hasPrimaryKey = indexes.some((row) => row[0] === 't');
    const hasUniqueKey = indexes.some((row) => sameMembers(JSON.parse(row[1] ?? '[]') as string[], table.uniqueKey));
    for (const statement of sql.keyStatements(table, { primaryKey: !hasPrimaryKey, uniqueKey: !hasUniqueKey }))
      await session.query(statement, []);
    await addKeptIndexes(session, table, relation.oid);
  });
}

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

/** Makes the schemas that are missing. CREATE on the database is needed only where one is: IF NOT EXISTS would ask for it always. */
async function ensureSchemas(session: PgSession, schemas: readonly string[]): Promise<void> {
  const wanted = [...new Set(schemas)];
  const present = new Set((await readSchemas(session, wanted)).map((schema) => schema.name));
  for (const schema of wanted) {
    if (!present.has(schema)) await grantedOr(session, schema, () => session.query(sql.createSchema(schema), []));
  }
}

async function createTable(session: PgSession, owner: TableOwner, table: DestinationTable): Promise<void> {
  try {
    await session.query(sql.createTable(table), []);
  } catch (error) {
    // A table's name is a type's name too, and an enum or a domain may have it.
    if (!(error instanceof MillraceError) || error.facts.sqlstate !== DUPLICATE_OBJECT) throw error;
    throw tableExists(owner, table, error);
  }
}

/** Whose the table is. Throws unless it can take the object's rows. */
async function recognise(
  session: PgSession,
  owner: TableOwner,
  plan: TableToCreate,
  oid: number,
): Promise<Exclude<CreatedTable['kind'], 'created'>> {
  const { table } = plan;
  const request = { table, oid, source: owner.source, policy: plan.existing ?? 'empty' };
  if (!(await isOurs(session, owner, oid))) {
    if ((await session.query(stateSql.OWNER_OF_TABLE, [oid])).length > 0) throw tableExists(owner, table);
    const { holdsRows } = await requireFitting(session, request);
    return holdsRows ? 'adopted_with_rows' : 'adopted';
  }
  if (await isAdopted(session, oid)) {
    await requireStillFitting(session, request);
  } else if (!sameColumns(await readColumns(session, oid), table)) {
    throw new MillraceError('object_schema_changed', {
      cause: `the destination table ${objectLabel(table)} has other columns than ${objectLabel(owner.source)} now needs`,
      object: objectLabel(owner.source),
      side: 'destination',
    });
  }
  return 'found';
}

async function isOurs(session: PgSession, owner: TableOwner, tableOid: number): Promise<boolean> {
  const { schema, name } = owner.source;
  const rows = await session.query(stateSql.OWNER_OF_TABLE, [tableOid]);
  return rows.some((row) => row[0] === owner.fence.pipeline && row[1] === schema && row[2] === name);
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

const DEPENDENT_OBJECTS = '2BP01';
const DUPLICATE_OBJECT = '42710';
const INSUFFICIENT_PRIVILEGE = '42501';

/** The error of a statement that what others built stands in the way of, told so that they can act; any other as it is. */
export function dependentsOr(error: unknown, table: QualifiedName): unknown {
  if (!(error instanceof MillraceError) || error.facts.sqlstate !== DEPENDENT_OBJECTS) return error;
  return new MillraceError(
    'destination_has_dependents',
    {
      cause: `${objectLabel(table)} can't be replaced, because views or other objects were built on it`,
      sqlstate: DEPENDENT_OBJECTS,
      side: 'destination',
    },
    error,
  );
}

/** Runs `work`; a refused privilege becomes `destination_schema_denied` with the GRANT to paste. */
async function grantedOr<T>(session: PgSession, schema: string, work: () => Promise<T>): Promise<T> {
  // The failed statement aborts the transaction, so the role must be known before.
  const { role, database } = await readServerFacts(session);
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MillraceError) || error.facts.sqlstate !== INSUFFICIENT_PRIVILEGE) throw error;
    throw new MillraceError(
      'destination_schema_denied',
      {
        cause: error.facts.cause,
        fix:
          `GRANT CREATE ON DATABASE ${quoteIdent(database)} TO ${quoteIdent(role)};\n` +
          `-- or, where the schema exists: GRANT USAGE, CREATE ON SCHEMA ${quoteIdent(schema)} TO ${quoteIdent(role)};`,
        sqlstate: INSUFFICIENT_PRIVILEGE,
        side: 'destination',
      },
      error,
    );
  }
}

/** An expression is the source's text: before anything runs it, the server itself says what it reaches for. */
async function assertOwnExpressions(session: PgSession, table: DestinationTable, oid: number): Promise<void> {
  if (table.columns.every((column) => column.transfer !== 'generated')) return;
  const [foreign] = await session.query(sql.FOREIGN_DEPENDENCIES, [oid]);
  if (foreign === undefined) return;
  throw new MillraceError('type_refused', {
    cause: `a generated column of ${objectLabel(table)} uses ${foreign[0] ?? 'an object'} of the destination`,
    side: 'destination',
  });
}

function tableExists(owner: TableOwner, table: QualifiedName, underlying?: unknown): MillraceError {
  const cause = `the destination has ${objectLabel(table)} already, and pipeline ${JSON.stringify(owner.fence.pipeline)} did not create it`;
  return new MillraceError('destination_table_exists', { cause, object: objectLabel(owner.source), side: 'destination' }, underlying);
}

function vanished(table: QualifiedName): MillraceError {
  return new MillraceError('object_schema_changed', { cause: `the destination table ${objectLabel(table)} is gone`, side: 'destination' });
}

function sameColumns(existing: readonly ExistingColumn[], table: DestinationTable): boolean {
  const wanted = [
    ...table.columns.map(({ name, type, transfer }) => ({ name, type, generated: transfer === 'generated' })),
    ...table.metadata.map(({ name, type }) => ({ name, type, generated: false })),
  ];
  return (
    existing.length === wanted.length &&
    existing.every((column, index) => {
      const other = wanted[index];
      return other?.name === column.name && sameRef(column.type, other.type) && column.generated === other.generated;
    })
  );
}

function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
