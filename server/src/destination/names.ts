// Which destination name every source name gets: always at most 63 bytes, always the same, and never one name for two things.
import { createHash } from 'node:crypto';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import { fitsIdentifier, type QualifiedName, truncateUtf8 } from '../pg/ident.ts';

/** The schema that holds our own state; no object may go there. */
export const STATE_SCHEMA = '_millrace';

/**
 * Where a source schema's objects go: `source` keeps the schema's name, `destination` puts all into one schema,
 * `pattern` replaces every `{schema}` in a text.
 */
export type NamespaceRule =
  | { readonly kind: 'source' }
  | { readonly kind: 'destination'; readonly schema: string }
  | { readonly kind: 'pattern'; readonly pattern: string };

/**
 * How a source's names of tables and columns become the destination's. `as_is`: unchanged. `plain`: letters, digits and underscores in
 * the case that they have, an underscore for every other character. Names are at most 63 bytes either way.
 */
export type NamingRule = 'as_is' | 'plain';

/** A source object that wants a name. */
export interface WantedName extends QualifiedName {
  /** The table name that the file asks for, or null. */
  readonly target: string | null;
  /** The name that the object was given on an earlier run, or null: it is kept, whatever joined since. */
  readonly assigned: QualifiedName | null;
}

/**
 * The destination schema of a source schema. Throws `config_invalid` where the rule leads to a schema that belongs to the server or
 * to us. Source: PostgreSQL manual, "5.10.5. The System Catalog Schema" (names that begin with `pg_` are reserved).
 */
export function mapSchema(rule: NamespaceRule, sourceSchema: string): string {
  const schema = fitName(wantedSchema(rule, sourceSchema));
  if (isReservedSchema(schema) || schema === '') {
    throw new MillraceError('config_invalid', {
      cause: `source schema ${JSON.stringify(sourceSchema)} would go to the destination schema ${JSON.stringify(schema)}, which is reserved`,
      fix: 'Choose another `namespace` for the pipeline or another `schema` for the destination.',
      side: 'destination',
    });
  }
  return schema;
}

/** Schemas of Postgres itself, and that of our own state. */
export function isReservedSchema(schema: string): boolean {
  return schema === STATE_SCHEMA || schema === 'information_schema' || schema.startsWith('pg_');
}

/**
 * Gives every object its destination name, in the order of `wanted`. The outcome depends on the set, not on the order: names that were
 * assigned before come first, then explicit targets, then the rest by source name; a later twin gets a suffix made of its own
 * source name's hash. Names that differ only in case are different names.
 * Throws `name_collision` where two explicit targets meet, or an explicit target meets a name that was assigned before.
 */
export function assignNames(rule: NamespaceRule, wanted: readonly WantedName[], naming: NamingRule = 'as_is'): readonly QualifiedName[] {
  const owners = new Map<string, WantedName>();
  const names = new Map<WantedName, QualifiedName>();
  const claim = (object: WantedName, name: QualifiedName): void => {
    const owner = owners.get(nameKey(name));
    if (owner !== undefined) throw collision(owner, object, name);
    owners.set(nameKey(name), object);
    names.set(object, name);
  };
  const sorted = wanted.toSorted(bySourceName);
  for (const object of sorted) if (object.assigned !== null && keepsAssigned(object)) claim(object, object.assigned);
  for (const object of sorted) {
    if (names.has(object) || object.target === null) continue;
    claim(object, { schema: mapSchema(rule, object.schema), name: checkedTarget(object, object.target) });
  }
  for (const object of sorted) if (!names.has(object)) claim(object, freeName({ rule, naming }, object, owners));
  return wanted.map((object) => names.get(object) ?? object);
}

/**
 * The destination names of a table's columns, by their source names. `names` are in the order in which the columns came into being: of two
 * that want one name the later gives way, so that a column that joins renames no other.
 */
export function columnNames(naming: NamingRule, names: readonly string[]): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  const taken = new Set<string>();
  for (const name of names) {
    const free = firstFree(naming, name, { identity: name, isTaken: (candidate) => taken.has(candidate) });
    taken.add(free);
    given.set(name, free);
  }
  return given;
}

/** An object that wants a table of raw records. */
export interface WantedRawName {
  readonly source: QualifiedName;
  readonly rawSchema: string;
  /** The name that it has. */
  readonly assigned: QualifiedName | null;
}

/**
 * Gives every object the name of its raw table, in the order of `wanted`: one that needs no quotes, made of the source's names. Names that
 * were given before stay; `taken` are those of others. The outcome does not depend on the order.
 */
