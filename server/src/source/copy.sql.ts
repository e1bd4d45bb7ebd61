// The statements that read one piece of a table as COPY data.
import type { Mask } from '../model/object-filter.ts';
import { type QualifiedName, quoteIdent, quoteLiteral, quoteName } from '../pg/ident.ts';
import type { CopyLeaf, PageRange } from './chunks.ts';
import { maskedValue } from './mask.sql.ts';

/** A column to read. `asText`: in its text form, because the destination keeps it as `text`. */
export interface CopyColumn {
  readonly name: string;
  readonly asText: boolean;
  /** What stands in the place of its values. Absent: they are read as they are. */
  readonly mask?: Mask | undefined;
}

export type CopyFormat = 'text' | 'binary';

/** Rows of one page range of one leaf. */
export interface CopyQuery {
  readonly leaf: CopyLeaf;
  readonly range: PageRange;
  readonly columns: readonly CopyColumn[];
  readonly format: CopyFormat;
  /** Only rows that a transaction since this one wrote (the low 32 bits of its id, as `xid` prints them); null: all rows. */
  readonly writtenSince: number | null;
  /** SQL that the server has printed: only rows for which it is true. Absent: all rows. */
  readonly condition?: string | null | undefined;
}

/** Joins the snapshot of another session. Source: PostgreSQL manual, "SET TRANSACTION". */
export function beginInSnapshot(exportedName: string): string {
  return `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ${quoteLiteral(exportedName)}`;
}

/**
 * A parenthesised SELECT, since COPY of a table by its name leaves generated columns out, reads nothing of a partitioned table, and
 * knows no page ranges. `ctid` comparisons become a TID Range Scan from PostgreSQL 14 on.
 */
export function copyOut(query: CopyQuery): string {
  const columns = query.columns.map(columnValue);
  const { leaf } = query;
  const conditions = [...pageConditions(query.range), ...ageConditions(query.writtenSince), ...rowConditions(query.condition ?? null)];
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  return `COPY (SELECT ${columns.join(', ')} FROM ${leaf.only ? 'ONLY ' : ''}${quoteName(leaf)}${where}) TO STDOUT (FORMAT ${query.format})`;
}

/**
 * The OID that the name leads to now, and the file of that relation (0 for none). Read after a COPY, whose lock is kept: had the table
 * been rewritten under the snapshot before that lock, the COPY would have found no rows and said nothing.
 */
export function identityOf(relation: QualifiedName): string {
  return `
    SELECT r.oid::pg_catalog.oid, coalesce(pg_catalog.pg_relation_filenode(r.oid), 0)
      FROM (SELECT pg_catalog.to_regclass(${quoteLiteral(quoteName(relation))})) AS r (oid)`;
}

function columnValue({ name, asText, mask }: CopyColumn): string {
  const column = quoteIdent(name);
  if (mask !== undefined) return maskedValue(column, mask);
  return asText ? `${column}::pg_catalog.text` : column;
}

function pageConditions({ fromPage, toPage }: PageRange): string[] {
  return [
    ...(fromPage === 0 ? [] : [`ctid OPERATOR(pg_catalog.>=) '(${Math.trunc(fromPage)},0)'::pg_catalog.tid`]),
    ...(toPage === null ? [] : [`ctid OPERATOR(pg_catalog.<) '(${Math.trunc(toPage)},0)'::pg_catalog.tid`]),
  ];
}

/**
 * `xmin` is the row's own even when the row is frozen, and ages are distances from the present, so this holds across the wraparound
 * of ids; rows that are older than two billion transactions may be among the result, which does no harm.
 * Source: PostgreSQL manual, "24.1.5. Preventing Transaction ID Wraparound Failures".
 */
function ageConditions(writtenSince: number | null): string[] {
  if (writtenSince === null) return [];
  return [`pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('${writtenSince >>> 0}'::pg_catalog.xid)`];
}

function rowConditions(condition: string | null): string[] {
  return condition === null ? [] : [`(${condition})`];
}
