// The rows that every scenario moves: made by the server from a fixed seed, so that each run moves the same bytes.

/** The table of the bench, in every database of both clusters. */
export const ITEMS = 'bench.items';

/** Its nine columns with their types, in order. */
const ITEM_COLUMNS: readonly (readonly [name: string, type: string])[] = [
  ['id', 'pg_catalog.int8'],
  ['quantity', 'pg_catalog.int4'],
  ['title', 'pg_catalog.text'],
  ['amount', 'pg_catalog.numeric(14, 2)'],
  ['created_at', 'pg_catalog.timestamptz'],
  ['updated_at', 'pg_catalog.timestamptz'],
  ['note', 'pg_catalog.text'],
  ['attributes', 'pg_catalog.jsonb'],
  ['token', 'pg_catalog.uuid'],
];

const COLUMN_NAMES = ITEM_COLUMNS.map(([name]) => name).join(', ');

/** Makes the schema and the empty table. */
export const CREATE_ITEMS = `
CREATE SCHEMA bench;
CREATE TABLE ${ITEMS} (
  ${ITEM_COLUMNS.map(([name, type]) => `${name} ${type} NOT NULL`).join(',\n  ')}
)`;

/** Builds the key; on a filled table it sorts once instead of descending for each row. */
export const ADD_ITEMS_KEY = `ALTER TABLE ${ITEMS} ADD CONSTRAINT items_pkey PRIMARY KEY (id)`;

/**
 * Inserts the rows numbered `$1` to `$2`: about 215 bytes each on disk. Everything is computed from the number and the
 * seed; md5 gives digits that no compression shortens.
 */
export const INSERT_ITEMS = `
INSERT INTO ${ITEMS} (${COLUMN_NAMES})
SELECT
  n,
  (n * 7919 % 1000)::int4,
  'item ' || pg_catalog.left(digest, 10 + (n % 9)::int4),
  (n * 104729 % 10000000)::numeric / 100,
  '2024-01-01 00:00:00+00'::timestamptz + n * interval '7.31 seconds',
  '2024-06-01 00:00:00+00'::timestamptz + n * interval '3.77 seconds',
  'note on ' || digest || pg_catalog.repeat('.', (n % 13)::int4),
  pg_catalog.jsonb_build_object('tag', pg_catalog.left(digest, 8), 'size', n % 97, 'live', n % 3 = 0),
  digest::uuid
FROM (
  SELECT n, pg_catalog.md5('millrace bench ' || n::text) AS digest
  FROM pg_catalog.generate_series($1::int8, $2::int8) AS n
) AS numbered`;

/** Vacuums and analyses the table, which autovacuum (switched off) would have done in the end. */
export const TEND_ITEMS = `VACUUM (FREEZE, ANALYZE) ${ITEMS}`;

/** Bytes of the table without its index. */
export const SIZE_OF_ITEMS = `SELECT pg_catalog.pg_relation_size('${ITEMS}')::text`;

/**
 * Row count, and the sum of a 64-bit hash over each row's text: equal exactly when both tables hold the same rows (but
 * for a coincidence of 1 in 10^19), whatever their order. A sum and not an exclusive or: a row held twice
 * must show.
 */
export const FINGERPRINT_ITEMS = fingerprint(ITEMS, COLUMN_NAMES);

/** The same of some rows only. */
export function fingerprintItems(condition: string): string {
  return `${FINGERPRINT_ITEMS} WHERE ${condition}`;
}

/** The table of the lag scenario: one row for each transaction, with who wrote it and its number. */
export const TICKS = 'bench.ticks';

export const CREATE_TICKS = `
CREATE TABLE ${TICKS} (
  writer pg_catalog.int4 NOT NULL,
  number pg_catalog.int8 NOT NULL,
  note pg_catalog.text NOT NULL,
  CONSTRAINT ticks_pkey PRIMARY KEY (writer, number)
)`;

export const FINGERPRINT_TICKS = fingerprint(TICKS, 'writer, number, note');

function fingerprint(table: string, columns: string): string {
  return `
SELECT
  pg_catalog.count(*)::text,
  coalesce(pg_catalog.sum(pg_catalog.hashtextextended(ROW(${columns})::text, 0)::numeric), 0)::text
FROM ${table}`;
}
