// Plans a destination table: every source column with the type of its twin, what is left out and why, and what makes a row unique.
import {
  type DestinationColumn,
  type DestinationTable,
  type ExcludedColumn,
  type ExclusionReason,
  type MetadataColumn,
  MAX_COLUMNS,
} from '../model/destination-table.ts';
import type { ErrorName } from '../model/error-catalogue.ts';
import type { Layout } from '../model/layout.ts';
import type { RowIdentity, SourceColumn, SourceTable, SourceType } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { keptBy, ownColumns } from './kept-columns.ts';
import { fitName } from './names.ts';
import { binarySafe, columnsThatNeedBinary } from './types-binary.ts';
import type { DestinationTypes } from './types-existing.ts';
import { dependsOnCollation, readExpression } from './types-expression.ts';
import { typeSql } from './types-format.ts';
import { mergeDefinitions, type RefusedType, type TypeDefinition, type TypeOutcome, type UsableType } from './types-outcome.ts';
import { withTypmod } from './types-typmod.ts';

export interface TablePlanInput {
  readonly source: SourceTable;
  /** The name from `assignNames()`. */
  readonly name: QualifiedName;
  readonly types: ReadonlyMap<number, SourceType>;
  readonly outcomes: ReadonlyMap<number, TypeOutcome>;
  readonly destination: DestinationTypes;
  /** Whether both databases sort and fold text alike (`sameCollation()`); otherwise `lower(name)` could differ between the two. */
  readonly collationsAgree: boolean;
  /** `server_version_num` of the source. */
  readonly sourceVersionNum: number;
  readonly layout: Layout;
}

/** Why a table can't have a twin; `column` is null when it is about the whole table. */
export interface TableProblem {
  readonly errorName: Extract<
    ErrorName,
    'type_refused' | 'type_missing' | 'type_conflict' | 'row_too_wide' | 'identity_missing' | 'name_collision'
  >;
  readonly column: string | null;
  readonly cause: string;
  readonly fix?: string | undefined;
}

export type TablePlan =
  | { readonly kind: 'table'; readonly table: DestinationTable; readonly definitions: readonly TypeDefinition[] }
  | { readonly kind: 'refused'; readonly problems: readonly TableProblem[] };

/** The destination table for a source table, or every reason why there can be none. */
export function planTable(input: TablePlanInput): TablePlan {
  const { source } = input;
  const resolved = source.columns.map((column) => ({ column, type: columnType(input, column) }));
  const problems: TableProblem[] = [];
  const excluded: ExcludedColumn[] = [];
  const columns: DestinationColumn[] = [];
  let definitions: readonly TypeDefinition[] = [];
  for (const { column, type } of resolved) {
    const exclusion = column.generated === null ? null : exclusionOf(column, type, { ...input, resolved });
    if (exclusion !== null) {
      excluded.push({ sourceName: column.name, attnum: column.attnum, reason: exclusion });
    } else if (type.kind === 'refused') {
      problems.push({ ...type.problem, column: column.name, cause: `column ${JSON.stringify(column.name)}: ${type.problem.cause}` });
    } else {
      columns.push(destinationColumn(column, type));
      definitions = mergeDefinitions(definitions, type.definitions);
    }
  }
  const sent = source.columns.filter((column) => column.generated === null);
  const binary = binarySafe(sent, input.types, input.destination, input.sourceVersionNum);
  const versions = { sourceVersionNum: input.sourceVersionNum, destinationVersionNum: input.destination.versionNum };
  const needBinary = columnsThatNeedBinary(sent, input.types, versions);
  const metadata = ownColumns(input.layout);
  problems.push(
    ...widthProblems(columns.length + metadata.length),
    ...nameProblems(columns, metadata),
    ...keyProblems(source.identity, columns, excluded),
    ...versionProblems(input),
  );
  if (!binary) problems.push(...needBinary.map(({ name }) => textProblem(name, 'another column of the table can not be binary')));
  if (problems.length > 0) return { kind: 'refused', problems };
  const keys = keysFor(input.layout, keysOf(source, columns));
  const notNull = new Set([...keys.primaryKey, ...keys.uniqueKey]);
  const constrained = columns.map((column) => ({ ...column, notNull: notNull.has(column.name) }));
  const needsBinary = needBinary.map((column) => column.name);
  const table = { ...input.name, columns: constrained, excluded, metadata, layout: input.layout, ...keys, binarySafe: binary, needsBinary };
  return { kind: 'table', definitions, table };
}

