// The tables that hold our state in the destination, as ordered migrations. They are a public surface: change them only by a new migration.
import { quoteIdent } from '../pg/ident.ts';
import { STATE_SCHEMA } from './names.ts';

const S = quoteIdent(STATE_SCHEMA);

/** The version that this program writes: the number of migrations. */
export const STATE_VERSION = 5;

/** Creates the schema for its owner alone. */
export const CREATE_SCHEMA: readonly string[] = [`CREATE SCHEMA ${S}`, `REVOKE ALL ON SCHEMA ${S} FROM PUBLIC`];

/** One list of statements per version, in order. */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    `CREATE TABLE ${S}.version (
       version pg_catalog.int4 NOT NULL,
       installed_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
     )`,

    // One row per pipeline: where it stands and who may write. A commit without the present epoch is refused.
    `CREATE TABLE ${S}.pipeline (
       name pg_catalog.text PRIMARY KEY,
       source_system_id pg_catalog.text NOT NULL,
       source_database pg_catalog.text NOT NULL,
       slot_name pg_catalog.text,
       epoch pg_catalog.int8 NOT NULL DEFAULT 0,
       checkpoint_lsn pg_catalog.pg_lsn,
       checkpoint_commit_time pg_catalog.timestamptz,
       timeline pg_catalog.int4,
       confirmed_lsn pg_catalog.pg_lsn,
       state pg_catalog.text NOT NULL DEFAULT 'new',
       reason pg_catalog.jsonb,
       updated_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
     )`,

    // One row per object. destination_oid is the proof that the table is this object's: only such a table is ever written to.
    `CREATE TABLE ${S}.object (
       pipeline pg_catalog.text NOT NULL REFERENCES ${S}.pipeline (name),
       source_schema pg_catalog.text NOT NULL,
       source_name pg_catalog.text NOT NULL,
       source_oid pg_catalog.oid NOT NULL,
       state pg_catalog.text NOT NULL
         CHECK (state IN ('pending', 'copying', 'catching_up', 'streaming', 'skipped', 'paused', 'failed', 'ineligible')),
       desired pg_catalog.text NOT NULL DEFAULT 'included' CHECK (desired IN ('included', 'skipped', 'paused')),
       restart_requested pg_catalog.bool NOT NULL DEFAULT false,
       resume_requested pg_catalog.bool NOT NULL DEFAULT false,
       reason pg_catalog.jsonb,
       destination_schema pg_catalog.text,
       destination_name pg_catalog.text,
       destination_oid pg_catalog.oid,
       columns pg_catalog.jsonb,
       identity pg_catalog.jsonb,
       snapshot pg_catalog.text,
       snapshot_lsn pg_catalog.pg_lsn,
       applied_lsn pg_catalog.pg_lsn,
       overlap pg_catalog.bool NOT NULL DEFAULT false,
       leaves pg_catalog.jsonb,
       published pg_catalog.text,
       copy_generation pg_catalog.int4 NOT NULL DEFAULT 0,
       rows_copied pg_catalog.int8 NOT NULL DEFAULT 0,
       bytes_copied pg_catalog.int8 NOT NULL DEFAULT 0,
       inserted pg_catalog.int8 NOT NULL DEFAULT 0,
       updated pg_catalog.int8 NOT NULL DEFAULT 0,
       deleted pg_catalog.int8 NOT NULL DEFAULT 0,
       truncated pg_catalog.int8 NOT NULL DEFAULT 0,
       updated_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
       PRIMARY KEY (pipeline, source_schema, source_name)
     )`,

    // One row per finished piece of a historical load, written in the transaction that brought its rows.
    `CREATE TABLE ${S}.chunk (
       pipeline pg_catalog.text NOT NULL,
       source_schema pg_catalog.text NOT NULL,
       source_name pg_catalog.text NOT NULL,
       copy_generation pg_catalog.int4 NOT NULL,
       chunk_no pg_catalog.int4 NOT NULL,
       leaf_oid pg_catalog.oid NOT NULL,
       from_page pg_catalog.int8 NOT NULL,
       to_page pg_catalog.int8,
       rows pg_catalog.int8 NOT NULL,
       bytes pg_catalog.int8 NOT NULL,
       done_at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
       PRIMARY KEY (pipeline, source_schema, source_name, copy_generation, chunk_no),
       FOREIGN KEY (pipeline, source_schema, source_name) REFERENCES ${S}.object (pipeline, source_schema, source_name)
     )`,

    // Types that we created, by OID: only to these are labels ever added.
    `CREATE TABLE ${S}.type (
       destination_oid pg_catalog.oid PRIMARY KEY,
       pipeline pg_catalog.text NOT NULL,
       source_schema pg_catalog.text NOT NULL,
       source_name pg_catalog.text NOT NULL
     )`,

    // The last events of each pipeline, for people.
    `CREATE TABLE ${S}.event (
       id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
       at pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
       pipeline pg_catalog.text NOT NULL,
       object pg_catalog.text,
       code pg_catalog.text NOT NULL,
       text pg_catalog.text NOT NULL
     )`,
    `CREATE INDEX event_pipeline_id ON ${S}.event (pipeline, id)`,
  ],
  // The layout that the object's table was made with. Null: from a version that had one only.
  [`ALTER TABLE ${S}.object ADD COLUMN layout pg_catalog.text`],
  // Tables of raw records, each of one object. The name is kept whatever joins; the OID is the proof that the table is ours.
  [
    `CREATE TABLE ${S}.raw_table (
       pipeline pg_catalog.text NOT NULL REFERENCES ${S}.pipeline (name),
       source_schema pg_catalog.text NOT NULL,
       source_name pg_catalog.text NOT NULL,
       raw_schema pg_catalog.text NOT NULL,
       raw_name pg_catalog.text NOT NULL,
       raw_oid pg_catalog.oid NOT NULL,
       PRIMARY KEY (pipeline, source_schema, source_name)
     )`,
  ],
  // Whether the table was there before us: such a table is used, and never altered or dropped.
  [`ALTER TABLE ${S}.object ADD COLUMN adopted pg_catalog.bool NOT NULL DEFAULT false`],
  // Objects that are read whole from time to time have a state of their own.
  [
    `ALTER TABLE ${S}.object DROP CONSTRAINT object_state_check`,
    `ALTER TABLE ${S}.object ADD CONSTRAINT object_state_check CHECK (
       state IN ('pending', 'copying', 'catching_up', 'streaming', 'refreshed', 'skipped', 'paused', 'failed', 'ineligible'))`,
  ],
];

/** Drops everything that the migrations made, children first; fails rather than take along what others built on it. */
export const DROP_STATE: readonly string[] = [
  ...['raw_table', 'event', 'type', 'chunk', 'object', 'pipeline', 'version'].map((table) => `DROP TABLE ${S}.${quoteIdent(table)}`),
  `DROP SCHEMA ${S}`,
];
