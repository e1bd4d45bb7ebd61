// Preflight of the destination: reads what it is and what our role may do, and reports it all at once, with the statements to paste.
import type { PgSession } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import { type Finding, passed, problem } from '../model/finding.ts';
import { objectLabel } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { checkSchemas, checkServer, checkState, checkTables, type StateFacts } from './checks-verdicts.ts';
import { readRelations, readSchemas, readServerFacts } from './introspect.ts';
import { nameKey, STATE_SCHEMA } from './names.ts';
import { readStateVersion } from './state-install.ts';
import { loadObjects } from './state.ts';
import type { TableProblem } from './types-table.ts';

/** What a pipeline intends to do at the destination. */
export interface IntendedUse {
  readonly pipeline: string;
  /** Source objects with their destination names. */
  readonly objects: readonly { readonly source: QualifiedName; readonly destination: QualifiedName }[];
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
  return [
    ...checkServer(server),
    ...checkSchemas(server, { wanted, existing: schemas }),
    ...checkState(
      server,
      schemas.find((schema) => schema.name === STATE_SCHEMA),
      state,
    ),
    ...checkTables(use.objects, existing, state),
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
