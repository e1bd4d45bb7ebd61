// Preflight of the destination: reads what it is and what our role may do, and reports it all at once, with the statements to paste.
import type { PgSession } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import { type Finding, passed, problem } from '../model/finding.ts';
import { objectLabel } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { checkSchemas, checkServer, checkState, checkTables, type StateFacts } from './checks-verdicts.ts';
import type { TableToCreate } from './ddl.ts';
import { requireFitting } from './existing.ts';
import { readRelations, readSchemas, readServerFacts } from './introspect.ts';
import { nameKey, STATE_SCHEMA } from './names.ts';
import { readStateVersion } from './state-install.ts';
import { loadObjects } from './state.ts';
import { OWNER_OF_TABLE } from './state.sql.ts';
import type { TableProblem } from './types-table.ts';

/** What a pipeline intends to do at the destination. */
export interface IntendedUse {
  readonly pipeline: string;
  /** Source objects with their destination names. */
  readonly objects: readonly IntendedObject[];
}

export interface IntendedObject {
  readonly source: QualifiedName;
  readonly destination: QualifiedName;
  /** Its table, where one could be planned. */
  readonly plan?: TableToCreate | undefined;
}

/** All findings about the destination, apart from those about types. Fails only when the connection does. */
export async function checkDestination(session: PgSession, use: IntendedUse): Promise<readonly Finding[]> {
  const server = await readServerFacts(session);
  const wanted = [...new Set(use.objects.map((object) => object.destination.schema))];
  const schemas = await readSchemas(session, [...wanted, STATE_SCHEMA]);
  const state = await readState(session, use.pipeline);
  const relations = await readRelations(
    session,
    use.objects.map((object) => object.destination),
  );
  const existing = new Map(relations.map((relation) => [nameKey(relation), relation.oid]));
  const foreign = await judgeForeign(session, use, { existing, state });
  return [
    ...checkServer(server),
    ...checkSchemas(server, { wanted, existing: schemas }),
    ...checkState(
      server,
      schemas.find((schema) => schema.name === STATE_SCHEMA),
      state,
    ),
    ...checkTables(
      use.objects.filter((object) => !foreign.has(nameKey(object.destination))),
      existing,
      state,
    ),
    ...[...foreign.values()].flat(),
    // No function of Postgres tells a plain role how much room is left on the disk.
    passed('destination_disk', 'free disk space at the destination is not visible from SQL; keep an eye on it there'),
  ];
}

/** The findings about types: one per column that can't be replicated, or one that all can. */
export function typeFindings(
  objects: readonly { readonly source: QualifiedName; readonly problems: readonly TableProblem[] }[],
): readonly Finding[] {
  const problems = objects.flatMap(({ source, problems: found }) =>
    found.map(({ errorName, cause, fix }) => problem('fail', errorName, { cause, fix, object: objectLabel(source) })),
  );
  return problems.length > 0 ? problems : [passed('destination_types', 'every column has a type at the destination')];
}

interface Found {
  readonly existing: ReadonlyMap<string, number>;
  readonly state: StateFacts;
}

/** Findings by destination name about tables that are there already and nobody's that we know of: they may fit. */
async function judgeForeign(session: PgSession, use: IntendedUse, found: Found): Promise<ReadonlyMap<string, readonly Finding[]>> {
  const findings = new Map<string, readonly Finding[]>();
  for (const { source, destination, plan } of use.objects) {
    const oid = found.existing.get(nameKey(destination));
    if (oid === undefined || plan === undefined || found.state.kind === 'unreadable') continue;
    if (found.state.kind === 'readable' && (await session.query(OWNER_OF_TABLE, [oid])).length > 0) continue;
    findings.set(nameKey(destination), await judgeOne(session, { source, oid, plan }));
  }
  return findings;
}

async function judgeOne(
  session: PgSession,
  { source, oid, plan }: { readonly source: QualifiedName; readonly oid: number; readonly plan: TableToCreate },
): Promise<readonly Finding[]> {
  const object = objectLabel(source);
  const label = objectLabel(plan.table);
  try {
    const { holdsRows, watchers } = await requireFitting(session, { table: plan.table, oid, source, policy: plan.existing ?? 'empty' });
    const use = holdsRows ? 'its rows will be replaced' : 'it is empty';
    const fits = { ...passed('destination_existing_table', `${label} exists already and fits; ${use}`), object };
    if (watchers.length === 0) return [fits];
    const cause = `${watchers.join(', ')} on ${label} will see every row that is applied, and may refuse it`;
    return [fits, problem('warn', 'destination_table_exists', { cause, fix: 'Make sure that this is meant, or remove them.', object })];
  } catch (error) {
    if (!(error instanceof MillraceError) || error.errorName !== 'destination_table_exists') throw error;
    return [problem('fail', error.errorName, { cause: error.facts.cause, fix: error.fix, object })];
  }
}

async function readState(session: PgSession, pipeline: string): Promise<StateFacts> {
  try {
    const version = await readStateVersion(session);
    if (version.kind !== 'installed') return { kind: 'none' };
    const objects = await loadObjects(session, pipeline);
    return {
      kind: 'readable',
      ownTables: new Map(objects.flatMap((object) => (object.destinationOid === null ? [] : [[object.destinationOid, object.source]]))),
    };
  } catch (error) {
    if (error instanceof MillraceError && error.errorName !== 'connection_lost') return { kind: 'unreadable', error };
    throw error;
  }
}
