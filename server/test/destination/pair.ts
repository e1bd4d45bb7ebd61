// Two databases, and the way from the tables of one to their twins in the other, as the product goes it.
import { createDestinationTable } from '../../src/destination/ddl.ts';
import { planTables } from '../../src/destination/ddl-plan.ts';
import { readCollation } from '../../src/destination/introspect.ts';
import { assignNames, type NamespaceRule } from '../../src/destination/names.ts';
import { takeOver, upsertObjects } from '../../src/destination/state.ts';
import { installState } from '../../src/destination/state-install.ts';
import type { Fence } from '../../src/destination/state-records.ts';
import type { TablePlan } from '../../src/destination/types-table.ts';
import type { PgSession } from '../../src/db/session.ts';
import { must } from '../../src/lib/assert.ts';
import type { SourceTable } from '../../src/model/table.ts';
import { readTables } from '../../src/source/catalog.ts';
import { columnTypeOids, readTypes } from '../../src/source/types.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import type { Postgres } from '../pg/use-postgres.ts';
import { NATIVE_LAYOUT } from '../../src/model/layout.ts';

export interface Pair {
  readonly source: TestDatabase;
  readonly destination: TestDatabase;
  readonly session: PgSession;
}

export async function makePair(pg: Postgres): Promise<Pair> {
  const [source, destination] = [await pg.source.createDatabase(), await pg.destination.createDatabase()];
  return { source, destination, session: await destination.open() };
}

/** Plans every table of the source against the destination, by source name. */
export async function planPair(
  { source, session }: Pair,
  rule: NamespaceRule = { kind: 'source' },
): Promise<ReadonlyMap<string, TablePlan & { source: SourceTable }>> {
  const reader = await source.open();
  const { tables, version } = await readTables(reader, { schemas: null });
  const types = await readTypes(reader, columnTypeOids(tables));
  const names = assignNames(
    rule,
    tables.map(({ schema, name }) => ({ schema, name, target: null, assigned: null })),
  );
  const planned = tables.map((table, index) => ({ source: table, name: must(names[index], 'a name'), layout: NATIVE_LAYOUT }));
  const collationsAgree = (await readCollation(reader)) === (await readCollation(session));
  const plans = await planTables(session, {
    tables: planned,
    tableNames: names,
    types,
    rule,
    pipeline: 'p',
    collationsAgree,
    sourceVersionNum: version.number,
  });
  return new Map(plans.map((each, index) => [must(tables[index], 'a table').name, { ...each, source: must(tables[index], 'a table') }]));
}

/** Takes the pipeline over and registers the tables as its objects. */
export async function ownTables(session: PgSession, plans: Iterable<{ readonly source: SourceTable }>): Promise<Fence> {
  await installState(session);
  const { epoch } = await takeOver(session, { pipeline: 'p', sourceSystemId: '1', sourceDatabase: 'd' });
  const fence = { pipeline: 'p', epoch };
  const entries = [...plans].map(
    ({ source }) => ({ source, sourceOid: source.oid, state: 'pending', desired: 'included', reason: null, destination: null }) as const,
  );
  await upsertObjects(session, fence, entries);
  return fence;
}

/** Creates the tables of all plans, which must not refuse any. */
export async function createAll(session: PgSession, plans: ReadonlyMap<string, TablePlan & { source: SourceTable }>): Promise<void> {
  const fence = await ownTables(session, plans.values());
  for (const [name, each] of plans) {
    if (each.kind === 'refused') throw new Error(`${name}: ${JSON.stringify(each.problems)}`);
    await createDestinationTable(session, { fence, source: each.source }, each);
  }
}
