// What the apply path must know of one destination table: its columns in stream order, how keys compare, and what stands on it.
import type { PgSession } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import { type QualifiedName, quoteIdent } from '../pg/ident.ts';

/**
 * - `replace`: nothing at the destination watches single rows, so a changed row may be deleted and inserted anew (the fastest way).
 * - `upsert`: triggers, foreign keys, rules or partitions watch: rows are inserted or updated in place.
 */
export type ApplyStrategy = 'replace' | 'upsert';

export interface KeyPart {
  /** Index of the column in `columns`. */
  readonly column: number;
  /** The index's own equality operator, qualified: the search path is empty, and `citext` has an operator of its own. */
  readonly equals: string;
}

/** One destination table as the stream sees it. */
export interface ApplyTarget {
  /** Short and unique in a session: names the staging tables and prepared statements. */
  readonly id: string;
  readonly table: QualifiedName;
  /** Destination column names in the order of the stream's columns. */
  readonly columns: readonly string[];
  /** Empty when rows have no key. */
  readonly key: readonly KeyPart[];
  readonly strategy: ApplyStrategy;
}

/** Which object a target is for. */
export interface TargetRequest {
  readonly id: string;
  readonly table: QualifiedName;
  readonly columns: readonly string[];
  readonly keyColumns: readonly string[];
}

/** Reads the target's facts from the destination's catalogue. Throws `object_schema_changed` when the table or its key is gone. */
export async function readApplyTarget(session: PgSession, request: TargetRequest): Promise<ApplyTarget> {
  const [facts] = await session.query(TABLE_FACTS, [request.table.schema, request.table.name]);
  if (!facts) throw gone(request, 'the destination table is gone');
  const key = await readKey(session, request);
  return { ...request, key, strategy: facts[0] === 't' ? 'upsert' : 'replace' };
}

/** The columns as an SQL list. */
export function columnList(target: ApplyTarget, indices?: readonly number[]): string {
  const names = indices === undefined ? target.columns : indices.map((index) => target.columns[index] as string);
  return names.map((name) => quoteIdent(name)).join(', ');
}

async function readKey(session: PgSession, request: TargetRequest): Promise<readonly KeyPart[]> {
  if (request.keyColumns.length === 0) return [];
  const rows = await session.query(KEY_OPERATORS, [request.table.schema, request.table.name, [...request.keyColumns].sort()]);
  const operators = new Map(rows.map(([column, schema, name]) => [column, `OPERATOR(${quoteIdent(schema ?? '')}.${name})`]));
  const missing = request.keyColumns.filter((column) => !operators.has(column));
  if (missing.length > 0) throw gone(request, `the destination table has no unique index on (${request.keyColumns.join(', ')})`);
  return request.columns.flatMap((name, column) =>
    request.keyColumns.includes(name) ? [{ column, equals: operators.get(name) ?? '' }] : [],
  );
}

function gone(request: TargetRequest, what: string): MillraceError {
  return new MillraceError('object_schema_changed', { cause: `${what}: ${objectLabel(request.table)}`, side: 'destination' });
}

/** Whether something watches the table's single rows. */
const TABLE_FACTS = `
  SELECT c.relkind <> 'r' OR c.relhasrules
      OR EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = c.oid)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2`;

/** Equality operators (strategy 3 of btree) of the unique index over exactly the key's columns. */
const KEY_OPERATORS = `
  SELECT a.attname, opn.nspname, o.oprname
  FROM (
    SELECT i.indexrelid, i.indrelid, i.indkey, i.indclass
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND (SELECT pg_catalog.array_agg(ka.attname::pg_catalog.text ORDER BY ka.attname::pg_catalog.text COLLATE "C")
           FROM pg_catalog.pg_attribute AS ka
           WHERE ka.attrelid = i.indrelid AND ka.attnum = ANY (i.indkey)) = (
           SELECT pg_catalog.array_agg(w ORDER BY w COLLATE "C") FROM pg_catalog.unnest($3::pg_catalog.text[]) AS w)
    ORDER BY i.indisprimary DESC
    LIMIT 1
  ) AS i
  CROSS JOIN LATERAL ROWS FROM (
    pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[])
  ) AS part (attnum, opclass)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = part.attnum
  JOIN pg_catalog.pg_opclass AS oc ON oc.oid = part.opclass
  JOIN pg_catalog.pg_amop AS ao
    ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3 AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
  JOIN pg_catalog.pg_operator AS o ON o.oid = ao.amopopr
  JOIN pg_catalog.pg_namespace AS opn ON opn.oid = o.oprnamespace`;
