// Plans a destination table: every source column with the type of its twin, what is left out and why, and what makes a row unique.
import {
  type DestinationColumn,
  type DestinationTable,
  type ExcludedColumn,
  type ExclusionReason,
  type MetadataColumn,
  MAX_COLUMNS,
  type TypeRef,
} from '../model/destination-table.ts';
import type { ErrorName } from '../model/error-catalogue.ts';
import type { Layout } from '../model/layout.ts';
import type { RowIdentity, SourceColumn, SourceTable, SourceType } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { keptBy, ownColumns } from './kept-columns.ts';
import { notesColumn, rawIdColumn } from './metadata.ts';
import { columnNames } from './names.ts';
import { binarySafe, columnsThatNeedBinary } from './types-binary.ts';
import type { DestinationTypes } from './types-existing.ts';
import { dependsOnCollation, readExpression } from './types-expression.ts';
import { typeSql } from './types-format.ts';
import { keepsIdentity, mapType, namingOf } from './types-map.ts';
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
  /** See `DestinationTable.raw`. */
  readonly raw?: QualifiedName | null | undefined;
}

/** Why a table can't have a twin; `column` is null when it is about the whole table. */
export interface TableProblem {
  readonly errorName: Extract<
    ErrorName,
    'type_refused' | 'type_missing' | 'type_conflict' | 'row_too_wide' | 'identity_missing' | 'name_collision' | 'filter_impossible'
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
  const names = columnNames(namingOf(input.layout.types), source.columns.map(wantedName));
  const metadata = ownColumns(input.layout);
  const resolved = source.columns.map((column): ResolvedColumn => {
    const native = columnType(input, column);
    const type = mappedType(input, column, { native, metadata });
    return { column, name: names.get(wantedName(column)) ?? column.name, type, isMapped: isMapped(type, native), native };
  });
  const problems: TableProblem[] = [];
  const excluded: ExcludedColumn[] = [];
  const columns: DestinationColumn[] = [];
  let definitions: readonly TypeDefinition[] = [];
  for (const one of resolved) {
    const { column, type } = one;
    const exclusion = column.generated === null ? null : exclusionOf(one, { ...input, resolved });
    if (exclusion !== null) {
      excluded.push({ sourceName: column.name, attnum: column.attnum, reason: exclusion });
    } else if (type.kind === 'refused') {
      problems.push({ ...type.problem, column: column.name, cause: `column ${JSON.stringify(column.name)}: ${type.problem.cause}` });
    } else {
      columns.push(destinationColumn(one, type));
      definitions = mergeDefinitions(definitions, type.definitions);
    }
  }
  const sent = resolved.filter(({ column }) => column.generated === null);
  const unmapped = sent.filter((one) => !one.isMapped).map(({ column }) => column);
  const binary = unmapped.length === sent.length && binarySafe(unmapped, input.types, input.destination, input.sourceVersionNum);
  const versions = { sourceVersionNum: input.sourceVersionNum, destinationVersionNum: input.destination.versionNum };
  const needBinary = columnsThatNeedBinary(unmapped, input.types, versions);
  problems.push(
    ...widthProblems(columns.length + metadata.length),
    ...nameProblems(columns, metadata),
    ...keyProblems(source.identity, columns, excluded),
    ...versionProblems(input),
    ...keptProblems(input.layout, columns),
  );
  if (!binary) problems.push(...needBinary.map(({ name }) => textProblem(name, 'another column of the table can not be binary')));
  if (problems.length > 0) return { kind: 'refused', problems };
  const keys = keysFor(input.layout, keysOf(source, columns));
  const notNull = new Set([...keys.primaryKey, ...keys.uniqueKey]);
  const constrained = columns.map((column) => ({ ...column, notNull: notNull.has(column.name) }));
  const needsBinary = needBinary.map((column) => column.name);
  const raw = input.raw ?? null;
  const table = {
    ...input.name,
    columns: constrained,
    excluded,
    raw,
    metadata: ownedMetadata(metadata, columns, raw),
    layout: input.layout,
    ...keys,
    binarySafe: binary,
    needsBinary,
  };
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

/** Notes are written with the values that they are about, where there can be any, and the raw record's id with the row that it is of. */
function ownedMetadata(
  metadata: readonly MetadataColumn[],
  columns: readonly DestinationColumn[],
  raw: QualifiedName | null,
): readonly MetadataColumn[] {
  const notes = columns.some(({ conversion }) => conversion?.nulls === true) ? notesColumn(metadata) : null;
  const rawId = raw === null ? null : rawIdColumn(metadata);
  return metadata.map((column) =>
    column.name === notes || column.name === rawId ? { ...column, onChange: null, onDelete: null } : column,
  );
}

interface ResolvedColumn {
  readonly column: SourceColumn;
  /** At the destination. */
  readonly name: string;
  readonly type: UsableType | RefusedType;
  readonly native: UsableType | RefusedType;
  /** Whether its values arrive in another type than the source's own, which reads their text form. */
  readonly isMapped: boolean;
}

function mappedType(
  { layout, types, outcomes, destination }: TablePlanInput,
  column: SourceColumn,
  { native, metadata }: { readonly native: UsableType | RefusedType; readonly metadata: readonly MetadataColumn[] },
): UsableType | RefusedType {
  if (layout.types === 'native' || !outcomes.has(column.typeOid)) return native;
  const hasNotes = notesColumn(metadata) !== null;
  return mapType(column, { map: layout.types, types, outcomes, destinationVersionNum: destination.versionNum, hasNotes });
}

function isMapped(type: UsableType | RefusedType, native: UsableType | RefusedType): boolean {
  if (type.kind === 'refused' || native.kind === 'refused') return type.kind !== native.kind;
  return (type.conversion?.stagedAs ?? bareName(type.type)) !== bareName(native.type);
}

/** Modifiers don't change what a value looks like. */
function bareName(type: TypeRef): string {
  return typeSql({ ...type, modifiers: '' });
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

function destinationColumn({ column, name }: ResolvedColumn, usable: UsableType): DestinationColumn {
  return {
    name,
    sourceName: column.name,
    attnum: column.attnum,
    sourceTypeOid: column.typeOid,
    sourceTypmod: column.typmod,
    type: usable.type,
    typeSql: typeSql(usable.type),
    notNull: false,
    transfer: column.generated !== null ? 'generated' : usable.via,
    ...(usable.conversion === undefined ? {} : { conversion: usable.conversion }),
    expression: column.generated?.expression ?? null,
  };
}

/** What the file calls it, or else the source. */
function wantedName({ renamed, name }: SourceColumn): string {
  return renamed ?? name;
}

/** Whether the destination can compute the column and would get the same values; null when it can. */
function exclusionOf(
  { column, type, native, isMapped: isOtherType }: ResolvedColumn,
  context: TablePlanInput & { readonly resolved: readonly ResolvedColumn[] },
): ExclusionReason | null {
  if (column.generated === null) return null;
  if (type.kind === 'refused' || type.via === 'text') return 'type_unavailable';
  if (isOtherType || type.conversion !== undefined || !sameType(type, native)) return 'type_mapped';
  if (!column.generated.builtinsOnly) return 'expression_uses_user_objects';
  const reading = readExpression(column.generated.expression);
  if (reading.kind === 'unreadable') return 'expression_unreadable';
  const used = context.resolved.filter((other) => reading.names.has(other.column.name));
  if (used.some((other) => other.isMapped || !sameType(other.type, other.native))) return 'type_mapped';
  if (used.some((other) => other.name !== other.column.name)) return 'expression_uses_renamed_column';
  if (used.some((other) => other.type.kind === 'refused' || other.type.via === 'text')) return 'expression_uses_text_column';
  const columns = new Set(context.resolved.map((other) => other.column.name));
  const foldsText =
    dependsOnCollation(reading, columns) &&
    [...used.map((other) => other.column), column].some((other) => isCollatable(other.typeOid, context.types));
  const ownCollation = used.some((other) => other.column.ownCollation === true);
  return foldsText && (ownCollation || !context.collationsAgree) ? 'expression_depends_on_collation' : null;
}

/** Whether a map left the type as it was, with its modifiers: then the expression computes what it computes at the source. */
function sameType(type: UsableType | RefusedType, native: UsableType | RefusedType): boolean {
  return type.kind === 'refused' || native.kind === 'refused' ? type.kind === native.kind : typeSql(type.type) === typeSql(native.type);
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
    const found = columns.find((column) => column.sourceName === name);
    if (found !== undefined && !keepsIdentity(found.conversion)) return [jsonKeyProblem(name)];
    if (transfer !== 'text') return [];
    const cause = `the key column ${JSON.stringify(name)} names an object of the source, and changes when that is renamed`;
    return [{ errorName: 'type_refused', column: name, cause, fix: 'Use a key of another type, or skip the object.' }];
  });
}

/** A log of changes is written by COPY, which converts nothing: an empty array's text would even be read as an object. */
function keptProblems(layout: Layout, columns: readonly DestinationColumn[]): readonly TableProblem[] {
  if (keptBy(layout) === null) return [];
  return columns.flatMap(({ sourceName, conversion }): readonly TableProblem[] => {
    if ((conversion?.stagedAs ?? null) === null) return [];
    const cause = `column ${JSON.stringify(sourceName)} would be converted, which tables that keep every change can't do in this version`;
    return [{ errorName: 'type_refused', column: sourceName, cause, fix: 'Use `types: native` or `types: hevo`, or another `sync_mode`.' }];
  });
}

/** As jsonb, arrays with other lower bounds are the same. */
function jsonKeyProblem(column: string): TableProblem {
  const cause = `the key column ${JSON.stringify(column)} would become jsonb, which does not tell all of its values apart`;
  return { errorName: 'type_refused', column, cause, fix: 'Use `types: native`, or skip the object.' };
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
  const arrives = source.primaryKey.every((name) => {
    const column = bySourceName.get(name);
    return column?.transfer === 'same' && keepsIdentity(column.conversion);
  });
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
