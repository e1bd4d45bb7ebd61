// The words for every reason why a type can't be used at the destination, with the statement that mends it.
import type { SourceType } from '../model/table.ts';
import { objectLabel } from '../model/table.ts';
import { type QualifiedName, quoteIdent, quoteLiteral, quoteName } from '../pg/ident.ts';
import { type ExistingType, isSubsequence, missingLabels, type TypeShape } from './types-existing.ts';
import { typeSql } from './types-format.ts';
import type { TypeProblem } from './types-outcome.ts';

/** A type that can't be replicated to any server. */
export function refusedProblem(type: string, why: string): TypeProblem {
  return { errorName: 'type_refused', cause: `${type} can't be replicated: ${why}` };
}

/** A type of PostgreSQL itself that the destination does not have. */
export function missingBuiltin(type: QualifiedName, versionNum: number): TypeProblem {
  return {
    errorName: 'type_missing',
    cause: `the destination (PostgreSQL ${majorOf(versionNum)}) has no type ${objectLabel(type)}; it needs the source's version or a later one`,
    fix: "Upgrade the destination to the source's version, or skip the object.",
  };
}

/** A type with modifiers that only later versions accept. */
export function needsVersion(what: string, neededVersionNum: number, versionNum: number): TypeProblem {
  return {
    errorName: 'type_missing',
    cause: `the destination is PostgreSQL ${majorOf(versionNum)}, but ${what} needs PostgreSQL ${majorOf(neededVersionNum)} or later`,
    fix: `Upgrade the destination to PostgreSQL ${majorOf(neededVersionNum)} or later, or skip the object.`,
  };
}

/** A type of an extension that is not installed at the destination. */
export function missingExtension(type: QualifiedName, extension: string): TypeProblem {
  return {
    errorName: 'type_missing',
    cause: `the type ${objectLabel(type)} belongs to the extension ${extension}, which the destination database lacks`,
    fix: `CREATE EXTENSION ${readableIdent(extension)};`,
  };
}

/** A base type (C functions) or a multirange that only somebody else can provide. */
export function missingBaseType(type: QualifiedName): TypeProblem {
  return {
    errorName: 'type_missing',
    cause: `the type ${objectLabel(type)} is not in the destination database, and Millrace can't make it`,
    fix: 'Install the software that provides the type at the destination, or skip the object.',
  };
}

/** The name is taken by something else, which is not ours to alter. */
export function conflictProblem(type: SourceType, wanted: TypeShape, obstacle: QualifiedName | ExistingType): TypeProblem {
  const name = objectLabel(obstacle);
  return {
    errorName: 'type_conflict',
    cause: `the destination has ${name} already, and it differs from the source's ${type.kind} ${objectLabel(type)}`,
    fix: conflictFix(wanted, obstacle),
  };
}

/** `ALTER TYPE … ADD VALUE` for every label that is missing, in an order in which each can run. */
export function addLabelStatements(type: QualifiedName, existing: readonly string[], wanted: readonly string[]): readonly string[] {
  const first = existing[0];
  return missingLabels(existing, wanted).map(({ label, after }) => {
    const place = after !== null ? ` AFTER ${quoteLiteral(after)}` : first !== undefined ? ` BEFORE ${quoteLiteral(first)}` : '';
    return `ALTER TYPE ${quoteName(type)} ADD VALUE ${quoteLiteral(label)}${place}`;
  });
}

function conflictFix(wanted: TypeShape, obstacle: QualifiedName | ExistingType): string | undefined {
  const shape = 'shape' in obstacle ? obstacle.shape : null;
  if (wanted.kind === 'enum' && shape?.kind === 'enum' && isSubsequence(shape.labels, wanted.labels)) {
    return addLabelStatements(obstacle, shape.labels, wanted.labels)
      .map((statement) => `${statement};`)
      .join('\n');
  }
  if (wanted.kind === 'domain')
    return `Make it a domain over ${typeSql(wanted.base)} without constraints, or choose another schema for the destination.`;
  return undefined;
}

function majorOf(versionNum: number): number {
  return Math.floor(versionNum / 10_000);
}

/** Without quotes where none are needed, as a person would write it. */
function readableIdent(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : quoteIdent(name);
}
