// Decides how a table's rows are found again at the destination, and with that which publication it may enter.
import type { ReplicaIdentity, RowIdentity } from '../model/table.ts';

/** A primary key or replica-identity index, as far as the decision needs it. */
export interface KeyFacts {
  /** Immediate, valid, ready, unique and not partial: what Postgres itself asks of an identity. */
  readonly usable: boolean;
  /** In index order. */
  readonly columns: readonly KeyColumnFacts[];
}

export interface KeyColumnFacts {
  readonly name: string;
  readonly notNull: boolean;
  /** pgoutput leaves generated columns out, so a key that holds one does not arrive whole. */
  readonly generated: boolean;
}

/** What one physical table (or partitioned root) says about its rows' identity. */
export interface IdentityFacts {
  readonly replicaIdentity: ReplicaIdentity;
  readonly primaryKey: KeyFacts | null;
  /** The index that REPLICA IDENTITY USING INDEX names, while it exists. */
  readonly identityIndex: KeyFacts | null;
  readonly hasGeneratedColumns: boolean;
}

export interface IdentityRules {
  /** 18 and later: with REPLICA IDENTITY FULL every generated column that is not published makes the application's UPDATE fail. */
  readonly generatedBreaksFull: boolean;
}

/**
 * The identity of a table that is not partitioned. Where the result is `none`, a publication that publishes updates would make
 * the application's UPDATE and DELETE fail. Source: PostgreSQL manual, "29.1. Publication" and "ALTER TABLE … REPLICA IDENTITY".
 */
export function tableIdentity(facts: IdentityFacts, rules: IdentityRules): RowIdentity {
  switch (facts.replicaIdentity) {
    case 'nothing':
      return { kind: 'none' };
    case 'default':
      return keyOf(facts.primaryKey) ?? { kind: 'none' };
    case 'index':
      // Postgres falls back to nothing, not to the primary key, when the index was dropped or is invalid.
      return keyOf(facts.identityIndex) ?? { kind: 'none' };
    case 'full':
      if (rules.generatedBreaksFull && facts.hasGeneratedColumns) return { kind: 'none' };
      return keyOf(facts.primaryKey) ?? { kind: 'full' };
  }
}

/**
 * The identity of a partitioned table whose changes are published as the root's.
 * Postgres logs a leaf's change by the leaf's own identity, so the root has the key only if every leaf has that same key.
 * Without a primary key on the root the next partition would come without an identity and break the application's writes:
 * then the root never counts as identified, whatever its present leaves say.
 */
export function partitionedIdentity(root: IdentityFacts, leaves: readonly IdentityFacts[], rules: IdentityRules): RowIdentity {
  const key = keyOf(root.primaryKey);
  if (key === null) return { kind: 'none' };
  const agree = leaves.every((leaf) => sameKey(tableIdentity(leaf, rules), key));
  return agree ? key : { kind: 'none' };
}

/** `pg_class.relreplident`. Source: manual, "52.11. pg_class". */
export function readReplicaIdentity(code: string): ReplicaIdentity {
  switch (code) {
    case 'd':
      return 'default';
    case 'i':
      return 'index';
    case 'f':
      return 'full';
    case 'n':
      return 'nothing';
    default:
      throw new TypeError(`unknown replica identity ${JSON.stringify(code)}`);
  }
}

function keyOf(key: KeyFacts | null): KeyIdentity | null {
  if (key === null || !key.usable || key.columns.length === 0) return null;
  if (key.columns.some((column) => !column.notNull || column.generated)) return null;
  return { kind: 'key', columns: key.columns.map((column) => column.name) };
}

type KeyIdentity = Extract<RowIdentity, { kind: 'key' }>;

/** The leaf's index may hold the columns in another order: it is the set that the old row carries. */
function sameKey(identity: RowIdentity, key: KeyIdentity): boolean {
  if (identity.kind !== 'key' || identity.columns.length !== key.columns.length) return false;
  const names = new Set(identity.columns);
  return key.columns.every((name) => names.has(name));
}
