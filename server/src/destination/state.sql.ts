// The statements on our state tables, apart from those that advance the checkpoint. Every write names the epoch that it needs.
import { quoteIdent } from '../pg/ident.ts';
import { STATE_SCHEMA } from './names.ts';
import { CHUNK_COLUMNS, OBJECT_COLUMNS, PIPELINE_COLUMNS } from './state-records.ts';

const S = quoteIdent(STATE_SCHEMA);

/** Serialises installation among processes that start together; the number is ours alone. */
export const LOCK_STATE = `SELECT pg_catalog.pg_advisory_xact_lock(5501120441733)`;

/** Whether the schema, and in it the version table, exist. */
export const STATE_EXISTS = `
  SELECT n.oid IS NOT NULL, c.oid IS NOT NULL
    FROM (VALUES (1)) AS one (n)
    LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = '${STATE_SCHEMA}'
    LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'version' AND c.relkind = 'r'`;

export const READ_VERSION = `SELECT pg_catalog.max(version) FROM ${S}.version`;

export const WRITE_VERSION = `INSERT INTO ${S}.version (version) VALUES ($1)`;

export const INSERT_PIPELINE = `
  INSERT INTO ${S}.pipeline (name, source_system_id, source_database) VALUES ($1, $2, $3)
  ON CONFLICT (name) DO NOTHING`;

/** Waits for every transaction that holds the row by an older epoch: after this, none of them can commit unnoticed. */
export const LOCK_PIPELINE = `SELECT source_system_id, source_database FROM ${S}.pipeline WHERE name = $1 FOR UPDATE`;

export const BUMP_EPOCH = `
  UPDATE ${S}.pipeline SET epoch = epoch + 1, updated_at = pg_catalog.now() WHERE name = $1
  RETURNING ${PIPELINE_COLUMNS.join(', ')}`;

/** Holds the epoch until the transaction ends: a take-over waits for it. No row: the epoch is not the present one. */
export const HOLD_EPOCH = `SELECT 1 FROM ${S}.pipeline WHERE name = $1 AND epoch = $2::pg_catalog.int8 FOR KEY SHARE`;

export const SELECT_PIPELINE = `SELECT ${PIPELINE_COLUMNS.join(', ')} FROM ${S}.pipeline WHERE name = $1`;

export const SELECT_PIPELINE_NAMES = `SELECT name FROM ${S}.pipeline ORDER BY name`;

/** Keeps new pipelines out while we look whether any is left. */
export const LOCK_PIPELINES = `LOCK TABLE ${S}.pipeline IN SHARE MODE`;

export const SELECT_OBJECTS = `
  SELECT ${OBJECT_COLUMNS.join(', ')} FROM ${S}.object WHERE pipeline = $1 ORDER BY source_schema, source_name`;

/**
 * `$3`: objects as a JSON array. What an operator asked for stays as it is, and so does what is left null. In a state without rows to go
 * on from, an object has no position.
 */
export const UPSERT_OBJECTS = `
  WITH fence AS (SELECT name FROM ${S}.pipeline WHERE name = $1 AND epoch = $2::pg_catalog.int8 FOR KEY SHARE),
  changed AS (
    INSERT INTO ${S}.object AS o
           (pipeline, source_schema, source_name, source_oid, state, desired, reason, destination_schema, destination_name)
    SELECT fence.name, w.source_schema, w.source_name, w.source_oid, w.state, w.desired, w.reason,
           w.destination_schema, w.destination_name
      FROM fence,
           pg_catalog.jsonb_to_recordset($3::pg_catalog.jsonb) AS w (
             source_schema pg_catalog.text, source_name pg_catalog.text, source_oid pg_catalog.oid, state pg_catalog.text,
             desired pg_catalog.text, reason pg_catalog.jsonb, destination_schema pg_catalog.text, destination_name pg_catalog.text)
    ON CONFLICT (pipeline, source_schema, source_name) DO UPDATE
       SET source_oid = EXCLUDED.source_oid,
           state = EXCLUDED.state,
           reason = EXCLUDED.reason,
           applied_lsn = CASE WHEN EXCLUDED.state NOT IN ('pending', 'skipped', 'ineligible') THEN o.applied_lsn END,
           destination_schema = COALESCE(EXCLUDED.destination_schema, o.destination_schema),
           destination_name = COALESCE(EXCLUDED.destination_name, o.destination_name),
           updated_at = pg_catalog.now()
    RETURNING 1)
  SELECT (SELECT pg_catalog.count(*) FROM fence), (SELECT pg_catalog.count(*) FROM changed)`;

