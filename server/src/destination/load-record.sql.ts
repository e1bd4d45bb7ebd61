// The statement that makes a piece of a historical load count: it commits with the rows, and only for the present writer.
import { quoteIdent, quoteLiteral } from '../pg/ident.ts';
import { STATE_SCHEMA } from './names.ts';
import type { ChunkRecord, Fence } from './state-records.ts';

/**
 * Records a finished chunk and counts its rows in one statement of text, for a session that speaks the simple protocol. Changes exactly
 * one row; none when the epoch is not the present one any more. The lock makes a take-over wait for this transaction.
 */
export function recordChunk(fence: Fence, chunk: ChunkRecord): string {
  const { source, copyGeneration, chunkNo, leafOid, fromPage, toPage, rows, bytes } = chunk;
  const names = `${quoteLiteral(source.schema)}, ${quoteLiteral(source.name)}`;
  const numbers = [copyGeneration, chunkNo, leafOid, fromPage, toPage, rows, bytes].map((value) =>
    value === null ? 'NULL' : integer(value),
  );
  return `
    WITH fence AS (${held(fence, 'name')}),
    recorded AS (
      INSERT INTO ${S}.chunk (pipeline, source_schema, source_name, copy_generation, chunk_no, leaf_oid, from_page, to_page, rows, bytes)
      SELECT fence.name, ${names}, ${numbers.join(', ')} FROM fence
      RETURNING pipeline
    )
    UPDATE ${S}.object AS o
       SET rows_copied = o.rows_copied + ${integer(rows)}, bytes_copied = o.bytes_copied + ${integer(bytes)}
      FROM recorded
     WHERE o.pipeline = recorded.pipeline AND (o.source_schema, o.source_name) = (${names})`;
}

/** Holds the epoch until the transaction ends; selects exactly one row, or none when the epoch is not the present one any more. */
export function holdEpoch(fence: Fence): string {
  return held(fence, '1');
}

const S = quoteIdent(STATE_SCHEMA);

function held(fence: Fence, column: 'name' | '1'): string {
  return `SELECT ${column} FROM ${S}.pipeline WHERE name = ${quoteLiteral(fence.pipeline)} AND epoch = ${fence.epoch} FOR KEY SHARE`;
}

/** A number as SQL: anything that is not whole could only come from a mistake of ours. */
function integer(value: number): string {
  if (!Number.isSafeInteger(value)) throw new TypeError(`not a whole number: ${value}`);
  return String(value);
}
