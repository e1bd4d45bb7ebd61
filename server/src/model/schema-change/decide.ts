// Decides how a destination table follows when the stream describes its source otherwise: by which steps, or only by a reload.
import type { DestinationColumn } from '../destination-table.ts';
import type { RowIdentity } from '../table.ts';
import { type AlignedColumn, alignColumns, isOfType, type StreamColumn } from './align.ts';
import { orderRenamings, type SchemaStep } from './steps.ts';
import { isWidening } from './widening.ts';

/** What the rows that are there have in a column that came by ALTER TABLE … ADD COLUMN; `unknown`: the catalogue can't say. */
export type MissingValue = { readonly kind: 'value'; readonly text: string | null } | { readonly kind: 'unknown' };

/** The destination table as its object's state has it. */
export interface KnownTable {
  /** Those that stay unwritten included. */
  readonly columns: readonly DestinationColumn[];
  readonly identity: RowIdentity;
  /** The highest `attnum` that the source's table had when it had these columns. */
  readonly highestAttnum: number;
}

/** What the source's catalogue says now, which may be later than the stream. */
export interface CatalogueNow {
  /** The columns that a destination table would have. */
  readonly columns: readonly DestinationColumn[];
  /** Numbers of all columns, those that are left out included. */
  readonly attnums: readonly number[];
  /** Whether the table's files are those that the destination's rows came from: then nothing rewrote a row. */
  readonly filesUnchanged: boolean;
  readonly missing: ReadonlyMap<number, MissingValue>;
}

export type SchemaChange =
  | {
      readonly kind: 'alter';
      readonly steps: readonly SchemaStep[];
      readonly columns: readonly DestinationColumn[];
      readonly identity: RowIdentity;
      readonly highestAttnum: number;
    }
  | { readonly kind: 'reload'; readonly why: string };

/**
 * The steps by which the destination table becomes what the stream brings from now on, or why only a reload is sure to be right.
 * `stream`: the columns of the Relation message, in its order.
 */
export function decideSchemaChange(table: KnownTable, stream: readonly StreamColumn[], now: CatalogueNow): SchemaChange {
  const known = table.columns.filter(isStreamed);
  const aligned = alignColumns({ known, stream, current: now.columns.filter(isStreamed) });
  if (aligned === null) return reload('the catalogue does not say any more which column became which');
  const doubt = doubtOf(table, aligned, now);
  if (doubt !== null) return reload(doubt);
  const present = new Set(aligned.map((column) => column.attnum));
  const dropped = known.filter((column) => !present.has(column.attnum));
  const followed: { readonly column: DestinationColumn; readonly steps: readonly SchemaStep[] }[] = [];
  for (const column of aligned) {
    const next = column.known === null ? added(column, now) : retyped(column, column.known, now);
    if (typeof next === 'string') return reload(next);
    followed.push(next);
  }
  const renamings = aligned.flatMap(({ known: former }, index) => {
    const to = followed[index]?.column.name;
    return former === null || to === undefined || former.name === to ? [] : [{ from: former.name, to }];
  });
  const gone = new Set(dropped.map((column) => column.name));
  const names = table.columns.map((column) => column.name).filter((name) => !gone.has(name));
  const newNames = followed.map(({ column }) => column.name);
  const unwritten = table.columns.filter((column) => !isStreamed(column));
  const inTheWay = unwritten.find((column) => newNames.includes(column.name));
  if (inTheWay !== undefined) return reload(`the destination still has a former column ${JSON.stringify(inTheWay.name)}`);
  const columns = [...unwritten.filter(isComputed), ...followed.map(({ column }) => column)].sort((a, b) => a.attnum - b.attnum);
  return {
    kind: 'alter',
    steps: [
      ...dropped.map(({ name }): SchemaStep => ({ kind: 'drop', column: name })),
      ...orderRenamings(renamings, names),
      ...followed.flatMap(({ steps }) => steps),
    ],
    columns: [...columns, ...unwritten.filter((column) => !isComputed(column))],
    identity: renamedIdentity(table, renamings),
    highestAttnum: Math.max(table.highestAttnum, ...present),
  };
}

