// What the apply path must know of one destination table: its columns in stream order, how keys compare, and what stands on it.
import type { PgSession, Row } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import type { MetadataColumn } from '../model/destination-table.ts';
import type { DeletePolicy } from '../model/layout.ts';
import { objectLabel } from '../model/table.ts';
import { type QualifiedName, quoteIdent } from '../pg/ident.ts';
import type { Kept } from './kept-columns.ts';
import type { RawTarget, RowInput } from './row-input.ts';

/**
 * - `update`: nothing at the destination watches single rows, and the key is all that is unique: new rows are copied in, changed ones
 *   updated where they stand.
 * - `replace`: other columns are unique too, so rows may swap values of them: changed rows are deleted and copied in anew.
 * - `upsert`: triggers, foreign keys or rules watch: rows are inserted or updated in place, whichever they need.
 */
export type ApplyStrategy = 'update' | 'replace' | 'upsert';

export interface KeyPart {
  /** Index of the column in `columns`. */
  readonly column: number;
  /** The index's own equality operator, qualified: the search path is empty, and `citext` has an operator of its own. */
  readonly equals: string;
  /** Its operator "less than", where rows are cheap to sort by it: for the leading columns of the index whose values have a fixed size. */
  readonly sortsBy: { readonly position: number; readonly lessThan: string } | null;
  /** Type, modifier and collation of the column: keys of the same types share a staging table. */
  readonly typeKey: string;
}

/** One destination table as the stream sees it. */
export interface ApplyTarget {
  /** Short and unique in a session: names the staging tables. */
  readonly id: string;
  readonly table: QualifiedName;
  /** Destination column names in the order of the stream's columns. */
  readonly columns: readonly string[];
  /** Empty when rows have no key. */
  readonly key: readonly KeyPart[];
  /** Indices of columns of text, whose values may be long; of tables without a key only. */
  readonly textColumns: ReadonlySet<number>;
  readonly strategy: ApplyStrategy;
  /** Our own columns, which the server fills in. */
  readonly metadata: readonly MetadataColumn[];
  readonly deletes: DeletePolicy;
  /** Without a historical load, a change of some columns may meet a row that never came: there is nothing to change then. */
  readonly rowsMayBeMissing: boolean;
  /** What the table keeps beyond the present rows; absent: nothing. */
  readonly keeps?: Kept | undefined;
  /** How rows are converted on their way; null: they are not. */
  readonly input: RowInput | null;
  /** Where the records of its changes are kept as json; null: nowhere. Such a target has an `input`. */
  readonly raw: RawTarget | null;
  /** Whether values that differ at the source may be the same here, so that rows without a key are counted by what they have become. */
  readonly mergesValues: boolean;
}

/** Which object a target is for. */
export interface TargetRequest {
  readonly id: string;
  readonly table: QualifiedName;
  readonly columns: readonly string[];
  readonly keyColumns: readonly string[];
  /** Whether the table holds only what changed since the pipeline began; false when absent. */
  readonly withoutHistory?: boolean | undefined;
  /** None when absent. */
  readonly metadata?: readonly MetadataColumn[] | undefined;
  /** `hard` when absent. */
  readonly deletes?: DeletePolicy | undefined;
  /** What the table keeps beyond the present rows; absent: nothing. */
  readonly keeps?: Kept | undefined;
  readonly input?: RowInput | null | undefined;
  readonly raw?: RawTarget | null | undefined;
  readonly mergesValues?: boolean | undefined;
}

/** Reads the target's facts from the destination's catalogue. Throws `object_schema_changed` when the table or its key is gone. */
export async function readApplyTarget(session: PgSession, request: TargetRequest): Promise<ApplyTarget> {
  const [facts] = await session.query(TABLE_FACTS, [request.table.schema, request.table.name]);
  if (!facts) throw gone(request, 'the destination table is gone');
  const key = await readKey(session, request);
  const textColumns = key.length === 0 ? await readTextColumns(session, request) : new Set<number>();
  const { metadata = [], deletes = 'hard', withoutHistory = false, input = null, raw = null, mergesValues = false } = request;
  const strategy = strategyFor(facts);
  return { ...request, key, textColumns, strategy, metadata, deletes, rowsMayBeMissing: withoutHistory, input, raw, mergesValues };
}

/** All columns as an SQL list. */
export function columnList(target: ApplyTarget): string {
  return target.columns.map((name) => quoteIdent(name)).join(', ');
}

function strategyFor([isWatched, uniqueIndexes]: Row): ApplyStrategy {
  if (isWatched === 't') return 'upsert';
  // One of them is the key's own.
  return Number(uniqueIndexes) > 1 ? 'replace' : 'update';
}

