// The statements that move the checkpoint and the objects' positions, run in the transaction that brings the rows.
import type { DestinationColumn } from '../model/destination-table.ts';
import type { RowIdentity, SourceLeaf } from '../model/table.ts';
import { quoteIdent, type QualifiedName, quoteLiteral } from '../pg/ident.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import { STATE_SCHEMA } from './names.ts';
import type { Fence } from './state-records.ts';

const S = quoteIdent(STATE_SCHEMA);

/** The new checkpoint; `commitTimeMicros` (since 2000) null leaves the time as it is. */
export interface CheckpointMove {
  readonly lsn: Lsn;
  readonly commitTimeMicros: bigint | null;
}

/** How an object's record changes with a commit. Null leaves a value as it is. */
export interface ObjectAdvance {
  readonly source: QualifiedName;
  readonly state: string | null;
  readonly applied: Lsn | null;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly truncated: number;
}

/**
 * Moves the checkpoint, or with null only proves that we are still the writer. Changes one row if and only if the epoch is the present
 * one: a process that was replaced while it slept finds nothing to update.
 */
export function advanceCheckpoint(fence: Fence, move: CheckpointMove | null): string {
  const set =
    move === null
      ? 'updated_at = pg_catalog.clock_timestamp()'
      : `checkpoint_lsn = ${lsn(move.lsn)}, updated_at = pg_catalog.clock_timestamp()${commitTime(move.commitTimeMicros)}`;
  return `UPDATE ${S}.pipeline SET ${set} WHERE name = ${quoteLiteral(fence.pipeline)} AND epoch = ${fence.epoch}`;
}

/** Advances all objects of a commit in one statement. */
export function advanceObjects(fence: Fence, objects: readonly ObjectAdvance[]): string {
  const rows = objects.map((object) => {
    const { source, state, applied, inserted, updated, deleted, truncated } = object;
    const values = [
      quoteLiteral(source.schema),
      quoteLiteral(source.name),
      state === null ? 'NULL::pg_catalog.text' : quoteLiteral(state),
      applied === null ? 'NULL::pg_catalog.pg_lsn' : lsn(applied),
    ];
    return `(${[...values, inserted, updated, deleted, truncated].join(', ')})`;
  });
  return `UPDATE ${S}.object AS o
    SET state = COALESCE(v.state, o.state), applied_lsn = COALESCE(v.applied, o.applied_lsn),
      reason = CASE WHEN v.state IS NULL THEN o.reason END,
      inserted = o.inserted + v.inserted, updated = o.updated + v.updated,
      deleted = o.deleted + v.deleted, truncated = o.truncated + v.truncated, updated_at = pg_catalog.clock_timestamp()
    FROM (VALUES ${rows.join(', ')}) AS v (source_schema, source_name, state, applied, inserted, updated, deleted, truncated)
    WHERE o.pipeline = ${quoteLiteral(fence.pipeline)} AND o.source_schema = v.source_schema AND o.source_name = v.source_name`;
}

/** What an object's table looks like since the transaction that is about to commit. */
export interface ObjectReshape {
  readonly source: QualifiedName;
  readonly columns: readonly DestinationColumn[];
  readonly identity: RowIdentity;
  /** Null: stays as it is. */
  readonly leaves: readonly SourceLeaf[] | null;
}

/** Writes down what a table looks like, in the transaction that altered it. */
export function reshapeObject(fence: Fence, { source, columns, identity, leaves }: ObjectReshape): string {
  const json = (value: unknown): string => `${quoteLiteral(JSON.stringify(value))}::pg_catalog.jsonb`;
  return `UPDATE ${S}.object
    SET columns = ${json(columns)}, identity = ${json(identity)}, leaves = ${leaves === null ? 'leaves' : json(leaves)},
      updated_at = pg_catalog.clock_timestamp()
    WHERE pipeline = ${quoteLiteral(fence.pipeline)} AND source_schema = ${quoteLiteral(source.schema)} AND source_name = ${quoteLiteral(source.name)}`;
}

function lsn(position: Lsn): string {
  return `${quoteLiteral(formatLsn(position))}::pg_catalog.pg_lsn`;
}

function commitTime(micros: bigint | null): string {
  if (micros === null) return '';
  return `, checkpoint_commit_time = TIMESTAMPTZ '2000-01-01 00:00:00+00' + pg_catalog.make_interval(secs => ${micros} / 1000000.0)`;
}
