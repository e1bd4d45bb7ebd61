// Plans all tables of a pipeline against what the destination has now: the one call between the source's catalogue and the DDL.
import type { PgSession } from '../db/session.ts';
import type { Layout } from '../model/layout.ts';
import type { SourceTable, SourceType } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { loadRawTables } from './ddl-raw.ts';
import { readDestinationTypes } from './introspect.ts';
import { assignRawNames, type NamespaceRule, nameKey } from './names.ts';
import { loadOwnedTypes } from './state.ts';
import { readStateVersion } from './state-install.ts';
import { STATE_VERSION } from './state-schema.sql.ts';
import { planTypes, typeLookup } from './types-plan.ts';
import { planTable, type TablePlan } from './types-table.ts';

export interface PlanRequest {
  /** Tables with the destination names that `assignNames()` gave them. */
  readonly tables: readonly { readonly source: SourceTable; readonly name: QualifiedName; readonly layout: Layout }[];
  /** Every destination table name of the pipeline, also of objects that are not planned now. */
  readonly tableNames: readonly QualifiedName[];
  /** Every type that the tables' columns reach, by the source's OID. */
  readonly types: ReadonlyMap<number, SourceType>;
  readonly rule: NamespaceRule;
  /** The pipeline's name: its raw tables keep theirs. */
  readonly pipeline: string;
  /** Whether `readCollation()` gave the same text on both sides. */
  readonly collationsAgree: boolean;
  /** `server_version_num` of the source. */
  readonly sourceVersionNum: number;
}

/** A plan for each table, in the order asked. Reads the destination and changes nothing; our state need not be installed yet. */
export async function planTables(session: PgSession, request: PlanRequest): Promise<readonly TablePlan[]> {
  const { types, rule, collationsAgree, sourceVersionNum } = request;
  const installed = (await readStateVersion(session)).kind === 'installed';
  const rawTables = await rawTablesOf(session, request);
  const ours = installed ? await loadOwnedTypes(session) : new Set<number>();
  const destination = await readDestinationTypes(session, typeLookup(types.values(), rule), ours);
  const outcomes = planTypes({ types, destination, rule, tableNames: new Set(request.tableNames.map(nameKey)) });
  return request.tables.map(({ source, name, layout }) =>
    planTable({
      source,
      name,
      layout,
      raw: rawTables.get(source) ?? null,
      types,
      outcomes,
      destination,
      collationsAgree,
      sourceVersionNum,
    }),
  );
}

/** The raw table of each source table whose layout has one. */
async function rawTablesOf(session: PgSession, { tables, pipeline }: PlanRequest): Promise<ReadonlyMap<SourceTable, QualifiedName>> {
  const wanted = tables.flatMap(({ source, layout }) => (layout.rawSchema === null ? [] : [{ source, rawSchema: layout.rawSchema }]));
  if (wanted.length === 0) return new Map();
  const state = await readStateVersion(session);
  // A state of an earlier version knows none.
  const known = state.kind === 'installed' && state.version === STATE_VERSION ? await loadRawTables(session) : [];
  const isOf = (raw: (typeof known)[number], source: QualifiedName): boolean =>
    raw.pipeline === pipeline && nameKey(raw.source) === nameKey(source);
  const names = assignRawNames(
    wanted.map((object) => ({ ...object, assigned: known.find((raw) => isOf(raw, object.source))?.table ?? null })),
    known.map(({ table }) => table),
  );
  return new Map(wanted.map(({ source }, index) => [source, names[index] ?? source]));
}
