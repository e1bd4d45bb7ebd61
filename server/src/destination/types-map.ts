// Decides what a column's type becomes under the type maps of other systems, and how its values get there.
import { type ColumnConversion, INPUT_CHECKED_SINCE, type TypeRef } from '../model/destination-table.ts';
import type { TypeMap } from '../model/layout.ts';
import type { SourceColumn, SourceType } from '../model/table.ts';
import { TEXT_TYPES } from '../model/type-refusals.ts';
import type { NamingRule } from './names.ts';
import { plainRef, typeSql } from './types-format.ts';
import { type RefusedType, refused, type TypeOutcome, type UsableType, usable } from './types-outcome.ts';
import { refusedProblem } from './types-problem.ts';
import { withTypmod } from './types-typmod.ts';

export interface TypeMapInput {
  readonly map: Exclude<TypeMap, 'native'>;
  readonly types: ReadonlyMap<number, SourceType>;
  /** What each type would be natively: the twins that values are staged in. */
  readonly outcomes: ReadonlyMap<number, TypeOutcome>;
  /** `server_version_num` of the destination. */
  readonly destinationVersionNum: number;
  /** Whether the row has a place where it says that a value could not be converted. */
  readonly hasNotes: boolean;
}

/** The names that go with a type map: its tables are for tools that expect plain ones. */
export function namingOf(map: TypeMap): NamingRule {
  return map === 'airbyte' ? 'plain' : 'as_is';
}

/** The type of `column` at the destination. The column's own type must be among `types`. */
export function mapType(column: Pick<SourceColumn, 'typeOid' | 'typmod'>, input: TypeMapInput): UsableType | RefusedType {
  const base = withoutDomains({ oid: column.typeOid, typmod: column.typmod }, input.types);
  const type = input.types.get(base.oid);
  const native = input.outcomes.get(base.oid);
  if (type === undefined || native === undefined) {
    return refused(refusedProblem(`the type with OID ${column.typeOid}`, 'the source did not describe it'));
  }
  // What no server reads back, or no catalogue describes: a text of it would say nothing.
  if (native.kind === 'refused' && (type.kind === 'pseudo' || isSystemType(type)) && !isTrueArray(type)) return native;
  return input.map === 'airbyte' ? toAirbyte(type, input) : toHevo({ type, native, typmod: base.typmod }, input);
}

/** Whether values that differ still differ after the conversion, so that a key of them finds its rows. */
export function keepsIdentity(conversion: ColumnConversion | undefined): boolean {
  return conversion === undefined || conversion.form === 'number';
}

const NUMERIC_INFINITE_SINCE = 140_000;
const MAX_DEPTH = 32;

const VARCHAR = plainRef('pg_catalog', 'varchar');
const TEXTS: TypeRef = { ...plainRef('pg_catalog', 'text'), array: true };

const AIRBYTE_SCALARS: ReadonlyMap<string, string> = new Map([
  ...['int2', 'int4', 'int8', 'oid'].map((name) => [name, 'int8'] as const),
  ...['float4', 'float8', 'numeric'].map((name) => [name, 'numeric'] as const),
  ...['bool', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'jsonb'].map((name) => [name, name] as const),
]);

/** Types whose values are no strings in json, or strings of another form than their text; elements of `box[]` stand between semicolons. */
const JSON_VALUES: ReadonlySet<string> = new Set(
  'bool int2 int4 int8 float4 float8 numeric date timestamp timestamptz jsonb box'.split(' '),
);

function toAirbyte(type: SourceType, input: TypeMapInput): UsableType | RefusedType {
  const jsonb = (conversion: ColumnConversion): UsableType => usable(plainRef('pg_catalog', 'jsonb'), { conversion });
  if (isTrueArray(type) || type.kind === 'composite' || isHstore(type)) return asJson(type, input, jsonb);
  if (type.schema !== 'pg_catalog' || type.kind !== 'base') return asText(type);
  if (type.name === 'json') return jsonb({ form: 'json', stagedAs: TEXT_SQL, ...failingJson(input) });
  const name = AIRBYTE_SCALARS.get(type.name);
  if (name === undefined) return asText(type);
  const twin = plainRef('pg_catalog', name);
  if (name !== 'numeric') return usable(twin);
  const isTooOld = input.destinationVersionNum < NUMERIC_INFINITE_SINCE;
  return usable(twin, { conversion: { form: 'number', stagedAs: isTooOld ? TEXT_SQL : null, nulls: isTooOld && input.hasNotes } });
}