/** Columns of an object that its state can change, with their types; the assignment list is made of these names only. */
export const OBJECT_PATCH_TYPES = {
  source_oid: 'pg_catalog.oid',
  state: 'pg_catalog.text',
  restart_requested: 'pg_catalog.bool',
  resume_requested: 'pg_catalog.bool',
  reason: 'pg_catalog.jsonb',
  destination_schema: 'pg_catalog.text',
  destination_name: 'pg_catalog.text',
  destination_oid: 'pg_catalog.oid',
  columns: 'pg_catalog.jsonb',
  identity: 'pg_catalog.jsonb',
  snapshot: 'pg_catalog.text',
  snapshot_lsn: 'pg_catalog.pg_lsn',
  applied_lsn: 'pg_catalog.pg_lsn',
  overlap: 'pg_catalog.bool',
  leaves: 'pg_catalog.jsonb',
  published: 'pg_catalog.text',
  copy_generation: 'pg_catalog.int4',
  layout: 'pg_catalog.text',
} as const;

/** The present value of each counter is replaced when a new load begins. */
export const RESET_COUNTERS = 'rows_copied = 0, bytes_copied = 0, inserted = 0, updated = 0, deleted = 0, truncated = 0';

/** Parameters: pipeline, epoch, schema, name, then the values of `assignments`. */
export function updateObject(assignments: readonly string[]): string {
  return `
  WITH fence AS (SELECT name FROM ${S}.pipeline WHERE name = $1 AND epoch = $2::pg_catalog.int8 FOR KEY SHARE),
  changed AS (
    UPDATE ${S}.object SET ${[...assignments, 'updated_at = pg_catalog.now()'].join(', ')}
      FROM fence
     WHERE pipeline = fence.name AND source_schema = $3 AND source_name = $4
    RETURNING 1)
  SELECT (SELECT pg_catalog.count(*) FROM fence), (SELECT pg_catalog.count(*) FROM changed)`;
}

/** Parameters: pipeline, epoch, then state, reason, slot name, timeline. What is null stays, except the reason. */
export const UPDATE_PIPELINE = `
  UPDATE ${S}.pipeline
     SET state = COALESCE($3, state), reason = $4::pg_catalog.jsonb, slot_name = COALESCE($5, slot_name),
         timeline = COALESCE($6::pg_catalog.int4, timeline), updated_at = pg_catalog.now()
   WHERE name = $1 AND epoch = $2::pg_catalog.int8
  RETURNING 1`;

/** Only forward: a late call must not undo a later one. */
export const NOTE_CONFIRMED = `
  UPDATE ${S}.pipeline SET confirmed_lsn = GREATEST(confirmed_lsn, $3::pg_catalog.pg_lsn)
   WHERE name = $1 AND epoch = $2::pg_catalog.int8
  RETURNING 1`;

export const INSERT_CHUNK = `
  INSERT INTO ${S}.chunk (pipeline, ${CHUNK_COLUMNS.join(', ')})
  VALUES ($1, ${CHUNK_COLUMNS.map((_, index) => `$${index + 2}`).join(', ')})`;

export const COUNT_CHUNK = `
  UPDATE ${S}.object
     SET rows_copied = rows_copied + $4::pg_catalog.int8, bytes_copied = bytes_copied + $5::pg_catalog.int8
   WHERE pipeline = $1 AND source_schema = $2 AND source_name = $3`;

export const SELECT_CHUNKS = `
  SELECT ${CHUNK_COLUMNS.join(', ')} FROM ${S}.chunk
   WHERE pipeline = $1 AND source_schema = $2 AND source_name = $3 AND copy_generation = $4
   ORDER BY chunk_no`;

