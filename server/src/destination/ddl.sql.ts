// The statements that create what we own at the destination: schemas, types, tables and their keys. All names quoted and qualified.
import { must } from '../lib/assert.ts';
import type { DestinationColumn, DestinationTable, MetadataColumn } from '../model/destination-table.ts';
import { type QualifiedName, quoteIdent, quoteLiteral, quoteName } from '../pg/ident.ts';
import { ownName } from './names.ts';
import type { ExistingType } from './types-existing.ts';
import { typeSql } from './types-format.ts';
import type { TypeDefinition } from './types-outcome.ts';
import { addLabelStatements } from './types-problem.ts';

/** Serialises DDL among pipelines of one destination, which may share schemas and types; the number is ours alone. */
export const LOCK_DDL = `SELECT pg_catalog.pg_advisory_xact_lock(5501120441734)`;

export function createSchema(schema: string): string {
  return `CREATE SCHEMA ${quoteIdent(schema)}`;
}

/** The statements that make a type. */
export function createTypeStatements(definition: TypeDefinition): readonly string[] {
  const { shape } = definition;
  const name = quoteName(definition);
  switch (shape.kind) {
    case 'enum':
      return [`CREATE TYPE ${name} AS ENUM (${shape.labels.map(quoteLiteral).join(', ')})`];
    case 'domain':
      return [`CREATE DOMAIN ${name} AS ${typeSql(shape.base)}`];
    case 'composite': {
      const attributes = shape.attributes.map((attribute) => `${quoteIdent(attribute.name)} ${typeSql(attribute.type)}`);
      return [`CREATE TYPE ${name} AS (${attributes.join(', ')})`];
    }
    case 'range': {
      const options = [
        `SUBTYPE = ${typeSql(shape.subtype)}`,
        ...(shape.operatorClass === null ? [] : [`SUBTYPE_OPCLASS = ${quoteName(shape.operatorClass)}`]),
        ...(shape.collation === null ? [] : [`COLLATION = ${quoteName(shape.collation)}`]),
        ...(definition.multirange === null ? [] : [`MULTIRANGE_TYPE_NAME = ${quoteName(definition.multirange)}`]),
      ];
      return [`CREATE TYPE ${name} AS RANGE (${options.join(', ')})`];
    }
  }
}

/** The statements that add the labels which an enum of ours lacks; none for other types. */
export function extendTypeStatements(definition: TypeDefinition, existing: ExistingType): readonly string[] {
  if (definition.shape.kind !== 'enum' || existing.shape?.kind !== 'enum') return [];
  return addLabelStatements(definition, existing.shape.labels, definition.shape.labels);
}

/** CREATE TABLE without keys: they are built after the first load, when it is cheaper. */
export function createTable(table: DestinationTable): string {
  return `CREATE TABLE ${quoteName(table)} (${[...table.columns.map(columnDefinition), ...table.metadata.map(metadataDefinition)].join(', ')})`;
}

/**
 * The statements that add the table's keys. An index is built first, which readers don't notice, and becomes the primary key in an
 * instant; its columns are NOT NULL from the start, so nothing is scanned.
 */
export function keyStatements(
  table: DestinationTable,
  missing: { readonly primaryKey: boolean; readonly uniqueKey: boolean },
): readonly string[] {
  const statements: string[] = [];
  if (missing.primaryKey && table.primaryKey.length > 0) {
    const index = ownName(table, 'pkey');
    statements.push(
      uniqueIndex(table, index, table.primaryKey),
      `ALTER TABLE ${quoteName(table)} ADD CONSTRAINT ${quoteIdent(index)} PRIMARY KEY USING INDEX ${quoteIdent(index)}${deferral(table)}`,
    );
  }
  if (missing.uniqueKey && table.uniqueKey.length > 0) statements.push(uniqueIndex(table, ownName(table, 'key'), table.uniqueKey));
  return statements;
}

/** Fails rather than take along what others built on the table. */
export function dropTable(table: QualifiedName): string {
  return `DROP TABLE ${quoteName(table)}`;
}

/** Taken before a table is altered, so that its name can't change hands in between. */
export function lockTable(table: QualifiedName): string {
  return `LOCK TABLE ${quoteName(table)} IN ACCESS EXCLUSIVE MODE`;
}

/** The name of the plain table with the OID `$1`. */
export const TABLE_BY_OID = `
  SELECT n.nspname, c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = $1::pg_catalog.oid AND c.relkind = 'r'`;

/** The unique indexes of the table `$1`: primary or not, and the columns by name as JSON. */
export const UNIQUE_INDEXES = `
  SELECT i.indisprimary,
         (SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attname)
            FROM pg_catalog.pg_attribute a
           WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey))
    FROM pg_catalog.pg_index i
   WHERE i.indrelid = $1::pg_catalog.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL`;

/**
 * What the columns' expressions of the table `$1` use beyond what every database has. Anything here was not there at the source, so the
 * expression did not come from where it claims. Source: PostgreSQL manual, "52.18. pg_depend" (objects of initdb are not listed).
 */
export const FOREIGN_DEPENDENCIES = `
  SELECT pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
    FROM pg_catalog.pg_depend d
   WHERE d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
     -- Since 15 the expression depends on what it uses, before that the column did.
     AND (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = $1::pg_catalog.oid AND d.objsubid > 0
          OR d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
             AND d.objid IN (SELECT e.oid FROM pg_catalog.pg_attrdef e WHERE e.adrelid = $1::pg_catalog.oid))`;

/**
 * Rows are found by the identity. Where the primary key is something else, two rows may swap its values within one batch, and only the
 * state at the commit counts.
 */
function deferral(table: DestinationTable): string {
  const isIdentity = table.identity.kind === 'key' && table.uniqueKey.length === 0;
  return isIdentity ? '' : ' DEFERRABLE INITIALLY DEFERRED';
}

function uniqueIndex(table: QualifiedName, name: string, columns: readonly string[]): string {
  return `CREATE UNIQUE INDEX ${quoteIdent(name)} ON ${quoteName(table)} (${columns.map(quoteIdent).join(', ')})`;
}

function metadataDefinition({ name, typeSql: type, notNull, byDefault }: MetadataColumn): string {
  return `${quoteIdent(name)} ${type}${notNull ? ' NOT NULL' : ''} DEFAULT ${byDefault}`;
}

function columnDefinition(column: DestinationColumn): string {
  const notNull = column.notNull ? ' NOT NULL' : '';
  if (column.transfer !== 'generated') return `${quoteIdent(column.name)} ${column.typeSql}${notNull}`;
  const expression = must(column.expression, `the expression of the generated column ${column.name}`);
  // STORED also where the source says VIRTUAL: only PostgreSQL 18 has both.
  return `${quoteIdent(column.name)} ${column.typeSql} GENERATED ALWAYS AS (${expression}) STORED${notNull}`;
}
