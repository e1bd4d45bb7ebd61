// Says which DDL a table would need, without doing any of it: the same statements, from the same look at the destination.
import type { PgSession } from '../db/session.ts';
import type { DestinationColumn, DestinationTable } from '../model/destination-table.ts';
import { reloadSteps } from '../model/schema-change/reload-steps.ts';
import { stepStatements } from './ddl-alter.sql.ts';
import * as sql from './ddl.sql.ts';
import { readColumns, readDestinationTypes, readRelations, readSchemas } from './introspect.ts';
import { nameKey } from './names.ts';
import { compareType, sameRef } from './types-existing.ts';
import type { TypeDefinition } from './types-outcome.ts';

/** The statements that make the schemas, types, table and keys that are missing. */
export async function previewCreation(
  session: PgSession,
  { table, definitions }: { readonly table: DestinationTable; readonly definitions: readonly TypeDefinition[] },
): Promise<readonly string[]> {
  const wanted = [...new Set([table.schema, ...definitions.map((definition) => definition.schema)])];
  const present = new Set((await readSchemas(session, wanted)).map((schema) => schema.name));
  const exists = (await readRelations(session, [table])).length > 0;
  return [
    ...wanted.filter((schema) => !present.has(schema)).map(sql.createSchema),
    ...(await previewTypes(session, definitions)),
    ...(exists ? [] : [sql.createTable(table), ...sql.keyStatements(table, { primaryKey: true, uniqueKey: true })]),
  ];
}

/** The statements that make types that are missing, and add labels to enums of ours. */
export async function previewTypes(session: PgSession, definitions: readonly TypeDefinition[]): Promise<readonly string[]> {
  if (definitions.length === 0) return [];
  const lookup = {
    schemas: [...new Set(definitions.map(({ schema }) => schema))],
    names: [...new Set(definitions.map(({ name }) => name))],
  };
  // What is not ours was refused when the table was planned.
  const { existing } = await readDestinationTypes(session, lookup, new Set());
  return definitions.flatMap((definition) => {
    const found = existing.get(nameKey(definition));
    if (found === undefined) return sql.createTypeStatements(definition);
    return compareType({ ...found, ours: true }, definition.shape) === 'extend' ? sql.extendTypeStatements(definition, found) : [];
  });
}

/** The statements by which a table of ours gets the columns of a reload; see `reshapeTable`. */
export async function previewReshape(
  session: PgSession,
  table: DestinationTable,
  known: readonly DestinationColumn[] | null,
): Promise<readonly string[]> {
  const [relation] = await readRelations(session, [table]);
  if (relation === undefined) return [];
  const present = (await readColumns(session, relation.oid)).map(({ name, type, generated }) => ({
    name,
    generated,
    hasTypeOf: (planned: DestinationColumn) => sameRef(type, planned.type),
  }));
  return reloadSteps(present, known, table).flatMap((step) => stepStatements(table, step));
}
