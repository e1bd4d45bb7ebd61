// Finds for every source type the destination's twin: built in, of an extension, made already, to be made, or refused with the reason.
import { must } from '../lib/assert.ts';
import type { TypeRef } from '../model/destination-table.ts';
import type { SourceType } from '../model/table.ts';
import { objectLabel } from '../model/table.ts';
import { builtinTreatment } from '../model/type-refusals.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { fitsIdentifier } from '../pg/ident.ts';
import { hashedName, mapSchema, type NamespaceRule, nameKey, fitName } from './names.ts';
import { compareType, type DestinationTypes, type ExistingType, sameShape, type TypeShape } from './types-existing.ts';
import { plainRef } from './types-format.ts';
import {
  mergeDefinitions,
  type RefusedType,
  refused,
  type TypeDefinition,
  type TypeOutcome,
  type UsableType,
  usable,
} from './types-outcome.ts';
import { conflictProblem, missingBaseType, missingBuiltin, missingExtension, refusedProblem } from './types-problem.ts';
import { withTypmod } from './types-typmod.ts';

export interface TypePlanInput {
  /** Every type that the columns reach, by the source's OID. */
  readonly types: ReadonlyMap<number, SourceType>;
  readonly destination: DestinationTypes;
  readonly rule: NamespaceRule;
  /** `nameKey()` of every destination table of the pipeline: a table's name is a type's name too. */
  readonly tableNames: ReadonlySet<string>;
}

/** The outcome of every type of `input.types`, by the source's OID. The same input gives the same outcome, whatever the map's order. */
export function planTypes(input: TypePlanInput): ReadonlyMap<number, TypeOutcome> {
  const planner = new TypePlanner(input);
  const sorted = [...input.types.values()].toSorted((a, b) => compareText(nameKey(a), nameKey(b)));
  return new Map(sorted.map((type) => [type.oid, planner.resolve(type.oid)]));
}

/** Which types of the destination planning could meet: every name in every schema is worth looking up. */
export function typeLookup(
  types: Iterable<SourceType>,
  rule: NamespaceRule,
): { readonly schemas: readonly string[]; readonly names: readonly string[] } {
  const schemas = new Set<string>();
  const names = new Set<string>();
  for (const type of types) {
    if (isSystemSchema(type.schema) || type.extension !== null || isArray(type)) continue;
    schemas.add(type.schema).add(mapSchema(rule, type.schema));
    names.add(type.name);
    for (const candidate of candidates(type, rule)) names.add(candidate.name);
  }
  return { schemas: [...schemas], names: [...names] };
}

interface Parts {
  readonly kind: 'parts';
  readonly shape: TypeShape;
  readonly definitions: readonly TypeDefinition[];
}

/** The memory of one planning: outcomes so far, and which destination names are spoken for. */
class TypePlanner {
  readonly #input: TypePlanInput;
  readonly #outcomes = new Map<number, TypeOutcome>();
  readonly #open = new Set<number>();
  readonly #claimed = new Map<string, TypeShape>();

  constructor(input: TypePlanInput) {
    this.#input = input;
  }

  resolve(oid: number): TypeOutcome {
    const known = this.#outcomes.get(oid);
    if (known !== undefined) return known;
    const type = this.#input.types.get(oid);
    if (type === undefined) return refused(refusedProblem(`the type with OID ${oid}`, 'the source no longer has it'));
    // Postgres allows no type that holds itself; a source that says so must not send us into endless recursion.
    if (this.#open.has(oid)) return refused(refusedProblem(objectLabel(type), 'it is made of itself'));
    this.#open.add(oid);
    const outcome = this.#plan(type);
    this.#open.delete(oid);
    this.#outcomes.set(oid, outcome);
    return outcome;
  }

  #plan(type: SourceType): TypeOutcome {
    if (type.kind === 'pseudo') return refused(refusedProblem(objectLabel(type), 'it is a pseudo-type'));
    if (isArray(type)) return this.#array(type);
    if (isSystemSchema(type.schema) && type.extension === null) return this.#builtin(type);
    if (type.extension !== null) return this.#extension(type, type.extension);
    if (type.kind === 'multirange') return this.#multirange(type);
    if (type.kind === 'base') return this.#base(type);
    return this.#userDefined(type);
  }

