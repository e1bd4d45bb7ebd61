// The source that the chaos runs on: a table for every shape of row, key and identity that replication treats in its own way.

/** Accounts of the bank; their money must add up at any moment, on either side. */
export const ACCOUNTS = 100;
export const OPENING_BALANCE = 1_000;

/** Types of the columns of `wide`, over and over. */
export const WIDE_TYPES = ['int', 'text', 'numeric', 'timestamptz', 'boolean', 'float8'] as const;
export const WIDE_COLUMNS = 60;

/** Rows that each table begins with. */
export interface InitialRows {
  /** Of every ordinary table. */
  readonly rows: number;
  /** Bytes of each large value of `toasty`: with enough of them the table is loaded in several chunks. */
  readonly toastBytes: number;
}

/** Statements that make the tables, one string for the simple protocol. */
export const CREATE_TABLES = `
CREATE SCHEMA chaos;
CREATE TYPE chaos.mood AS ENUM ('sad', 'ok', 'happy', 'it''s "complicated"');

CREATE TABLE chaos.wide (id int PRIMARY KEY, ${wideColumns().join(', ')});

CREATE TABLE chaos.toasty (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, body text, doc jsonb, pages text[]);
ALTER TABLE chaos.toasty ALTER body SET STORAGE EXTERNAL, ALTER doc SET STORAGE EXTERNAL, ALTER pages SET STORAGE EXTERNAL;

CREATE TABLE chaos.composite (region text, day date, seq int, amount numeric(14, 3), note text, PRIMARY KEY (region, day, seq));

CREATE TABLE chaos.bag (k int, label text, weight float8);
ALTER TABLE chaos.bag REPLICA IDENTITY FULL;

CREATE TABLE chaos.readings (site text, id int, value numeric, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (site, id))
  PARTITION BY LIST (site);
CREATE TABLE chaos.readings_north PARTITION OF chaos.readings FOR VALUES IN ('north');
CREATE TABLE chaos.readings_south PARTITION OF chaos.readings FOR VALUES IN ('south');
CREATE TABLE chaos.readings_rest PARTITION OF chaos.readings DEFAULT;

CREATE TABLE chaos.kinds (id int PRIMARY KEY, mood chaos.mood, moods chaos.mood[], tags text[], grid int[], span int4range);

CREATE TABLE chaos.movers (id int PRIMARY KEY, label text, payload text);
ALTER TABLE chaos.movers ALTER payload SET STORAGE EXTERNAL;

CREATE TABLE chaos.seats (id int PRIMARY KEY, place int UNIQUE, guest text);

CREATE TABLE chaos.indexed (code text NOT NULL, v int, note text);
CREATE UNIQUE INDEX indexed_code ON chaos.indexed (code);
ALTER TABLE chaos.indexed REPLICA IDENTITY USING INDEX indexed_code;

CREATE TABLE chaos.events (at timestamptz NOT NULL DEFAULT clock_timestamp(), kind text, detail jsonb);

CREATE TABLE chaos.hot (id int PRIMARY KEY, n bigint NOT NULL, at timestamptz);

CREATE TABLE chaos.documents (id int PRIMARY KEY, plain json, packed jsonb);

CREATE TABLE chaos.zoo (
  id int PRIMARY KEY, b boolean, i2 int2, i8 int8, num numeric, f4 float4, f8 float8, d date, t time, tz timetz, ts timestamp,
  tstz timestamptz, span interval, raw bytea, u uuid, net inet, bits varbit, money money, point point, tsv tsvector, one "char"
);

CREATE TABLE chaos.scratch (id int PRIMARY KEY, v text);
CREATE TABLE chaos.scratch_child (id int PRIMARY KEY, scratch_id int REFERENCES chaos.scratch ON DELETE CASCADE, v text);

CREATE TABLE chaos.bank (account int PRIMARY KEY, balance bigint NOT NULL, transfers bigint NOT NULL);
CREATE TABLE chaos.ledger (debit int NOT NULL, credit int NOT NULL, amount bigint NOT NULL);

CREATE TABLE chaos.pulse (id int PRIMARY KEY, n bigint NOT NULL);
`;

/** Statements that fill the tables. The values differ from row to row, and every row could be the row of a later transaction. */
export function fillTables({ rows, toastBytes }: InitialRows): string {
  return `
INSERT INTO chaos.wide (id, c0, c1, c2) SELECT i, i, 'row ' || i, i / 7.0 FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.toasty (id, body, doc, pages)
  SELECT i, large, jsonb_build_object('i', i, 'large', large), ARRAY[large, NULL, 'end']
  FROM generate_series(1, ${rows}) AS i, LATERAL (SELECT left(repeat(md5(i::text), ${Math.ceil(toastBytes / 32)}), ${toastBytes}) AS large) AS l;
INSERT INTO chaos.composite SELECT 'r' || i % 5, date '2024-01-01' + i % 30, i, i * 1.5, 'note ' || i FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.bag SELECT i % 40, NULLIF('label ' || i % 7, 'label 3'), NULLIF(i % 3, 2) FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.readings SELECT (ARRAY['north', 'south', 'east'])[1 + i % 3], i, i / 3.0 FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.kinds SELECT i, 'ok', '{sad,happy}', ARRAY['t' || i], ARRAY[i, i + 1], int4range(i, i + 5) FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.movers SELECT i, 'mover ' || i, repeat(md5(i::text), 100) FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.seats SELECT i, i, 'guest ' || i FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.indexed SELECT 'code ' || i, i, NULL FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.events (kind, detail) SELECT 'first', jsonb_build_object('i', i) FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.hot VALUES (1, 0, now());
INSERT INTO chaos.documents SELECT i, '{"a": 1,  "a": 2}', jsonb_build_object('i', i) FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.zoo (id, b, i8, ts) SELECT i, i % 2 = 0, i, 'infinity' FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.scratch SELECT i, 'v' || i FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.scratch_child SELECT i, i, 'v' || i FROM generate_series(1, ${rows}) AS i;
INSERT INTO chaos.bank SELECT i, ${OPENING_BALANCE}, 0 FROM generate_series(1, ${ACCOUNTS}) AS i;
INSERT INTO chaos.pulse VALUES (1, 0);
ANALYZE;
`;
}

function wideColumns(): readonly string[] {
  return Array.from({ length: WIDE_COLUMNS }, (_, i) => `c${i} ${WIDE_TYPES[i % WIDE_TYPES.length]}`);
}
