// Makes the types that tables need. What was planned may have been made since by another table or pipeline, so it is looked at again.
import type { PgSession } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import * as sql from './ddl.sql.ts';
import { readDestinationTypes } from './introspect.ts';
import { nameKey } from './names.ts';
import { holdEpoch, loadOwnedTypes } from './state.ts';
import type { Fence } from './state-records.ts';
import * as stateSql from './state.sql.ts';
import { compareType, type ExistingType } from './types-existing.ts';
import type { TypeDefinition } from './types-outcome.ts';

/**
 * Brings the types of a table that exists up to what the source has now: labels that were added to an enum of ours. In a transaction of
 * its own, because a new label can't be used in the one that adds it. Throws `type_conflict`, `fenced`.
 */
export async function extendTypes(session: PgSession, fence: Fence, definitions: readonly TypeDefinition[]): Promise<void> {
  if (definitions.length === 0) return;
  await session.transaction('BEGIN', async () => {
    await session.query(sql.LOCK_DDL);
    await holdEpoch(session, fence);
    await ensureTypes(session, fence.pipeline, definitions);
  });
}

/**
 * Creates what is missing and adds labels to enums of ours, in the order given; a type that is there already with the same
 * definition is left alone. Call it in a transaction, under the lock on DDL. Throws `type_conflict`.
 */
export async function ensureTypes(session: PgSession, pipeline: string, definitions: readonly TypeDefinition[]): Promise<void> {
  if (definitions.length === 0) return;
  await session.query(stateSql.FORGET_TYPES, []);
  const lookup = { schemas: unique(definitions.map(({ schema }) => schema)), names: unique(definitions.map(({ name }) => name)) };
  const { existing } = await readDestinationTypes(session, lookup, await loadOwnedTypes(session));
  for (const definition of definitions) await ensureType(session, pipeline, { definition, existing: existing.get(nameKey(definition)) });
}

async function ensureType(
  session: PgSession,
  pipeline: string,
  { definition, existing }: { readonly definition: TypeDefinition; readonly existing: ExistingType | undefined },
): Promise<void> {
  const { source, schema, name } = definition;
  if (existing === undefined) {
    for (const statement of sql.createTypeStatements(definition)) await session.query(statement, []);
    await session.query(stateSql.REMEMBER_TYPE, [pipeline, source.schema, source.name, schema, name]);
    return;
  }
  switch (compareType(existing, definition.shape)) {
    case 'same':
      return;
    case 'extend':
      for (const statement of sql.extendTypeStatements(definition, existing)) await session.query(statement, []);
      return;
    case 'differs':
      throw new MillraceError('type_conflict', {
        cause: `the destination has ${objectLabel(definition)} already, and it differs from the source's ${objectLabel(source)}`,
        side: 'destination',
      });
  }
}

function unique(items: readonly string[]): readonly string[] {
  return [...new Set(items)];
}
