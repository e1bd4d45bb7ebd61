// The statements that compare rows without fetching them: each row becomes a hash of its columns' text, the same on every server.
import { convertedText } from '../../destination/convert.sql.ts';
import { must } from '../../lib/assert.ts';
import type { ComparedTable } from '../../model/verify.ts';
import { quoteIdent, quoteName } from '../../pg/ident.ts';
import { maskedValue } from '../../source/mask.sql.ts';
import { presentRowsSql } from './present-rows.sql.ts';

/** A table with what the statements must know of the server and of its key. */
export interface HashedTable extends ComparedTable {
  /** `server_encoding`: hashes are taken of UTF-8, whatever the server keeps. */
  readonly encoding: string;
  /** One for each column of the key. */
  readonly keyParts: readonly KeyPart[];
}

export interface KeyPart {
  /** The type as SQL text, quoted and qualified. */
  readonly typeSql: string;
  /** The equality operator that the key's index serves, as SQL text. */
  readonly equals: string;
}

/** The server's encoding. */
export const SERVER_ENCODING = `SELECT pg_catalog.current_setting('server_encoding')`;

/**
 * Type and equality operator of the columns `$3` of the table `$1.$2`, in their order. The operator is the one of an index on the column,
 * because an extension's types have operators that an empty search_path does not find. Operator strategy 3 of a btree is equality
 * (manual, "36.16.2. Index Method Strategies").
 */
export const KEY_PARTS = `
  SELECT pg_catalog.format_type(a.atttypid, -1), op.nspname, op.oprname
  FROM pg_catalog.unnest($3::pg_catalog.text[]) WITH ORDINALITY AS wanted (name, place)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = $1
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = $2
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attname = wanted.name AND a.attnum > 0
  LEFT JOIN LATERAL (
    SELECT opn.nspname, o.oprname
    FROM pg_catalog.pg_index AS i
    CROSS JOIN LATERAL ROWS FROM (
      pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[])) AS part (attnum, opclass)
    JOIN pg_catalog.pg_opclass AS oc ON oc.oid = part.opclass
    JOIN pg_catalog.pg_am AS am ON am.oid = oc.opcmethod AND am.amname = 'btree'
    JOIN pg_catalog.pg_amop AS ao
      ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3 AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
    JOIN pg_catalog.pg_operator AS o ON o.oid = ao.amopopr
    JOIN pg_catalog.pg_namespace AS opn ON opn.oid = o.oprnamespace
    WHERE i.indrelid = c.oid AND i.indisvalid AND part.attnum = a.attnum
    ORDER BY i.indisprimary DESC, i.indisunique DESC
    LIMIT 1
  ) AS op ON true
  ORDER BY wanted.place`;

/** Buckets by the first `digits` digits of the key's hash (or the row's): rows, and the sum of the rows' hashes. */
export function bucketsSql(table: HashedTable, digits: number): string {
  const bucket = `pg_catalog.left(x.${isKeyed(table) ? 'k' : 'd'}, ${digits})`;
  return `
    SELECT ${bucket}, pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(x.d, 0))
    FROM (SELECT ${isKeyed(table) ? `${keyHash(table)} AS k, ` : ''}${rowHash(table)} AS d FROM ${from(table)} OFFSET 0) AS x
    GROUP BY 1`;
}

/** The rows of the buckets `$1`: the key's columns as text, then the row's hash; without a key the hash and how many rows have it. */
export function listSql(table: HashedTable, digits: number): string {
  const wanted = 'IN (SELECT w.name FROM pg_catalog.unnest($1::pg_catalog.text[]) AS w (name))';
  if (isKeyed(table)) {
    const key = table.key.map((name) => columnText(table, name)).join(', ');
    return `SELECT ${key}, ${rowHash(table)} FROM ${from(table)} WHERE pg_catalog.left(${keyHash(table)}, ${digits}) ${wanted}`;
  }
  return `
    SELECT x.d, pg_catalog.count(*)
    FROM (SELECT ${rowHash(table)} AS d FROM ${from(table)} OFFSET 0) AS x
    WHERE pg_catalog.left(x.d, ${digits}) ${wanted}
    GROUP BY 1`;
}

/**
 * The rows of `keys` keys, whose values are the parameters in order: which key, hash, how many, and which physical rows they are.
 * An index can't be used by text, so values are read back into the key's types; the text is compared as well, because two keys of
 * different text can be equal to the index (`citext`, nondeterministic collations).
 */