export function assignRawNames(wanted: readonly WantedRawName[], taken: Iterable<QualifiedName>): readonly QualifiedName[] {
  const used = new Set([...taken].map(nameKey));
  const names = new Map<WantedRawName, QualifiedName>();
  const keeps = ({ assigned, rawSchema }: WantedRawName): boolean => assigned !== null && assigned.schema === rawSchema;
  for (const object of wanted) {
    if (object.assigned === null || !keeps(object)) continue;
    names.set(object, object.assigned);
    used.add(nameKey(object.assigned));
  }
  for (const object of wanted.toSorted((a, b) => bySourceName(a.source, b.source))) {
    if (names.has(object)) continue;
    const { source, rawSchema: schema } = object;
    const isTaken = (name: string): boolean => used.has(nameKey({ schema, name }));
    const name = { schema, name: firstFree('plain', rawName(source), { identity: nameKey(source), isTaken }) };
    names.set(object, name);
    used.add(nameKey(name));
  }
  return wanted.map((object) => names.get(object) ?? object.source);
}

/** A name for something of ours beside `table` (an index, a staging table): its own name cut, `kind` and a hash; at most 63 bytes. */
export function ownName(table: QualifiedName, kind: string): string {
  return suffixed(table.name, `_${kind}_${hash(kind, table.schema, table.name)}`);
}

/** `name` as it is when Postgres keeps it whole, otherwise cut and made unique by a hash. Databases in LATIN1 hold longer names. */
export function fitName(name: string): string {
  return fitsIdentifier(name) ? name : hashedName(name, name);
}

/** `name` with a suffix made of `identity`'s hash: for a second thing that wants the same name. */
export function hashedName(name: string, identity: string): string {
  return suffixed(name, `_${hash(identity)}`);
}

/** A key for maps by qualified name; no two names share one, since no name holds NUL. */
export function nameKey(name: QualifiedName): string {
  return `${name.schema}\0${name.name}`;
}

const MAX_NAME_BYTES = 63;
/** 48 bits: ten thousand tables of one name in as many schemas still get different names. */
const HASH_CHARS = 12;

function wantedSchema(rule: NamespaceRule, sourceSchema: string): string {
  switch (rule.kind) {
    case 'source':
      return sourceSchema;
    case 'destination':
      return rule.schema;
    case 'pattern':
      // A function, since `$&` in a schema's name would otherwise be read as a replacement pattern.
      return rule.pattern.replaceAll('{schema}', () => sourceSchema);
  }
}

/** An explicit target that changed since the name was assigned wins over it. */
function keepsAssigned(object: WantedName): boolean {
  return object.target === null || object.target === object.assigned?.name;
}

function checkedTarget(object: WantedName, target: string): string {
  if (target !== '' && fitsIdentifier(target) && !target.includes('\0')) return target;
  throw new MillraceError('config_invalid', {
    cause: `the target of ${objectLabel(object)} is not a possible table name (1 to ${MAX_NAME_BYTES} bytes)`,
    fix: 'Choose a shorter `target`.',
    object: objectLabel(object),
  });
}

function freeName(
  { rule, naming }: { readonly rule: NamespaceRule; readonly naming: NamingRule },
  object: WantedName,
  owners: ReadonlyMap<string, WantedName>,
): QualifiedName {
  const schema = mapSchema(rule, object.schema);
  const isTaken = (name: string): boolean => owners.has(nameKey({ schema, name }));
  return { schema, name: firstFree(naming, object.name, { identity: nameKey(object), isTaken }) };
}

/** The name as the rule has it, or with a suffix made of the hash of `identity`. */
function firstFree(
  naming: NamingRule,
  name: string,
  { identity, isTaken }: { readonly identity: string; readonly isTaken: (name: string) => boolean },
): string {
  const wanted = naming === 'plain' ? plainName(name) : name;
  // The hash is of the source's own name: two long names that differ only in what was replaced must not meet again.
  const first = fitsIdentifier(wanted) ? wanted : hashedName(wanted, name);
  if (!isTaken(first)) return first;
  for (let attempt = 0; ; attempt++) {
    const next = hashedName(wanted, `${identity}\0${attempt}`);
    if (!isTaken(next)) return next;
  }
}

/** As a name without quotes would be folded and spelt; such a name begins with no digit. */
function rawName({ schema, name }: QualifiedName): string {
  const folded = plainName(`${schema}_raw__stream_${name}`.toLowerCase());
  return /^\p{N}/u.test(folded) ? `_${folded}` : folded;
}

/** Letters of any script stay, with the marks that belong to them. */
function plainName(name: string): string {
  return name.replaceAll(/[^\p{L}\p{M}\p{N}_]/gu, '_');
}

function collision(first: WantedName, second: WantedName, name: QualifiedName): MillraceError {
  return new MillraceError('name_collision', {
    cause: `${objectLabel(first)} and ${objectLabel(second)} both lead to the destination table ${objectLabel(name)}`,
    fix: `Give ${objectLabel(second)} another \`target\`, or skip one of the two.`,
    object: objectLabel(second),
    side: 'destination',
  });
}

/** By code unit, so that the order is the same on every machine whatever its locale. */
function bySourceName(a: QualifiedName, b: QualifiedName): number {
  const [left, right] = [nameKey(a), nameKey(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function suffixed(name: string, suffix: string): string {
  return truncateUtf8(name, MAX_NAME_BYTES - Buffer.byteLength(suffix)) + suffix;
}

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, HASH_CHARS);
}
