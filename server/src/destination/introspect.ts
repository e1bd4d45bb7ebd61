// Reads what the destination is and has: server, schemas, relations and types, as plain values for the planning to judge.
import { TABLE_SHAPES } from './table-shape.sql.ts';
import type { PgSession, Row } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import type { TypeRef } from '../model/destination-table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import * as sql from './introspect.sql.ts';
import { nameKey } from './names.ts';
import type { DestinationTypes, ExistingType, ExtensionType, TypeShape } from './types-existing.ts';

/** The destination server, its database and our role in it. */
export interface ServerFacts {
  /** `server_version_num`, e.g. 170004. */
  readonly versionNum: number;
  readonly database: string;
  readonly role: string;
  readonly isSuperuser: boolean;
  /** e.g. `UTF8`. */
  readonly encoding: string;
  readonly inRecovery: boolean;
  readonly mayCreateSchemas: boolean;
  readonly mayCreateTemporary: boolean;
  /** Whether the database or the role asks for read-only transactions (which our sessions override). */
  readonly readOnlyByDefault: boolean;
}

/** A schema that exists, and what our role may do in it. */
export interface SchemaFacts {
  readonly name: string;
  readonly mayUse: boolean;
  readonly mayCreate: boolean;
  readonly owner: string;
}

/** Something that has a table's name. */
export interface RelationFacts extends QualifiedName {
  readonly oid: number;
  /** `pg_class.relkind`. */
  readonly relkind: string;
}

/** A column of a table that exists. */
export interface ExistingColumn {
  readonly name: string;
  readonly type: TypeRef;
  readonly generated: boolean;
}

export async function readServerFacts(session: PgSession): Promise<ServerFacts> {
  const row = must((await session.query(sql.SERVER_FACTS, []))[0], 'the facts of the destination server');
  return {
    versionNum: Number(text(row, 0)),
    database: text(row, 1),
    role: text(row, 2),
    isSuperuser: flag(row, 3),
    encoding: text(row, 4),
    inRecovery: flag(row, 5),
    mayCreateSchemas: flag(row, 6),
    mayCreateTemporary: flag(row, 7),
    readOnlyByDefault: flag(row, 8),
  };
}

/** The database's default collation as one text: equal texts sort and fold alike. Works on a session of either side. */
export async function readCollation(session: PgSession): Promise<string> {
  return text(must((await session.query(sql.COLLATION, []))[0], 'the database in pg_database'), 0);
}

/** Those of `schemas` that exist. */
export async function readSchemas(session: PgSession, schemas: readonly string[]): Promise<readonly SchemaFacts[]> {
  const rows = await session.query(sql.SCHEMAS, [schemas]);
  return rows.map((row) => ({ name: text(row, 0), mayUse: flag(row, 1), mayCreate: flag(row, 2), owner: text(row, 3) }));
}

/** Those of `names` that are taken by a table, view, index or sequence. */
export async function readRelations(session: PgSession, names: readonly QualifiedName[]): Promise<readonly RelationFacts[]> {
  const rows = await session.query(sql.RELATIONS, [JSON.stringify(names.map(({ schema, name }) => [schema, name]))]);
  return rows.map((row) => ({ schema: text(row, 0), name: text(row, 1), oid: Number(text(row, 2)), relkind: text(row, 3) }));
}

/** The columns of a table in order. */
export async function readColumns(session: PgSession, tableOid: number): Promise<readonly ExistingColumn[]> {
  const rows = await session.query(sql.COLUMNS, [tableOid]);
  return rows.map((row) => ({ name: text(row, 0), type: refOf(JSON.parse(text(row, 1)) as JsonRef), generated: flag(row, 2) }));
}

/**
 * What the destination knows of types. `lookup` (from `typeLookup()`) bounds the users' types that are read; `ours` holds the OIDs of
 * types that we created (`loadOwnedTypes()`).
 */
export async function readDestinationTypes(
  session: PgSession,
  lookup: { readonly schemas: readonly string[]; readonly names: readonly string[] },
  ours: ReadonlySet<number>,
): Promise<DestinationTypes> {
  const version = must((await session.query(`SELECT pg_catalog.current_setting('server_version_num')`, []))[0], 'the server version');
  const builtins = await session.query(sql.BUILTIN_TYPES, []);
  const extensions = await session.query(sql.EXTENSION_TYPES, []);
  const users = lookup.names.length === 0 ? [] : await session.query(sql.USER_TYPES, [lookup.schemas, lookup.names]);
  return {
    versionNum: Number(text(version, 0)),
    builtins: new Set(builtins.map((row) => nameKey({ schema: text(row, 0), name: text(row, 1) }))),
    extensions: new Map(extensions.map((row) => [nameKey({ schema: text(row, 0), name: text(row, 2) }), extensionType(row)])),
    existing: new Map(users.map((row) => existingType(row, ours)).map((type) => [nameKey(type), type])),
  };
}

type JsonRef = readonly [schema: string, name: string, array: boolean, typmod: number];
type JsonName = readonly [schema: string, name: string];

/** Of each of the tables that is still there, a text that changes whenever somebody changes what may refuse rows of it. */
export async function readTableShapes(session: PgSession, oids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const rows = await session.query(TABLE_SHAPES, [oids.map(String)]);
  return new Map(rows.map(([oid, shape]) => [Number(oid), shape ?? '']));
}

function extensionType(row: Row): ExtensionType {
  return { schema: text(row, 1), name: text(row, 2), hasBinary: flag(row, 3) };
}

function existingType(row: Row, ours: ReadonlySet<number>): ExistingType {
  const oid = Number(text(row, 0));
  const [shape, multirange] = [row[6] ?? null, row[7] ?? null];
  return {
    oid,
    schema: text(row, 1),
    name: text(row, 2),
    isBase: text(row, 3) === 'b',
    hasBinary: flag(row, 4),
    isTableRow: flag(row, 5),
    shape: shape === null ? null : shapeOf(text(row, 3), JSON.parse(shape)),
    multirange: multirange === null ? null : nameOf(JSON.parse(multirange) as JsonName),
    ours: ours.has(oid),
  };
}

/** Reads the JSON that `USER_TYPES` builds for each `typtype`. */
function shapeOf(typtype: string, parts: unknown): TypeShape | null {
  switch (typtype) {
    case 'e':
      return { kind: 'enum', labels: parts as readonly string[] };
    case 'd':
      return { kind: 'domain', base: refOf((parts as readonly [JsonRef])[0]) };
    case 'c':
      return {
        kind: 'composite',
        attributes: (parts as readonly (readonly [string, JsonRef])[]).map(([name, ref]) => ({ name, type: refOf(ref) })),
      };
    case 'r': {
      const [subtype, operatorClass, collation] = parts as readonly [JsonRef, JsonName | null, JsonName | null];
      return { kind: 'range', subtype: refOf(subtype), operatorClass: nameOf(operatorClass), collation: nameOf(collation) };
    }
    default:
      return null;
  }
}

/** The catalogue's numbers are enough to compare; modifiers as text are only for types that we are going to make. */
function refOf([schema, name, array, typmod]: JsonRef): TypeRef {
  return { schema, name, array, typmod, modifiers: '' };
}

function nameOf(name: JsonName): QualifiedName;
function nameOf(name: JsonName | null): QualifiedName | null;
function nameOf(name: JsonName | null): QualifiedName | null {
  return name === null ? null : { schema: name[0], name: name[1] };
}

function text(row: Row, index: number): string {
  return must(row[index], `column ${index} of a catalogue query`);
}

function flag(row: Row, index: number): boolean {
  return text(row, index) === 't';
}