/** Why a column of `columnsThatNeedBinary` can't be replicated; `because`: what forces the text form. */
export function textProblem(column: string, because: string): TableProblem {
  return {
    errorName: 'type_refused',
    column,
    cause: `column ${JSON.stringify(column)}: values of "char" above 127 mean something else in text before PostgreSQL 16, and ${because}`,
    fix: 'Use a destination of PostgreSQL 16 or later, or skip what needs the text form.',
  };
}

interface ResolvedColumn {
  readonly column: SourceColumn;
  readonly type: UsableType | RefusedType;
}

function columnType(input: TablePlanInput, column: SourceColumn): UsableType | RefusedType {
  const outcome = input.outcomes.get(column.typeOid);
  if (outcome === undefined) {
    return {
      kind: 'refused',
      problem: { errorName: 'type_refused', cause: `the source did not describe its type (OID ${column.typeOid})` },
    };
  }
  if (outcome.kind === 'refused') return outcome;
  return withTypmod(outcome, { typmod: column.typmod, formatted: column.formatted, versionNum: input.destination.versionNum });
}

function destinationColumn(column: SourceColumn, usable: UsableType): DestinationColumn {
  return {
    name: fitName(column.name),
    sourceName: column.name,
    attnum: column.attnum,
    sourceTypeOid: column.typeOid,
    sourceTypmod: column.typmod,
    type: usable.type,
    typeSql: typeSql(usable.type),
    notNull: false,
    transfer: column.generated !== null ? 'generated' : usable.via,
    expression: column.generated?.expression ?? null,
  };
}

/** Whether the destination can compute the column and would get the same values; null when it can. */
function exclusionOf(
  column: SourceColumn,
  type: UsableType | RefusedType,
  context: TablePlanInput & { readonly resolved: readonly ResolvedColumn[] },
): ExclusionReason | null {
  if (column.generated === null) return null;
  if (type.kind === 'refused' || type.via === 'text') return 'type_unavailable';
  if (!column.generated.builtinsOnly) return 'expression_uses_user_objects';
  const reading = readExpression(column.generated.expression);
  if (reading.kind === 'unreadable') return 'expression_unreadable';
  const used = context.resolved.filter((other) => reading.names.has(other.column.name));
  if (used.some((other) => fitName(other.column.name) !== other.column.name)) return 'expression_uses_renamed_column';
  if (used.some((other) => other.type.kind === 'refused' || other.type.via === 'text')) return 'expression_uses_text_column';
  const columns = new Set(context.resolved.map((other) => other.column.name));
  const foldsText =
    dependsOnCollation(reading, columns) &&
    [...used.map((other) => other.column), column].some((other) => isCollatable(other.typeOid, context.types));
  const ownCollation = used.some((other) => other.column.ownCollation === true);
  return foldsText && (ownCollation || !context.collationsAgree) ? 'expression_depends_on_collation' : null;
}

const COLLATABLE = new Set(['text', 'varchar', 'bpchar', 'name', 'tsvector', 'tsquery']);

/** Whether the type is, or is made of, text. Extensions' types count, since nothing says what their functions look at. */
function isCollatable(oid: number, types: ReadonlyMap<number, SourceType>, depth = 0): boolean {
  const type = types.get(oid);
  if (type === undefined || depth > MAX_TYPE_DEPTH) return true;
  if (type.extension !== null) return true;
  if (type.schema === 'pg_catalog' && type.kind === 'base') return COLLATABLE.has(type.name);
  if (type.kind === 'composite') return type.attributes.some((attribute) => isCollatable(attribute.typeOid, types, depth + 1));
  return type.kind !== 'enum' && isCollatable(type.elementOid, types, depth + 1);
}

