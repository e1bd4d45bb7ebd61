// Reads what the rows of a table have in columns that came by ALTER TABLE: nothing in the log says it, only the catalogue, for a while.
import type { PgSession } from '../db/session.ts';
import type { MissingValue } from '../model/schema-change/decide.ts';
import type { SourceTable } from '../model/table.ts';

/** Files and missing values of one moment. */
export interface MissingValues {
  /** The files that the table's rows are in, by the OID of the leaf. */
  readonly files: ReadonlyMap<number, number>;
  /** By the number of the column in `table.columns`. */
  readonly values: ReadonlyMap<number, MissingValue>;
}

/**
 * A column that was added with a constant default is not in rows that are older; the catalogue has their value until the table is
 * rewritten. Source: PostgreSQL manual, "52.7. pg_attribute" (`atthasmissing`, `attmissingval`).
 */
export async function readMissingValues(session: PgSession, table: SourceTable): Promise<MissingValues> {
  const rows = await session.query(MISSING_VALUES, [table.leaves.map((leaf) => String(leaf.oid))]);
  const files = new Map<number, number>();
  const texts = new Map<string, Set<string | null>>();
  for (const [oid, file, name, hasMissing, text] of rows) {
    files.set(Number(oid), Number(file));
    const found = texts.get(name ?? '') ?? new Set();
    texts.set(name ?? '', found.add(hasMissing === 't' ? (text ?? null) : null));
  }
  const values = table.columns.map(({ attnum, name }): readonly [number, MissingValue] => {
    // A table without leaves has no rows. Leaves that disagree have rows of both kinds.
    const [text = null, ...others] = texts.get(name) ?? [];
    return [attnum, others.length > 0 ? { kind: 'unknown' } : { kind: 'value', text }];
  });
  return { files, values: new Map(values) };
}

/** $1 oid[]: the leaves. The one element of the array prints as the value itself does. */
const MISSING_VALUES = `
  SELECT c.oid, c.relfilenode, a.attname, a.atthasmissing, (a.attmissingval::pg_catalog.text::pg_catalog.text[])[1]
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.oid = ANY ($1::pg_catalog.oid[])`;