export function readByKeySql(table: HashedTable, keys: number): string {
  const width = table.key.length;
  const tuples = Array.from({ length: keys }, (_, row) => {
    const values = table.keyParts.map((part, column) => `$${row * width + column + 1}::${part.typeSql}`);
    return `(${row}, ${values.join(', ')})`;
  });
  const names = table.key.map((_, column) => `k${column}`);
  const matches = table.key.flatMap((name, column) => [
    `t.${quoteIdent(name)} ${must(table.keyParts[column], 'the type of a key column').equals} w.k${column}`,
    `${columnText(table, name)} = ${printed(table, name, `w.k${column}`)}`,
  ]);
  return readSql(
    `SELECT w.n, ${rowHash(table)} AS d, ${VERSION} AS v
     FROM (VALUES ${tuples.join(', ')}) AS w (n, ${names.join(', ')})
     JOIN ${from(table)} ON ${matches.join(' AND ')}`,
  );
}

/** The rows whose hashes are in `$1`, as `readByKeySql` gives them, with the place in `$1` for the key. */
export function readByHashSql(table: HashedTable): string {
  return readSql(
    `SELECT w.n - 1 AS n, y.d, y.v
     FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS w (d, n)
     JOIN (SELECT ${rowHash(table)} AS d, ${VERSION} AS v FROM ${from(table)} OFFSET 0) AS y ON y.d = w.d`,
  );
}

export function isKeyed(table: ComparedTable): boolean {
  return table.key.length > 0;
}

/** Tells physical rows apart: an update makes another one. Source: manual, "5.6. System Columns". */
const VERSION = `pg_catalog.concat(t.tableoid, ' ', t.xmin, ' ', t.ctid)`;

function readSql(rows: string): string {
  return `
    SELECT x.n, x.d, pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(x.v, 0))
    FROM (${rows} OFFSET 0) AS x
    GROUP BY 1, 2`;
}

function from(table: ComparedTable): string {
  const name = `${table.only ? 'ONLY ' : ''}${quoteName(table)}`;
  const { masks = NO_MASKS, condition, present } = table;
  if (present !== undefined) return `(${presentRowsSql(table, name, present)}) AS t`;
  if (masks.size === 0 && condition === undefined) return `${name} AS t`;
  // In a subquery of its own, where the condition's names can only mean the table's columns. The planner takes it apart again.
  const columns = [...new Set([...table.columns, ...table.key])].map((column) => {
    const mask = masks.get(column);
    const quoted = quoteIdent(column);
    return mask === undefined ? `s.${quoted}` : `${maskedValue(`s.${quoted}`, mask)} AS ${quoted}`;
  });
  const where = condition === undefined ? '' : ` WHERE (${condition})`;
  return `(SELECT s.tableoid, s.xmin, s.ctid, ${columns.join(', ')} FROM ${name} AS s${where}) AS t`;
}

const NO_MASKS: NonNullable<ComparedTable['masks']> = new Map();

function columnText(table: HashedTable, column: string): string {
  return printed(table, column, `t.${quoteIdent(column)}`);
}

/**
 * Text by the type's output function. A cast to text would not do: it strips the blanks of `bpchar`, and users can define casts.
 * The collation is fixed, since columns of different collations can't be put together otherwise.
 */
function printed({ conversions }: HashedTable, column: string, value: string): string {
  const text = `pg_catalog.concat(${value})`;
  const conversion = conversions?.get(column);
  return `(${conversion === undefined ? text : convertedText(conversion, { value, text })} COLLATE pg_catalog."C")`;
}

/** `IS NOT DISTINCT FROM NULL`, because a composite value whose fields are all NULL `IS NULL` without being it. */
function nullableText(table: HashedTable, column: string): string {
  return `CASE WHEN t.${quoteIdent(column)} IS NOT DISTINCT FROM NULL THEN NULL ELSE ${columnText(table, column)} END`;
}

function rowHash(table: HashedTable): string {
  return hash(
    table,
    table.columns.map((column) => nullableText(table, column)),
  );
}

function keyHash(table: HashedTable): string {
  return hash(
    table,
    table.key.map((column) => columnText(table, column)),
  );
}

/**
 * An array's text is unambiguous, tells NULL from '' and quotes by ASCII alone; a row's text quotes what the operating system takes for
 * white space, which is not the same everywhere.
 */
function hash(table: HashedTable, texts: readonly string[]): string {
  const text = `ARRAY[${texts.join(', ')}]::pg_catalog.text[]::pg_catalog.text`;
  const utf8 = table.encoding === 'UTF8' ? text : `pg_catalog.convert_to(${text}, 'UTF8')`;
  return `(pg_catalog.md5(${utf8}) COLLATE pg_catalog."C")`;
}
