// The published list of built-in types that can't be replicated, and of those that travel as text; `docs/types.md` is checked against it.

/**
 * Types of `pg_catalog` whose values no server reads back: their input functions raise an error by design, so a value that
 * left the source could never arrive. Source: PostgreSQL manual, "8.21. Pseudo-Types" and `src/backend/utils/adt/pseudotypes.c`.
 */
export const REFUSED_TYPES: ReadonlyMap<string, string> = new Map([
  ['pg_node_tree', 'it is a parsed expression of the server; its input function always fails'],
  ['pg_ndistinct', 'it is a planner statistic; its input function always fails'],
  ['pg_dependencies', 'it is a planner statistic; its input function always fails'],
  ['pg_mcv_list', 'it is a planner statistic; its input function always fails'],
  ['pg_brin_bloom_summary', 'it is a part of a BRIN index; its input function always fails'],
  ['pg_brin_minmax_multi_summary', 'it is a part of a BRIN index; its input function always fails'],
  ['gtsvector', 'it is a part of a text search index; its input function always fails'],
]);

/**
 * Types of `pg_catalog` whose text is looked up by name when it is read (a table, a function, a role). The other server knows
 * other names under other OIDs, so these become `text` at the destination: the text itself arrives byte for byte.
 * Source: PostgreSQL manual, "8.19. Object Identifier Types"; `aclitem` names roles.
 */
export const TEXT_TYPES: ReadonlySet<string> = new Set([
  'regclass',
  'regcollation',
  'regconfig',
  'regdatabase',
  'regdictionary',
  'regnamespace',
  'regoper',
  'regoperator',
  'regproc',
  'regprocedure',
  'regrole',
  'regtype',
  'aclitem',
]);

/** What becomes of a type of `pg_catalog`. */
export type BuiltinTreatment =
  | { readonly kind: 'same' }
  | { readonly kind: 'text' }
  | { readonly kind: 'refused'; readonly reason: string };

/** Decides by name and kind; `name` is `pg_type.typname` of a type in `pg_catalog` that is neither an array nor a multirange. */
export function builtinTreatment(name: string): BuiltinTreatment {
  const reason = REFUSED_TYPES.get(name);
  if (reason !== undefined) return { kind: 'refused', reason };
  return TEXT_TYPES.has(name) ? { kind: 'text' } : { kind: 'same' };
}
