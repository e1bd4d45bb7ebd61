// Types as the destination has them and as we want them, and whether the two are the same.
import type { TypeRef } from '../model/destination-table.ts';
import type { QualifiedName } from '../pg/ident.ts';

/** A type that a table needs at the destination, apart from its name. */
export type TypeShape =
  | { readonly kind: 'enum'; readonly labels: readonly string[] }
  | { readonly kind: 'domain'; readonly base: TypeRef }
  | { readonly kind: 'composite'; readonly attributes: readonly { readonly name: string; readonly type: TypeRef }[] }
  | {
      readonly kind: 'range';
      readonly subtype: TypeRef;
      /** Null: the subtype's default. */
      readonly operatorClass: QualifiedName | null;
      readonly collation: QualifiedName | null;
    };

/** A type found at the destination. */
export interface ExistingType extends QualifiedName {
  readonly oid: number;
  /** Null: not a type that we would make (a table's row type, a base type, a multirange, a domain with constraints). */
  readonly shape: TypeShape | null;
  /** Whether a pipeline of this state schema created it. */
  readonly ours: boolean;
  readonly hasBinary: boolean;
  /** Whether it is a base type: one made of C functions, which can only be used if it exists. */
  readonly isBase: boolean;
  /** Whether it is the row type of a table, which nobody asked for. */
  readonly isTableRow: boolean;
  /** The multirange of a range type; null for others and before PostgreSQL 14. */
  readonly multirange: QualifiedName | null;
}

/** A type that an extension of the destination owns. */
export interface ExtensionType extends QualifiedName {
  readonly hasBinary: boolean;
}

/** What the destination knows of types. Keys are `nameKey()` texts. */
export interface DestinationTypes {
  /** `server_version_num`. */
  readonly versionNum: number;
  /** Names in `pg_catalog` and `information_schema`. */
  readonly builtins: ReadonlySet<string>;
  /** By `nameKey({ schema: extension, name: type name })`. */
  readonly extensions: ReadonlyMap<string, ExtensionType>;
  /** Types of users, by qualified name. */
  readonly existing: ReadonlyMap<string, ExistingType>;
}

/**
 * How a wanted type relates to an existing one:
 * - `same`: use it. - `extend`: ours, an enum that lacks labels (they are added in place). - `differs`: it must not be touched.
 */
export type Comparison = 'same' | 'extend' | 'differs';

/** Compares by structure; an enum of ours may also have more labels than wanted, since a twin may have brought them. */
export function compareType(existing: ExistingType, wanted: TypeShape): Comparison {
  if (existing.shape === null) return 'differs';
  if (sameShape(existing.shape, wanted)) return 'same';
  if (existing.shape.kind !== 'enum' || wanted.kind !== 'enum' || !existing.ours) return 'differs';
  if (isSubsequence(wanted.labels, existing.shape.labels)) return 'same';
  return isSubsequence(existing.shape.labels, wanted.labels) ? 'extend' : 'differs';
}

/** Whether two types hold the same values in the same order. */
export function sameShape(a: TypeShape, b: TypeShape): boolean {
  switch (a.kind) {
    case 'enum':
      return b.kind === 'enum' && sameList(a.labels, b.labels, Object.is);
    case 'domain':
      return b.kind === 'domain' && sameRef(a.base, b.base);
    case 'composite':
      return b.kind === 'composite' && sameList(a.attributes, b.attributes, (x, y) => x.name === y.name && sameRef(x.type, y.type));
    case 'range':
      return (
        b.kind === 'range' &&
        sameRef(a.subtype, b.subtype) &&
        sameName(a.operatorClass, b.operatorClass) &&
        sameName(a.collation, b.collation)
      );
  }
}

/** Whether two references mean one type. Modifiers of extensions' types have no comparable number: both sides say -1 for them. */
export function sameRef(a: TypeRef, b: TypeRef): boolean {
  return a.schema === b.schema && a.name === b.name && a.array === b.array && a.typmod === b.typmod;
}

/** For each label of `wanted` that `existing` lacks, the label that it follows (null: it comes first). */
export function missingLabels(
  existing: readonly string[],
  wanted: readonly string[],
): readonly { readonly label: string; readonly after: string | null }[] {
  const present = new Set(existing);
  return wanted.flatMap((label, index) => (present.has(label) ? [] : [{ label, after: index === 0 ? null : (wanted[index - 1] ?? null) }]));
}

/** Whether all of `part` appears in `whole` in the same order. */
export function isSubsequence(part: readonly string[], whole: readonly string[]): boolean {
  let matched = 0;
  for (const item of whole) if (item === part[matched]) matched++;
  return matched === part.length;
}

function sameName(a: QualifiedName | null, b: QualifiedName | null): boolean {
  return a === null || b === null ? a === b : a.schema === b.schema && a.name === b.name;
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => index < b.length && same(item, b[index] as T));
}
