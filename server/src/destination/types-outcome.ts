// What becomes of a source type at the destination: a twin that exists, one that must be made, or a refusal with its way out.
import type { ColumnConversion, TypeRef } from '../model/destination-table.ts';
import type { ErrorName } from '../model/error-catalogue.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { nameKey } from './names.ts';
import type { TypeShape } from './types-existing.ts';

/** Why a type can't be used at the destination. */
export interface TypeProblem {
  readonly errorName: Extract<ErrorName, 'type_refused' | 'type_missing' | 'type_conflict'>;
  readonly cause: string;
  /** The statement to paste; absent: the catalogue's general fix. */
  readonly fix?: string | undefined;
}

/** A type to create, or an enum of ours to add labels to: which of the two is decided when it is done. */
export interface TypeDefinition extends QualifiedName {
  readonly source: QualifiedName;
  readonly shape: TypeShape;
  /** The name that a range's multirange gets; null: the server chooses. */
  readonly multirange: QualifiedName | null;
}

/** What a source type becomes. */
export type TypeOutcome = UsableType | RefusedType;

export interface UsableType {
  readonly kind: 'usable';
  /** Without modifiers. */
  readonly type: TypeRef;
  /** `text`: values are kept in their text form, because the type's meaning is tied to the source server. */
  readonly via: 'same' | 'text';
  /** What must be made first, each type after those that it is made of, none twice. */
  readonly definitions: readonly TypeDefinition[];
  /** Of a column in a table of mapped types only. */
  readonly conversion?: ColumnConversion | undefined;
}

export interface RefusedType {
  readonly kind: 'refused';
  readonly problem: TypeProblem;
}

/** A usable type without modifiers; `rest` overrides the usual. */
export function usable(type: TypeRef, rest: Partial<Pick<UsableType, 'via' | 'definitions' | 'conversion'>> = {}): UsableType {
  return { kind: 'usable', type, via: 'same', definitions: [], ...rest };
}

export function refused(problem: TypeProblem): RefusedType {
  return { kind: 'refused', problem };
}

/** Joins lists of definitions, keeping the first of each name: a type that is used a thousand times is made once. */
export function mergeDefinitions(...lists: readonly (readonly TypeDefinition[])[]): readonly TypeDefinition[] {
  const merged = new Map<string, TypeDefinition>();
  for (const list of lists)
    for (const definition of list) if (!merged.has(nameKey(definition))) merged.set(nameKey(definition), definition);
  return [...merged.values()];
}