  #array(type: SourceType): TypeOutcome {
    const element = this.resolve(type.elementOid);
    if (element.kind === 'refused') return element;
    if (element.type.array) return refused(refusedProblem(objectLabel(type), 'it is an array of arrays'));
    return { ...element, type: { ...element.type, array: true } };
  }

  #builtin(type: SourceType): TypeOutcome {
    if (type.kind === 'composite') {
      return refused(refusedProblem(objectLabel(type), 'it is the row type of a system catalogue, which differs from version to version'));
    }
    const treatment = builtinTreatment(type.schema === 'pg_catalog' ? type.name : '');
    if (treatment.kind === 'refused') return refused(refusedProblem(objectLabel(type), treatment.reason));
    if (treatment.kind === 'text') return usable(plainRef('pg_catalog', 'text'), { via: 'text' });
    if (!this.#input.destination.builtins.has(nameKey(type))) return refused(missingBuiltin(type, this.#input.destination.versionNum));
    return usable(plainRef(type.schema, type.name));
  }

  #extension(type: SourceType, extension: string): TypeOutcome {
    const twin = this.#input.destination.extensions.get(nameKey({ schema: extension, name: type.name }));
    return twin === undefined ? refused(missingExtension(type, extension)) : usable(plainRef(twin.schema, twin.name));
  }

  /** A type made of C functions: its code can't be carried over, so it must be there, in the mapped schema or in one of its own name. */
  #base(type: SourceType): TypeOutcome {
    const { existing } = this.#input.destination;
    const schemas = [mapSchema(this.#input.rule, type.schema), type.schema];
    const twin = schemas.map((schema) => existing.get(nameKey({ schema, name: type.name }))).find((found) => found?.isBase === true);
    return twin === undefined ? refused(missingBaseType(type)) : usable(plainRef(twin.schema, twin.name));
  }

  #multirange(type: SourceType): TypeOutcome {
    const { versionNum, existing } = this.#input.destination;
    if (versionNum < MULTIRANGES_SINCE) return refused(missingBuiltin(type, versionNum));
    const range = this.resolve(type.elementOid);
    if (range.kind === 'refused') return range;
    const name = range.definitions.at(-1)?.multirange ?? existing.get(nameKey(range.type))?.multirange;
    if (name === null || name === undefined) return refused(missingBaseType(type));
    return usable(plainRef(name.schema, name.name), { definitions: range.definitions });
  }

  #userDefined(type: SourceType): TypeOutcome {
    const parts = this.#parts(type);
    if (parts.kind === 'refused') return parts;
    return this.#place(type, parts.shape, parts.definitions);
  }

  /** The shape with every part replaced by its destination twin. */
  #parts(type: SourceType): Parts | RefusedType {
    switch (type.kind) {
      case 'enum': {
        const tooLong = type.enumLabels.some((label) => !fitsIdentifier(label));
        if (tooLong) return refused(refusedProblem(objectLabel(type), 'a label has more than 63 bytes in UTF-8'));
        return { kind: 'parts', shape: { kind: 'enum', labels: type.enumLabels }, definitions: [] };
      }
      case 'domain': {
        const base = this.#part(type.elementOid, type.elementTypmod, undefined);
        return base.kind === 'refused'
          ? base
          : { kind: 'parts', shape: { kind: 'domain', base: base.type }, definitions: base.definitions };
      }
      case 'composite':
        return this.#compositeParts(type);
      case 'range':
        return this.#rangeParts(type);
      default:
        return refused(refusedProblem(objectLabel(type), `its kind (${type.kind}) is unknown`));
    }
  }

  #compositeParts(type: SourceType): Parts | RefusedType {
    const attributes: { name: string; type: TypeRef }[] = [];
    let definitions: readonly TypeDefinition[] = [];
    for (const attribute of type.attributes) {
      const part = this.#part(attribute.typeOid, attribute.typmod, attribute.formatted);
      if (part.kind === 'refused') return part;
      attributes.push({ name: fitName(attribute.name), type: part.type });
      definitions = mergeDefinitions(definitions, part.definitions);
    }
    return { kind: 'parts', shape: { kind: 'composite', attributes }, definitions };
  }

  #rangeParts(type: SourceType): Parts | RefusedType {
    const { operatorClass = null, collation = null, hasCanonical = false } = type.range ?? {};
    if (hasCanonical) return refused(refusedProblem(objectLabel(type), 'it has a canonical function, which is code of the source'));
    if ([operatorClass, collation].some((name) => name !== null && name.schema !== 'pg_catalog')) {
      return refused(refusedProblem(objectLabel(type), 'it orders its bounds by an operator class or a collation that users made'));
    }
    const subtype = this.#part(type.elementOid, -1, undefined);
    if (subtype.kind === 'refused') return subtype;
    if (subtype.via === 'text')
      return refused(refusedProblem(objectLabel(type), 'it is a range of a type that has no order at the destination'));
    const shape: TypeShape = { kind: 'range', subtype: subtype.type, operatorClass, collation };
    return { kind: 'parts', shape, definitions: subtype.definitions };
  }

  #part(oid: number, typmod: number, formatted: string | undefined): UsableType | RefusedType {
    const outcome = this.resolve(oid);
    if (outcome.kind === 'refused') return outcome;
    return withTypmod(outcome, { typmod, formatted, versionNum: this.#input.destination.versionNum });
  }

  /** Reuses an equal type of that name, makes one, or (where several schemas share one) gives way to another name. */
  #place(type: SourceType, shape: TypeShape, parts: readonly TypeDefinition[]): TypeOutcome {
    let obstacle: ExistingType | undefined;
    for (const name of candidates(type, this.#input.rule)) {
      if (this.#input.tableNames.has(nameKey(name))) continue;
      const claimed = this.#claimed.get(nameKey(name));
      if (claimed !== undefined && !sameShape(claimed, shape)) continue;
      const existing = this.#input.destination.existing.get(nameKey(name));
      const comparison = existing === undefined ? 'absent' : compareType(existing, shape);
      if (comparison === 'differs') {
        obstacle ??= existing;
        if (existing?.isTableRow !== true && this.#input.rule.kind === 'source') break;
        continue;
      }
      this.#claimed.set(nameKey(name), shape);
      if (comparison === 'same') return usable(plainRef(name.schema, name.name), { definitions: parts });
      return usable(plainRef(name.schema, name.name), { definitions: [...parts, this.#definition(type, name, shape)] });
    }
    return refused(conflictProblem(type, shape, obstacle ?? must(candidates(type, this.#input.rule)[0], 'a name for the type')));
  }

  #definition(type: SourceType, name: QualifiedName, shape: TypeShape): TypeDefinition {
    return { ...name, source: { schema: type.schema, name: type.name }, shape, multirange: this.#multirangeName(type) };
  }

  #multirangeName(range: SourceType): QualifiedName | null {
    if (range.kind !== 'range' || this.#input.destination.versionNum < MULTIRANGES_SINCE) return null;
    const type = [...this.#input.types.values()].find((other) => other.kind === 'multirange' && other.elementOid === range.oid);
    return type === undefined ? null : { schema: mapSchema(this.#input.rule, type.schema), name: fitName(type.name) };
  }
}

const MULTIRANGES_SINCE = 140_000;

/** The names that a type may get, the preferred one first. */
function candidates(type: SourceType, rule: NamespaceRule): readonly QualifiedName[] {
  const schema = mapSchema(rule, type.schema);
  const hashed = { schema, name: hashedName(type.name, nameKey(type)) };
  // The table itself takes the plain name.
  return type.isTableRow === true ? [hashed] : [{ schema, name: fitName(type.name) }, hashed];
}

/** `int2vector` and its like have elements too, but a text form of their own. True arrays of `pg_catalog` begin with `_`. */
function isArray(type: SourceType): boolean {
  return type.kind === 'array' && (type.schema !== 'pg_catalog' || type.name.startsWith('_'));
}

function isSystemSchema(schema: string): boolean {
  return schema === 'pg_catalog' || schema === 'information_schema';
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