async function readKey(session: PgSession, request: TargetRequest): Promise<readonly KeyPart[]> {
  if (request.keyColumns.length === 0) return [];
  const which = request.keeps === undefined ? UNIQUE_BY_KEY : LED_BY_KEY;
  const rows = await session.query(keyOperators(which), [request.table.schema, request.table.name, request.keyColumns]);
  const sortable = rows.findIndex(([, , , , , isFixedSize]) => isFixedSize === 'f');
  const parts = new Map(
    rows.map(([column, schema, operator, typeKey, lessThan], position) => [
      column,
      {
        equals: `OPERATOR(${quoteIdent(schema ?? '')}.${operator})`,
        sortsBy:
          sortable === -1 || position < sortable ? { position, lessThan: `OPERATOR(${quoteIdent(schema ?? '')}.${lessThan})` } : null,
        typeKey: typeKey ?? '',
      },
    ]),
  );
  const missing = request.keyColumns.filter((column) => !parts.has(column));
  if (missing.length > 0)
    throw gone(
      request,
      `the destination table has no ${request.keeps === undefined ? 'unique ' : ''}index on (${request.keyColumns.join(', ')})`,
    );
  return request.columns.flatMap((name, column) => {
    const part = request.keyColumns.includes(name) ? parts.get(name) : undefined;
    return part === undefined ? [] : [{ column, ...part }];
  });
}

async function readTextColumns(session: PgSession, { table, columns }: TargetRequest): Promise<ReadonlySet<number>> {
  const texts = new Set((await session.query(TEXT_COLUMNS, [table.schema, table.name])).map(([name]) => name));
  return new Set(columns.flatMap((name, column) => (texts.has(name) ? [column] : [])));
}

function gone(request: TargetRequest, what: string): MillraceError {
  return new MillraceError('object_schema_changed', { cause: `${what}: ${objectLabel(request.table)}`, side: 'destination' });
}

/** Whether something watches the table's single rows, and how many indexes allow a value once only. */
const TABLE_FACTS = `
  SELECT c.relhasrules
      OR EXISTS (SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = c.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.confrelid = c.oid),
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion))
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r'`;

const TEXT_COLUMNS = `
  SELECT a.attname
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
  WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped
    AND t.oid IN ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype)`;

/** Operators "equal" and "less" (strategies 3 and 1 of btree) of an index over the key's columns, in its order. */
function keyOperators(which: string): string {
  return `
  SELECT a.attname, opn.nspname, o.oprname, pg_catalog.concat_ws(':', a.atttypid, a.atttypmod, a.attcollation), less.oprname, a.attlen > 0
  FROM (
    SELECT i.indexrelid, i.indrelid, i.indkey, i.indclass
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2 AND ${which}
    ORDER BY i.indisprimary DESC
    LIMIT 1
  ) AS i
  CROSS JOIN LATERAL ROWS FROM (
    pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[])
  ) WITH ORDINALITY AS part (attnum, opclass, position)
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = part.attnum
  JOIN pg_catalog.pg_opclass AS oc ON oc.oid = part.opclass
  JOIN pg_catalog.pg_amop AS ao
    ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3 AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
  JOIN pg_catalog.pg_operator AS o ON o.oid = ao.amopopr
  JOIN pg_catalog.pg_namespace AS opn ON opn.oid = o.oprnamespace
  JOIN pg_catalog.pg_amop AS al
    ON al.amopfamily = oc.opcfamily AND al.amopstrategy = 1 AND al.amoplefttype = oc.opcintype AND al.amoprighttype = oc.opcintype
  JOIN pg_catalog.pg_operator AS less ON less.oid = al.amopopr AND less.oprnamespace = o.oprnamespace
  WHERE part.position <= pg_catalog.cardinality($3::pg_catalog.text[])
  ORDER BY part.position`;
}

/** Unique over exactly the columns `$3`. */
const UNIQUE_BY_KEY = `i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
      AND (SELECT pg_catalog.array_agg(ka.attname::pg_catalog.text ORDER BY ka.attname::pg_catalog.text COLLATE "C")
           FROM pg_catalog.pg_attribute AS ka
           WHERE ka.attrelid = i.indrelid AND ka.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1])) = (
           SELECT pg_catalog.array_agg(w ORDER BY w COLLATE "C") FROM pg_catalog.unnest($3::pg_catalog.text[]) AS w)`;

/** Of which the leading columns are exactly the columns `$3`, in whatever order: one of ours, or as good. */
const LED_BY_KEY = `i.indisvalid AND i.indexprs IS NULL AND i.indnkeyatts >= pg_catalog.cardinality($3::pg_catalog.text[])
      AND (SELECT am.amname FROM pg_catalog.pg_class AS x JOIN pg_catalog.pg_am AS am ON am.oid = x.relam WHERE x.oid = i.indexrelid) = 'btree'
      AND (SELECT pg_catalog.array_agg(ka.attname::pg_catalog.text ORDER BY ka.attname::pg_catalog.text COLLATE "C")
           FROM pg_catalog.pg_attribute AS ka
           WHERE ka.attrelid = i.indrelid
             AND ka.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:pg_catalog.cardinality($3::pg_catalog.text[]) - 1])) = (
           SELECT pg_catalog.array_agg(w ORDER BY w COLLATE "C") FROM pg_catalog.unnest($3::pg_catalog.text[]) AS w)`;