/** Chunks of loads that are over; `$4`: the generation to keep. */
export const DELETE_CHUNKS = `
  DELETE FROM ${S}.chunk WHERE pipeline = $1 AND source_schema = $2 AND source_name = $3 AND copy_generation < $4`;

/** What an operator asks for. Parameters: pipeline, names as a JSON array of [schema, name]; null: all objects. */
export function requestChange(assignments: string): string {
  return `
  UPDATE ${S}.object SET ${assignments}, updated_at = pg_catalog.now()
   WHERE pipeline = $1
     AND ($2::pg_catalog.jsonb IS NULL
          OR pg_catalog.jsonb_build_array(source_schema, source_name) IN (SELECT pg_catalog.jsonb_array_elements($2::pg_catalog.jsonb)))
  RETURNING source_schema, source_name`;
}

export const INSERT_EVENT = `INSERT INTO ${S}.event (pipeline, object, code, text) VALUES ($1, $2, $3, $4)`;

/** Keeps the last `$2` events of the pipeline. */
export const TRIM_EVENTS = `
  DELETE FROM ${S}.event
   WHERE pipeline = $1
     AND id < (SELECT id FROM ${S}.event WHERE pipeline = $1 ORDER BY id DESC OFFSET ($2::pg_catalog.int4 - 1) LIMIT 1)`;

export const SELECT_EVENTS = `
  SELECT at, object, code, text FROM (
    SELECT id, at, object, code, text FROM ${S}.event WHERE pipeline = $1 ORDER BY id DESC LIMIT $2::pg_catalog.int4) AS latest
   ORDER BY id`;

export const SELECT_TYPE_OIDS = `SELECT destination_oid FROM ${S}.type`;

/** Forgets types that no longer exist: their OIDs may come back as somebody else's. */
export const FORGET_TYPES = `
  DELETE FROM ${S}.type o WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_type t WHERE t.oid = o.destination_oid)`;

/** Remembers the type `$4`.`$5` as ours. */
export const REMEMBER_TYPE = `
  INSERT INTO ${S}.type (destination_oid, pipeline, source_schema, source_name)
  SELECT t.oid, $1, $2, $3
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
   WHERE n.nspname = $4 AND t.typname = $5`;

export const SELECT_RAW_TABLES = `
  SELECT pipeline, source_schema, source_name, raw_schema, raw_name FROM ${S}.raw_table`;

/** Whether the relation `$4` is the raw table of the object `$1`, `$2`.`$3`. */
export const OWNS_RAW_TABLE = `
  SELECT 1 FROM ${S}.raw_table
   WHERE (pipeline, source_schema, source_name, raw_oid) = ($1, $2, $3, $4::pg_catalog.oid)`;

/** Remembers the table `$4`.`$5` as the object's. */
export const REMEMBER_RAW_TABLE = `
  INSERT INTO ${S}.raw_table (pipeline, source_schema, source_name, raw_schema, raw_name, raw_oid)
  SELECT $1, $2, $3, n.nspname, c.relname, c.oid
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = $4 AND c.relname = $5
  ON CONFLICT (pipeline, source_schema, source_name)
  DO UPDATE SET raw_schema = EXCLUDED.raw_schema, raw_name = EXCLUDED.raw_name, raw_oid = EXCLUDED.raw_oid`;

/** Everything of one pipeline but its types, which its tables go on using. */
export const DELETE_PIPELINE: readonly string[] = [
  `DELETE FROM ${S}.event WHERE pipeline = $1`,
  `DELETE FROM ${S}.chunk WHERE pipeline = $1`,
  `DELETE FROM ${S}.object WHERE pipeline = $1`,
  `DELETE FROM ${S}.raw_table WHERE pipeline = $1`,
  `DELETE FROM ${S}.pipeline WHERE name = $1`,
];

/** Whose table this is: the pipeline and the object that created the relation `$1`. */
export const OWNER_OF_TABLE = `
  SELECT pipeline, source_schema, source_name FROM ${S}.object WHERE destination_oid = $1::pg_catalog.oid`;