function toHevo(
  { type, native, typmod }: { readonly type: SourceType; readonly native: TypeOutcome; readonly typmod: number },
  { destinationVersionNum: versionNum }: TypeMapInput,
): UsableType | RefusedType {
  const isBuiltin = type.schema === 'pg_catalog' && type.kind !== 'range' && type.kind !== 'multirange' && !isTrueArray(type);
  if (!isBuiltin || TEXT_TYPES.has(type.name)) return asText(type);
  return native.kind === 'refused' ? native : withTypmod(native, { typmod, formatted: undefined, versionNum });
}

/** Any text fits, whatever the destination knows of the type. */
function asText(type: SourceType): UsableType {
  return usable(VARCHAR, { via: type.schema === 'pg_catalog' && TEXT_TYPES.has(type.name) ? 'text' : 'same' });
}

/**
 * Values are staged in a type of the destination that makes json of them as the source's would: arrays of what json has only strings for
 * as arrays of text, others in their twins, which are made where they are missing.
 */
function asJson(type: SourceType, input: TypeMapInput, jsonb: (conversion: ColumnConversion) => UsableType): UsableType | RefusedType {
  const form = jsonForm(type.oid, input.types);
  if (form === 'string') return jsonb({ form: 'array', stagedAs: typeSql(TEXTS), nulls: false });
  const scalar = isTrueArray(type) ? input.types.get(withoutDomains({ oid: type.elementOid, typmod: -1 }, input.types).oid) : undefined;
  const twin =
    scalar?.kind === 'base' && scalar.schema === 'pg_catalog'
      ? usable({ ...plainRef('pg_catalog', scalar.name), array: true })
      : (input.outcomes.get(type.oid) ?? refused(refusedProblem(`the type with OID ${type.oid}`, 'the source did not describe it')));
  if (twin.kind === 'refused') return twin;
  const conversion: ColumnConversion = {
    stagedAs: typeSql(twin.type),
    ...(form === 'json' ? { form: 'document', ...failingJson(input) } : { form: 'value', nulls: false }),
  };
  return { ...jsonb(conversion), definitions: twin.definitions };
}

const TEXT_SQL = typeSql(plainRef('pg_catalog', 'text'));

function failingJson({ hasNotes, destinationVersionNum }: TypeMapInput): Pick<ColumnConversion, 'nulls' | 'needsHelper'> {
  return { nulls: hasNotes, ...(destinationVersionNum < INPUT_CHECKED_SINCE ? { needsHelper: true } : {}) };
}

/** What `to_jsonb` makes of a value: a string with its text, anything else, or anything else with a json text inside. */
function jsonForm(oid: number, types: ReadonlyMap<number, SourceType>, depth = 0): 'string' | 'value' | 'json' {
  const type = types.get(oid);
  if (type === undefined || depth > MAX_DEPTH) return 'json';
  if (isTrueArray(type)) {
    const inner = types.get(withoutDomains({ oid: type.elementOid, typmod: -1 }, types).oid);
    const element = jsonForm(type.elementOid, types, depth + 1);
    // An array inside a domain inside an array is one more level of json, and no text.
    return element === 'string' && inner !== undefined && isTrueArray(inner) ? 'value' : element;
  }
  if (type.kind === 'domain') return jsonForm(type.elementOid, types, depth + 1);
  if (type.kind === 'composite') {
    return type.attributes.some((attribute) => jsonForm(attribute.typeOid, types, depth + 1) === 'json') ? 'json' : 'value';
  }
  if (type.kind !== 'base') return 'string';
  // Code of an extension may say how it looks in json, or separate elements otherwise than by a comma.
  if (type.schema !== 'pg_catalog') return 'value';
  return type.name === 'json' ? 'json' : JSON_VALUES.has(type.name) ? 'value' : 'string';
}

/** A domain restricts values at the source; what they are is said by the type below. */
function withoutDomains(
  start: { readonly oid: number; readonly typmod: number },
  types: ReadonlyMap<number, SourceType>,
): { readonly oid: number; readonly typmod: number } {
  let { oid, typmod } = start;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const type = types.get(oid);
    if (type?.kind !== 'domain') break;
    oid = type.elementOid;
    typmod = type.elementTypmod;
  }
  return { oid, typmod };
}

/** `int2vector` and its like have elements too, but a text form of their own. */
function isTrueArray(type: SourceType): boolean {
  return type.kind === 'array' && (type.schema !== 'pg_catalog' || type.name.startsWith('_'));
}

/** It has a cast to json of its own, which `to_jsonb` uses. */
function isHstore(type: SourceType): boolean {
  return type.extension === 'hstore' && type.name === 'hstore';
}

function isSystemType(type: SourceType): boolean {
  return type.schema === 'pg_catalog' || type.schema === 'information_schema';
}
