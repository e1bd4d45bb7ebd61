// Creates destination tables, and gives them other columns. Ownership is an OID in our state, written in the transaction that makes the table.
import type { PgSession } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import { type DestinationColumn, type DestinationTable, tableSignature } from '../model/destination-table.ts';
import { MillraceError } from '../model/error.ts';
import { reloadSteps } from '../model/schema-change/reload-steps.ts';
import { objectLabel } from '../model/table.ts';
import { type QualifiedName, quoteIdent } from '../pg/ident.ts';
import { alterColumns } from './ddl-alter.ts';
import * as sql from './ddl.sql.ts';
import { addKeptIndexes } from './ddl-kept.ts';
import { ensureRawTable } from './ddl-raw.ts';
import { ensureTypes } from './ddl-types.ts';
import { type ExistingPolicy, isAdopted, markAdopted, requireFitting, requireStillFitting } from './existing.ts';
import { type ExistingColumn, readColumns, readRelations, readSchemas, readServerFacts } from './introspect.ts';
import { ownName, STATE_SCHEMA } from './names.ts';
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
  /** What the state says of the table's columns: which of them only stay, and the expressions as the source wrote them. */
  readonly known?: readonly DestinationColumn[] | null | undefined;
}

/**
 * `created`: made just now, empty. `found`: it was this object's already, with these very columns, and may hold rows. `differs`: it was
 * ours already, with other columns, which the state goes on to describe; see `reshapeTable`. `adopted` and `adopted_with_rows`: others made
 * it, and from now on it is this object's to fill.
 */
export interface CreatedTable {
  readonly kind: 'created' | 'found' | 'differs' | 'adopted' | 'adopted_with_rows';
  readonly oid: number;
}

/**
 * Makes schema, types and table in one transaction, and records in the object's state that the table is ours, with its columns and
 * identity. A table that others made is taken into use if it fits. Throws `destination_table_exists` when it does not, or is another
 * object's, `adopted_table_unfit` when one that we only use fits no more,
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
    const found = existing === undefined ? 'created' : await recognise(session, owner, plan, existing.oid);
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
    const retired = retiredOf(plan);
    const { schema, name, identity } = table;
    await setObjectState(session, owner.fence, owner.source, {
      destination: { schema, name },
      destinationOid: oid,
      ...(found === 'differs' ? {} : { columns: [...table.columns, ...retired], identity, layout: tableSignature(table) }),
    });
    const isOurShape = found !== 'differs';
    if (found !== 'found' && isOurShape) await markAdopted(session, owner.fence.pipeline, owner.source, found !== 'created');
    return { kind: found, oid };
  });
}

/** Columns that the source has no longer, which stay for what was built on them. */
function retiredOf({ known }: TableToCreate): readonly DestinationColumn[] {
  return (known ?? []).filter((column) => column.transfer === 'retired');
}

/**
 * Brings our table to the planned columns, in the open transaction, and records them. Its rows are void: they are gone already, or all of
 * them are replaced before the commit. `known`: see `reloadSteps`. What others built on the table stays; columns that it needs do too.
 * Throws `destination_has_dependents` with the statements that the destination refuses, `fenced`.
 */
export async function reshapeTable(
  session: PgSession,
  owner: TableOwner,
  table: DestinationTable,
  known: readonly DestinationColumn[] | null,
): Promise<void> {
  await holdEpoch(session, owner.fence);
  const [relation] = await readRelations(session, [table]);
  if (relation === undefined) throw vanished(table);
  await session.query(sql.lockTable(table), []);
  if (!(await isOurs(session, owner, relation.oid))) throw tableExists(owner, table);
  await assertHarmless(session, table);
  const present = (await readColumns(session, relation.oid)).map(({ name, type, generated }) => ({
    name,
    generated,
    hasTypeOf: (planned: DestinationColumn) => sameRef(type, planned.type),
  }));
  const kept = await alterColumns((statement) => session.query(statement, []), table, reloadSteps(present, known, table));
  const retired = (known ?? []).filter((column) => kept.includes(column.name));
  await setObjectState(session, owner.fence, owner.source, {
    columns: [...table.columns, ...retired.map((column): DestinationColumn => ({ ...column, notNull: false, transfer: 'retired' }))],
    identity: table.identity,
    layout: tableSignature(table),
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

/** Whose the table is, and whether it has the planned columns. Throws unless it can take the object's rows. */
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
    return 'found';
  }
  const wanted = { ...table, columns: [...table.columns, ...retiredOf(plan)] };
  if (!sameColumns(await readColumns(session, oid), wanted)) return 'differs';
  return plan.known && expressionsOf(plan.known) !== expressionsOf(table.columns) ? 'differs' : 'found';
}

/** Whether this object made the table, or uses it. */
export async function isOurs(session: PgSession, owner: TableOwner, tableOid: number): Promise<boolean> {
  const { schema, name } = owner.source;
  const rows = await session.query(stateSql.OWNER_OF_TABLE, [tableOid]);
  return rows.some((row) => row[0] === owner.fence.pipeline && row[1] === schema && row[2] === name);
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

/** The table may hold rows, which a new expression is computed for at once: it is tried on a table without any. */
async function assertHarmless(session: PgSession, table: DestinationTable): Promise<void> {
  if (table.columns.every((column) => column.transfer !== 'generated')) return;
  const probe = { ...table, schema: STATE_SCHEMA, name: ownName(table, 'probe') };
  await session.query(sql.createTable(probe), []);
  await assertOwnExpressions(session, probe, must((await readRelations(session, [probe]))[0], 'the table just created').oid);
  await session.query(sql.dropTable(probe), []);
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
  // A column that came later stands at the end of the table, whatever its place at the source.
  const byName = new Map(wanted.map((column) => [column.name, column]));
  return (
    existing.length === wanted.length &&
    existing.every((column) => {
      const other = byName.get(column.name);
      return other !== undefined && sameRef(column.type, other.type) && column.generated === other.generated;
    })
  );
}

function expressionsOf(columns: readonly DestinationColumn[]): string {
  return JSON.stringify(columns.filter((column) => column.transfer === 'generated').map(({ name, expression }) => [name, expression]));
}

function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}
