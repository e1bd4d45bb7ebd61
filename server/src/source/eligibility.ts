// Decides which relations can be objects, and says of the others why not and what would change it.
import { type IneligibleReason, objectLabel, type ReplicaIdentity } from '../model/table.ts';
import { type QualifiedName, quoteIdent, quoteName } from '../pg/ident.ts';

/** A relation that can't be an object. */
export interface IneligibleRelation extends QualifiedName {
  readonly oid: number;
  /** `pg_class.relkind`. */
  readonly relkind: string;
  readonly reason: IneligibleReason;
  /** Why, one sentence. */
  readonly cause: string;
  /** What would make it eligible; empty where nothing would. */
  readonly fix: string;
  readonly primaryKey: readonly string[];
  readonly replicaIdentity: ReplicaIdentity;
  readonly sizeBytes: number;
  readonly estimatedRows: number;
}

/** What the decision looks at. */
export interface EligibilityFacts extends QualifiedName {
  readonly relkind: string;
  /** `pg_class.relpersistence`. */
  readonly persistence: string;
  /** The topmost table that this is a partition of; null when it is no partition, or one that is being detached. */
  readonly partitionOf: QualifiedName | null;
  readonly isPartition: boolean;
  readonly schemaUsable: boolean;
  readonly selectable: boolean;
  /** `row_security_active`: policies would apply to our role. */
  readonly policiesApply: boolean;
  /** Leaves of a partitioned table that hold their rows elsewhere or outside the log. */
  readonly foreignLeaves: readonly QualifiedName[];
  readonly unloggedLeaves: readonly QualifiedName[];
}

export interface Ineligibility {
  readonly reason: IneligibleReason;
  readonly cause: string;
  readonly fix: string;
}

/** Null when the relation is eligible. `role` is the name of our own role, for the statements to paste. */
export function ineligibility(facts: EligibilityFacts, role: string): Ineligibility | null {
  return byKind(facts) ?? byPartitions(facts) ?? byAccess(facts, role);
}

function byKind(facts: EligibilityFacts): Ineligibility | null {
  switch (facts.relkind) {
    case 'f':
      if (facts.isPartition) break;
      return {
        reason: 'foreign_table',
        cause: 'it is a foreign table: its rows live on another server',
        fix: 'Add that server as a source.',
      };
    case 'v':
      return { reason: 'view', cause: 'it is a view: only its tables have changes', fix: 'Replicate the tables that the view reads.' };
    case 'm':
      return {
        reason: 'materialized_view',
        cause: 'it is a materialized view: REFRESH does not write to the log',
        fix: 'Replicate the tables that the view reads.',
      };
    default:
  }
  if (facts.persistence === 't') {
    return { reason: 'temporary_table', cause: 'it is a temporary table: its changes are not in the log', fix: '' };
  }
  if (facts.isPartition) {
    const root = facts.partitionOf;
    return root === null
      ? {
          reason: 'partition_of_object',
          cause: 'it is a partition that is being detached',
          fix: 'Finish it: ALTER TABLE … DETACH PARTITION … FINALIZE;',
        }
      : {
          reason: 'partition_of_object',
          cause: `its rows are replicated as rows of ${objectLabel(root)}`,
          fix: `Include ${objectLabel(root)}.`,
        };
  }
  if (facts.persistence === 'u') {
    return {
      reason: 'unlogged_table',
      cause: 'it is unlogged: its changes are not in the log',
      fix: `ALTER TABLE ${quoteName(facts)} SET LOGGED;`,
    };
  }
  return null;
}

function byPartitions(facts: EligibilityFacts): Ineligibility | null {
  const foreign = facts.foreignLeaves[0];
  if (foreign !== undefined) {
    return {
      reason: 'foreign_partition',
      cause: `its partition ${objectLabel(foreign)} is a foreign table: that partition's changes are not in the log`,
      fix: `ALTER TABLE ${quoteName(facts)} DETACH PARTITION ${quoteName(foreign)};`,
    };
  }
  const unlogged = facts.unloggedLeaves[0];
  if (unlogged !== undefined) {
    return {
      reason: 'unlogged_table',
      cause: `its partition ${objectLabel(unlogged)} is unlogged: that partition's changes are not in the log`,
      fix: `ALTER TABLE ${quoteName(unlogged)} SET LOGGED;`,
    };
  }
  return null;
}

function byAccess(facts: EligibilityFacts, role: string): Ineligibility | null {
  const table = quoteName(facts);
  const grants = [
    ...(facts.schemaUsable ? [] : [`GRANT USAGE ON SCHEMA ${quoteIdent(facts.schema)} TO ${quoteIdent(role)};`]),
    ...(facts.selectable ? [] : [`GRANT SELECT ON ${table} TO ${quoteIdent(role)};`]),
  ];
  if (grants.length > 0) {
    const missing = facts.selectable ? `USAGE on schema ${facts.schema}` : 'SELECT on the whole table';
    return { reason: 'no_select_privilege', cause: `role ${role} lacks ${missing}`, fix: grants.join(' ') };
  }
  if (facts.policiesApply) {
    return {
      reason: 'row_level_security',
      cause: `row-level security would hide rows from role ${role}`,
      fix: `ALTER ROLE ${quoteIdent(role)} WITH BYPASSRLS;`,
    };
  }
  return null;
}