/** Whether the stream brings values of the column. */
export function isStreamed(column: DestinationColumn): boolean {
  return column.transfer !== 'generated' && column.transfer !== 'retired';
}

function isComputed(column: DestinationColumn): boolean {
  return column.transfer === 'generated';
}

/** Why the numbers of the columns don't tell what happened, or what happened can't be followed by steps; null: they do, and it can. */
function doubtOf({ columns, identity, highestAttnum }: KnownTable, aligned: readonly AlignedColumn[], now: CatalogueNow): string | null {
  const arrivals = aligned.filter((column) => column.known === null).map((column) => column.attnum);
  const alive = new Set(now.attnums);
  for (let attnum = highestAttnum + 1; attnum < Math.max(0, ...arrivals); attnum++) {
    // Perhaps it is that one which the stream means, and another took its name since.
    if (!alive.has(attnum)) return 'a new column was dropped again, and another may have its name';
  }
  if (arrivals.some((attnum) => attnum <= highestAttnum)) return 'a column that was left out so far is streamed now';
  if (describeComputed(columns) !== describeComputed(now.columns)) return 'a generated column changed';
  if (identity.kind !== 'key') return null;
  const key = columns.filter((column) => identity.columns.includes(column.name));
  const isKept = key.every((column) => {
    const found = aligned.find(({ attnum }) => attnum === column.attnum);
    return found !== undefined && isOfType(found.stream, column);
  });
  return isKept ? null : 'a column of the key changed';
}

/** Generated columns are not in the stream; the destination's own are made with its table. */
function describeComputed(columns: readonly DestinationColumn[]): string {
  return JSON.stringify(columns.filter(isComputed).map(({ sourceName, typeSql, expression }) => [sourceName, typeSql, expression]));
}

function added({ attnum, current }: AlignedColumn, now: CatalogueNow) {
  if (current === null) return 'a new column is gone again';
  const label = JSON.stringify(current.sourceName);
  if (!now.filesUnchanged) return `the table was rewritten since column ${label} came, so its values in older rows are unknown`;
  const missing = now.missing.get(attnum) ?? { kind: 'unknown' };
  if (missing.kind === 'unknown') return `the catalogue does not say what older rows have in column ${label}`;
  if (missing.text !== null && current.transfer !== 'same') return `the default of column ${label} has another form at the destination`;
  const { name, typeSql } = current;
  const step: SchemaStep = { kind: 'add', column: name, typeSql, value: missing.text };
  return { column: { ...current, notNull: false }, steps: [step] };
}

function retyped({ stream, current }: AlignedColumn, known: DestinationColumn, now: CatalogueNow) {
  const name = stream.name === known.sourceName ? known.name : (current?.name ?? known.name);
  const column = { ...known, name, sourceName: stream.name };
  if (isOfType(stream, known)) return { column, steps: [] };
  const label = JSON.stringify(stream.name);
  if (current === null) return `the type of column ${label} changed, and the column is gone`;
  if (!now.filesUnchanged) return `the values of column ${label} were rewritten`;
  if (!isWidening(known, current)) return `the type of column ${label} changed`;
  const { sourceTypeOid, sourceTypmod, type, typeSql } = current;
  const step: SchemaStep = { kind: 'retype', column: name, typeSql, values: 'cast' };
  return { column: { ...column, sourceTypeOid, sourceTypmod, type, typeSql }, steps: typeSql === known.typeSql ? [] : [step] };
}

function renamedIdentity({ identity }: KnownTable, renamings: readonly { readonly from: string; readonly to: string }[]): RowIdentity {
  if (identity.kind !== 'key') return identity;
  const names = new Map(renamings.map(({ from, to }) => [from, to]));
  return { kind: 'key', columns: identity.columns.map((name) => names.get(name) ?? name) };
}

function reload(why: string): SchemaChange {
  return { kind: 'reload', why };
}
