// Compares every table of both sides exactly: each row as its types print it, duplicates counted.
import { quoteIdent } from '../../src/pg/ident.ts';
import type { PgSession } from '../../src/db/session.ts';
import { type Arena, CHAOS_TABLES_SQL, type Side } from './arena.ts';

/** What the two sides hold. */
export interface Comparison {
  readonly tables: number;
  readonly rows: number;
  readonly differences: readonly Difference[];
}

/** A table that differs. Examples are whole rows, cut. */
export interface Difference {
  readonly table: string;
  readonly missing: number;
  readonly extra: number;
  readonly examples: readonly string[];
}

/** Both sides must stand still. Tables that the source no longer has are left out. */
export async function compareSides(arena: Arena): Promise<Comparison> {
  const source = await arena.open('source', 'comparison');
  const destination = await arena.open('destination', 'comparison');
  try {
    const tables = await source.query(CHAOS_TABLES_SQL);
    const differences: Difference[] = [];
    let rows = 0;
    for (const [name = '', columns = ''] of tables.map((row) => row.map((value) => value ?? ''))) {
      const sql = rowsSql(name, columns);
      const [expected, found] = await Promise.all([digest(source, sql), digest(destination, sql)]);
      rows += expected.rows;
      if (expected.digest !== found.digest) differences.push(await explain(name, sql, { source, destination }));
    }
    return { tables: tables.length, rows, differences };
  } finally {
    await Promise.all([source.close(), destination.close()]);
  }
}

/** One line for people. */
export function describeDifference({ table, missing, extra, examples }: Difference): string {
  return [`chaos.${table}: ${missing} missing, ${extra} extra`, ...examples.map((example) => `  ${example}`)].join('\n');
}

/** `columns` are the source's, already quoted: the destination may have them in another order. */
function rowsSql(table: string, columns: string): string {
  return `SELECT ROW(${columns})::text AS r FROM chaos.${quoteIdent(table)} AS t`;
}

async function digest(session: PgSession, rows: string): Promise<{ readonly rows: number; readonly digest: string }> {
  const [row] = await session.query(
    `SELECT count(*), md5(COALESCE(string_agg(d, '' ORDER BY d COLLATE "C"), '')) FROM (SELECT md5(r) AS d FROM (${rows}) AS printed) AS digests`,
  );
  return { rows: Number(row?.[0] ?? 0), digest: row?.[1] ?? '' };
}

async function explain(table: string, sql: string, sessions: Readonly<Record<Side, PgSession>>): Promise<Difference> {
  const [expected, found] = await Promise.all([counted(sessions.source, sql), counted(sessions.destination, sql)]);
  const missing = leftOver(expected, found);
  const extra = leftOver(found, expected);
  return {
    table,
    missing: missing.length,
    extra: extra.length,
    examples: [...missing.slice(0, EXAMPLES).map((row) => `missing ${row}`), ...extra.slice(0, EXAMPLES).map((row) => `extra   ${row}`)],
  };
}

/** Rows, cut and with the digest of the whole, and how often each is there. */
async function counted(session: PgSession, sql: string): Promise<ReadonlyMap<string, number>> {
  const rows = await session.query(`SELECT left(r, 200) || '  #' || md5(r), count(*) FROM (${sql}) AS printed GROUP BY r`);
  return new Map(rows.map(([row, count]) => [row ?? '', Number(count)]));
}

/** The rows of `these` beyond those of `those`, as a multiset. */
function leftOver(these: ReadonlyMap<string, number>, those: ReadonlyMap<string, number>): readonly string[] {
  return [...these].flatMap(([row, count]) => Array.from({ length: Math.max(0, count - (those.get(row) ?? 0)) }, () => row));
}

const EXAMPLES = 5;