const MAX_TYPE_DEPTH = 16;

function widthProblems(count: number): readonly TableProblem[] {
  if (count <= MAX_COLUMNS) return [];
  return [{ errorName: 'row_too_wide', column: null, cause: `the table needs ${count} columns; a table can have ${MAX_COLUMNS}` }];
}

/** A source that holds another system's metadata columns, since it is a warehouse itself perhaps. */
function nameProblems(columns: readonly DestinationColumn[], metadata: readonly MetadataColumn[]): readonly TableProblem[] {
  const ours = new Set(metadata.map(({ name }) => name));
  return columns.flatMap(({ name }): readonly TableProblem[] => {
    if (!ours.has(name)) return [];
    const cause = `column ${JSON.stringify(name)} has the name of a metadata column`;
    return [{ errorName: 'name_collision', column: name, cause, fix: 'Choose another set of `metadata_columns`, or skip the object.' }];
  });
}

/** Versions are told by their key. */
function versionProblems({ layout, source }: TablePlanInput): readonly TableProblem[] {
  if (!layout.history || source.identity.kind === 'key') return [];
  return [
    {
      errorName: 'identity_missing',
      column: null,
      cause: 'the table has no key by which versions of a row could be told from other rows',
      fix: 'Give the table a primary key, or REPLICA IDENTITY USING INDEX over columns that are NOT NULL; or skip the object.',
    },
  ];
}

/** A key must arrive with every change and must not change its text by itself. Columns that are refused anyway need no second reason. */
function keyProblems(
  identity: RowIdentity,
  columns: readonly DestinationColumn[],
  excluded: readonly ExcludedColumn[],
): readonly TableProblem[] {
  if (identity.kind !== 'key') return [];
  return identity.columns.flatMap((name): readonly TableProblem[] => {
    const transfer = columns.find((column) => column.sourceName === name)?.transfer;
    if (transfer === 'generated' || excluded.some((column) => column.sourceName === name)) {
      const cause = `the key column ${JSON.stringify(name)} is generated, and the source does not send generated columns`;
      return [{ errorName: 'identity_missing', column: name, cause, fix: 'Use a key of ordinary columns, or skip the object.' }];
    }
    if (transfer !== 'text') return [];
    const cause = `the key column ${JSON.stringify(name)} names an object of the source, and changes when that is renamed`;
    return [{ errorName: 'type_refused', column: name, cause, fix: 'Use a key of another type, or skip the object.' }];
  });
}

/**
 * The keys that the destination enforces. Without an identity only inserts arrive, and a key that was deleted at the source may come
 * again: then there is no primary key either. A primary key of columns that the destination computes or keeps as text is left out.
 */
function keysOf(
  source: SourceTable,
  columns: readonly DestinationColumn[],
): Pick<DestinationTable, 'primaryKey' | 'uniqueKey' | 'identity'> {
  const bySourceName = new Map(columns.map((column) => [column.sourceName, column]));
  const renamed = (names: readonly string[]): readonly string[] => names.map((name) => bySourceName.get(name)?.name ?? name);
  if (source.identity.kind === 'none') return { primaryKey: [], uniqueKey: [], identity: source.identity };
  const arrives = source.primaryKey.every((name) => bySourceName.get(name)?.transfer === 'same');
  const primaryKey = arrives ? renamed(source.primaryKey) : [];
  if (source.identity.kind === 'full') return { primaryKey, uniqueKey: [], identity: source.identity };
  const key = renamed(source.identity.columns);
  return { primaryKey, uniqueKey: sameSet(key, primaryKey) ? [] : key, identity: { kind: 'key', columns: key } };
}

/** A table with many rows of a key can't be unique by it, and rows of a TRUNCATE have none. */
function keysFor(layout: Layout, keys: ReturnType<typeof keysOf>): ReturnType<typeof keysOf> {
  return keptBy(layout) === null ? keys : { ...keys, primaryKey: [], uniqueKey: [] };
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item) => b.includes(item));
}
