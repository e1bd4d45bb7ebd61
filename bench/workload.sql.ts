// What is written to the source while nobody consumes: one transaction mix and three large transactions.
import { INSERT_ITEMS, ITEMS, TICKS } from './dataset.sql.ts';

/**
 * A procedure that writes one-row transactions, numbered from 1 to `transactions`: every tenth an insert, every
 * twentieth a delete, the others updates of random keys. Deletes have every sixteenth key to themselves, so that each
 * transaction finds its row; the random numbers are hashes of the transaction's number.
 */
export const CREATE_WRITE_ONE_BY_ONE = `
CREATE PROCEDURE bench.write_one_by_one(row_count int8, transactions int8) LANGUAGE plpgsql AS $body$
DECLARE
  key int8;
BEGIN
  FOR i IN 1 .. transactions LOOP
    IF i % 20 = 7 THEN
      DELETE FROM ${ITEMS} WHERE id = 16 * (1 + (i / 20 * 7919) % (row_count / 16));
    ELSIF i % 10 = 3 THEN
      INSERT INTO ${ITEMS} (id, quantity, title, amount, created_at, updated_at, note, attributes, token)
      SELECT row_count + i, quantity, title, amount, created_at, updated_at, note, attributes, token
      FROM ${ITEMS} WHERE id = 1 + 16 * (i % (row_count / 16));
    ELSE
      key := 1 + pg_catalog.abs(pg_catalog.hashint8(i)::int8) % row_count;
      UPDATE ${ITEMS}
      SET quantity = (i % 1000)::int4, amount = (i % 1000000)::numeric / 100, updated_at = pg_catalog.clock_timestamp()
      WHERE id = key - (key % 16 = 0)::int4;
    END IF;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'transaction % found no row', i;
    END IF;
    COMMIT;
  END LOOP;
END
$body$`;

export const CALL_WRITE_ONE_BY_ONE = 'CALL bench.write_one_by_one($1, $2)';

/** The last transaction of the mix: the destination has caught up when it shows this row. */
export const WRITE_LAST_ONE = `UPDATE ${ITEMS} SET quantity = -1 WHERE id = 1`;

/** One transaction that updates every fourth row. */
export const UPDATE_MANY = `
UPDATE ${ITEMS}
SET quantity = -2, amount = amount + 1, updated_at = updated_at + interval '1 day'
WHERE id % 4 = 0`;

/** One transaction that inserts the rows numbered `$1` to `$2`. */
export const INSERT_MANY = INSERT_ITEMS;

/** How many of the rows `$1` show the mark that a transaction gives to a row's quantity. */
export const COUNT_MARKED = `SELECT pg_catalog.count(*)::text FROM ${ITEMS} WHERE id = ANY ($1::int8[]) AND quantity = $2::int4`;

/** How many of the rows `$1` exist. */
export const COUNT_PRESENT = `SELECT pg_catalog.count(*)::text FROM ${ITEMS} WHERE id = ANY ($1::int8[])`;

/**
 * A procedure that keeps a rhythm: `total` transactions, one every `interval_ms` by the clock and not after the one
 * before, so that a slow commit is made up for. Each updates a random row and inserts one tick that carries its number.
 */
export const CREATE_BEAT = `
CREATE PROCEDURE bench.beat(writer int4, total int8, interval_ms float8, row_count int8) LANGUAGE plpgsql AS $body$
DECLARE
  started_at timestamptz := pg_catalog.clock_timestamp();
  wait_s float8;
BEGIN
  FOR i IN 1 .. total LOOP
    wait_s := EXTRACT(epoch FROM started_at - pg_catalog.clock_timestamp()) + i * interval_ms / 1000;
    IF wait_s > 0 THEN
      PERFORM pg_catalog.pg_sleep(wait_s);
    END IF;
    UPDATE ${ITEMS}
    SET quantity = (i % 1000)::int4, updated_at = pg_catalog.clock_timestamp()
    WHERE id = 1 + pg_catalog.abs(pg_catalog.hashint8(i * 1000 + writer)::int8) % row_count;
    INSERT INTO ${TICKS} (writer, number, note) VALUES (writer, i, 'tick of a writer that keeps a rhythm');
    COMMIT;
  END LOOP;
END
$body$`;

export const CALL_BEAT = 'CALL bench.beat($1, $2, $3, $4)';

/** A tick outside the rhythm, to see whether changes flow. */
export const WRITE_FIRST_TICK = `INSERT INTO ${TICKS} (writer, number, note) VALUES (-1, 1, 'first')`;

export const SELECT_FIRST_TICK = `SELECT number::text FROM ${TICKS} WHERE writer = -1`;

/** The destination's clock in microseconds since 1970, and the highest number of each writer `$1` that is visible. */
export const SELECT_SEEN_TICKS = `
SELECT
  pg_catalog.int8(EXTRACT(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::text,
  pg_catalog.array_to_string(ARRAY(
    SELECT coalesce((SELECT pg_catalog.max(number) FROM ${TICKS} AS tick WHERE tick.writer = listed.writer), 0)
    FROM pg_catalog.unnest($1::int4[]) AS listed (writer)
    ORDER BY listed.writer
  ), ',')`;

/** Each tick of the writers with the moment of its commit, in microseconds since 1970, by writer and number. */
export const SELECT_COMMITTED_TICKS = `
SELECT
  tick.writer::text,
  tick.number::text,
  pg_catalog.int8(EXTRACT(epoch FROM pg_catalog.pg_xact_commit_timestamp(tick.xmin)) * 1000000)::text
FROM ${TICKS} AS tick
WHERE tick.writer >= 0
ORDER BY tick.writer, tick.number`;

/** Where the source's log ends now: everything that commits later has a greater position. */
export const SELECT_LOG_END = 'SELECT pg_catalog.pg_current_wal_insert_lsn()::text';
