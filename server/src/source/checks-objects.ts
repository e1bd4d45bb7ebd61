// The preflight's verdicts about the objects of a pipeline: what can be read, what of them arrives, and who may publish them. Pure.
import { type Finding, passed, problem } from '../model/finding.ts';
import { objectLabel, type SourceTable } from '../model/table.ts';
import { quoteIdent, quoteName } from '../pg/ident.ts';
import type { SourceFacts } from './checks-facts.ts';
import type { IneligibleRelation } from './eligibility.ts';
import type { PublicationPlan, PublicationState } from './publication-plan.ts';

/** A relation that the pipeline would include if it could be an object. */
export interface MissedObject {
  readonly relation: IneligibleRelation;
  /** Whether the file asks for it by name; otherwise the pipeline goes on without it. */
  readonly isNamed: boolean;
}

/** Objects that the pipeline wants and our role can't read. Relations that can't be objects at all are left to `discover`. */
export function checkReadable(role: string, tables: readonly SourceTable[], missed: readonly MissedObject[]): readonly Finding[] {
  const unreadable = missed.flatMap(({ relation, isNamed }) => {
    const name = ACCESS_PROBLEMS.get(relation.reason);
    if (name === undefined) return [];
    const cause = isNamed ? relation.cause : `${relation.cause}, so the table is left out`;
    return [problem(isNamed ? 'fail' : 'warn', name, { cause, fix: relation.fix, object: objectLabel(relation) })];
  });
  const leaves = tables.flatMap((table) => checkLeaves(table, role));
  if (unreadable.length + leaves.length === 0) return [passed('source_readable', `${tables.length} objects can be read`)];
  return [...unreadable, ...leaves];
}

/** Objects whose updates and deletes can't be replicated: the application goes on, but only inserts arrive. */
export function checkIdentities(tables: readonly SourceTable[], rules: IdentityAdvice): readonly Finding[] {
  const anonymous = tables.filter((table) => table.identity.kind === 'none');
  if (anonymous.length === 0) return [passed('source_identity', 'the updates and deletes of every object can be replicated')];
  return anonymous.map((table) =>
    problem('warn', 'identity_missing', {
      cause: `${objectLabel(table)}: only inserts and TRUNCATE arrive, because its updates and deletes do not say which row they mean`,
      fix: identityFix(table, rules),
      object: objectLabel(table),
    }),
  );
}

export interface IdentityAdvice {
  /** 18 and later: REPLICA IDENTITY FULL is no way out for a table with generated columns. */
  readonly generatedBreaksFull: boolean;
}

/** The statement that gives a table without an identity one; it takes ACCESS EXCLUSIVE for a moment. */
export function identityFix(table: SourceTable, rules: IdentityAdvice): string {
  const name = quoteName(table);
  const hasGenerated = table.columns.some((column) => column.generated !== null);
  if (table.relkind === 'p') {
    return table.primaryKey.length === 0
      ? `ALTER TABLE ${name} ADD PRIMARY KEY (…);`
      : table.leaves.map((leaf) => `ALTER TABLE ${quoteName(leaf)} REPLICA IDENTITY DEFAULT;`).join(' ');
  }
  const defaultHelps = table.primaryKey.length > 0 && table.replicaIdentity !== 'default';
  if (defaultHelps) return `ALTER TABLE ${name} REPLICA IDENTITY DEFAULT;`;
  if (rules.generatedBreaksFull && hasGenerated) return `ALTER TABLE ${name} ADD PRIMARY KEY (…);`;
  return `ALTER TABLE ${name} REPLICA IDENTITY FULL; (or, cheaper for the source: ADD PRIMARY KEY)`;
}

export interface PublicationFacts {
  readonly plan: PublicationPlan;
  readonly existing: readonly PublicationState[];
  readonly includeNewTables: boolean;
}

/** Whether our role may bring the publications to what the plan says, or an administrator has. */
export function checkPublications(server: SourceFacts, facts: PublicationFacts): Finding {
  const { plan } = facts;
  const fix = plan.statements.map((statement) => `${statement};`).join('\n');
  if (plan.statements.length === 0) return checkAdministered(facts);
  if (server.inRecovery) {
    return problem('fail', 'publication_not_allowed', { cause: 'a standby is read-only: publications are made on its primary', fix });
  }
  const why = whyNotAllowed(server, facts);
  if (why !== null) return problem('fail', 'publication_not_allowed', { cause: why, fix });
  return passed('source_publications', `role ${server.role.name} may make the publications`);
}

const ACCESS_PROBLEMS = new Map([
  ['no_select_privilege', 'select_missing'],
  ['row_level_security', 'row_level_security'],
] as const) as ReadonlyMap<string, 'select_missing' | 'row_level_security'>;

/** A leaf is read by its own name, which takes privileges of its own; the stream of changes does not need them. */
function checkLeaves(table: SourceTable, role: string): readonly Finding[] {
  return table.leaves.flatMap((leaf) => {
    if (leaf.access === undefined || leaf.access === 'ok') return [];
    const cause = `partition ${objectLabel(leaf)} can't be read by its own name, so a historical load of ${objectLabel(table)} will fail`;
    return leaf.access === 'no_select_privilege'
      ? [
          problem('fail', 'select_missing', {
            cause,
            fix: `GRANT SELECT ON ${quoteName(leaf)} TO ${quoteIdent(role)};`,
            object: objectLabel(table),
          }),
        ]
      : [problem('fail', 'row_level_security', { cause, object: objectLabel(table) })];
  });
}

function whyNotAllowed(server: SourceFacts, facts: PublicationFacts): string | null {
  if (server.role.superuser) return null;
  const role = `role ${JSON.stringify(server.role.name)}`;
  const foreign = facts.existing.find((state) => !state.owned);
  if (foreign !== undefined) return `${role} does not own publication ${foreign.name}, which lacks objects of the pipeline`;
  if (facts.plan.created.length > 0 && !server.mayCreateInDatabase)
    return `${role} may not create publications in database ${quoteIdent(server.database)}`;
  const notOwned = facts.plan.added.filter((table) => table.owned === false);
  const [first] = notOwned;
  if (first === undefined) return null;
  return `${role} does not own ${objectLabel(first)}${notOwned.length > 1 ? ` and ${notOwned.length - 1} more` : ''}`;
}

function checkAdministered(facts: PublicationFacts): Finding {
  const grows = facts.existing.every((state) => state.owned || state.allTables);
  if (facts.plan.administered.length === 0 || grows || !facts.includeNewTables) {
    return passed('source_publications', 'the publications hold what the pipeline needs');
  }
  return problem('warn', 'publication_not_allowed', {
    cause: `publication ${facts.plan.administered.join(' and ')} belongs to somebody else: new tables have to be added there by hand`,
    fix: `ALTER PUBLICATION ${facts.plan.administered.map(quoteIdent)[0] ?? ''} ADD TABLE …; for each new table, or set include_new_tables to false.`,
  });
}
