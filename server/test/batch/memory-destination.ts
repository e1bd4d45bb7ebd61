// A destination in memory that does with a batch what the apply session does, and refuses what a table with a key refuses.
import type { CopyRows } from '../../src/model/batch/segments.ts';
import type { KeyedEffect, ReplaceMode } from '../../src/model/batch/keyed-phase.ts';
import type { MovePhase } from '../../src/model/batch/move-phase.ts';
import type { ObjectBatch } from '../../src/model/batch/object-batch.ts';
import type { TransferFormat } from '../../src/model/batch/row-format.ts';
import { parseRows } from './parse-rows.ts';

/** A row's values in hex, or null. */
export type MemoryRow = readonly (string | null)[];

/** What a real table would answer with an error, or with a wrong row count. */
export class DestinationConflict extends Error {
  override readonly name = 'DestinationConflict';
}

/** Rows by their key; without key columns, a multiset of rows. */
export class Table {
  readonly keyColumns: readonly number[];
  readonly #rows = new Map<string, MemoryRow[]>();

  constructor(keyColumns: readonly number[]) {
    this.keyColumns = keyColumns;
  }

  emptyLike(): Table {
    return new Table(this.keyColumns);
  }

  keyOf(row: MemoryRow): string {
    const parts = this.keyColumns.length === 0 ? row : this.keyColumns.map((column) => row[column]);
    return parts.map((part) => part ?? '-').join();
  }

  keys(): string[] {
    return [...this.#rows.keys()];
  }

  get(key: string): MemoryRow | undefined {
    return this.#rows.get(key)?.[0];
  }

  put(key: string, row: MemoryRow): void {
    this.#rows.set(key, [row]);
  }

  /** Throws when the key is taken. */
  insert(row: MemoryRow): void {
    const key = this.keyOf(row);
    const there = this.#rows.get(key);
    if (there === undefined) this.#rows.set(key, [row]);
    else if (this.keyColumns.length === 0) there.push(row);
    else throw new DestinationConflict(`duplicate key ${key}`);
  }

  /** Whether there was such a row. One of equal rows goes. */
  remove(key: string): boolean {
    const there = this.#rows.get(key);
    if (there === undefined) return false;
    there.pop();
    if (there.length === 0) this.#rows.delete(key);
    return true;
  }

  clear(): void {
    this.#rows.clear();
  }

  sorted(): readonly string[] {
    return [...this.#rows.values()].flatMap((rows) => rows.map((row) => row.map((value) => value ?? '-').join(' '))).sort();
  }
}

/** Applies a batch in the order of the apply session. Throws a `DestinationConflict` where a table would refuse. */
export function applyBatch(table: Table, batch: ObjectBatch, mode: ReplaceMode): void {
  const { format } = batch.shape;
  if (batch.truncateFirst) table.clear();
  for (const phase of batch.phases) {
    switch (phase.kind) {
      case 'append':
        for (const row of read(phase.effect(), format.name)) table.insert(row);
        break;
      case 'multiset': {
        const { deletes, rows } = phase.effect();
        for (const { copies, rows } of deletes) {
          for (const row of read(rows, format.name)) {
            for (let i = 0; i < copies; i++) {
              if (!table.remove(table.keyOf(row))) throw new DestinationConflict('a row to delete is missing');
            }
          }
        }
        for (const row of read(rows, format.name)) table.insert(row);
        break;
      }
      case 'keyed':
        applyKeyed(table, phase.effect(mode), mode, batch);
        break;
      case 'moves':
        applyMoves(table, phase, mode, batch);
        break;
      case 'mark_all':
        throw new DestinationConflict('rows of this destination do not outlive their deletes');
    }
  }
}

function applyKeyed(table: Table, effect: KeyedEffect, mode: ReplaceMode, { shape, overlap }: ObjectBatch): void {
  for (const key of read(effect.deletes, shape.format.name)) table.remove(key.map((part) => part ?? '-').join());
  for (const { columns, rows } of effect.partials) {
    for (const values of read(rows, shape.format.name)) {
      const patch = new Map(columns.map((column, i) => [column, values[i] as string | null]));
      const key = table.keyColumns.map((column) => patch.get(column) ?? '-').join();
      const there = table.get(key);
      if (there !== undefined) table.put(key, patched(there, patch));
      else if (!overlap) throw new DestinationConflict(`the row ${key} to update is missing`);
    }
  }
  for (const row of read(effect.changes, shape.format.name)) {
    if (mode !== 'update' || !table.remove(table.keyOf(row))) throw new DestinationConflict('a row to change is missing');
    table.insert(row);
  }
  for (const row of read(effect.rows, shape.format.name)) {
    if (mode === 'upsert') table.remove(table.keyOf(row));
    table.insert(row);
  }
}

/** All moves at once; where the table wants its rows updated in place, run by run, and inside a run in the worst order. */
function applyMoves(table: Table, phase: MovePhase, mode: ReplaceMode, { shape }: ObjectBatch): void {
  const { columns, rows, runs } = phase.effect();
  const parsed = runs.map((run) => read(run, shape.format.name));
  if (JSON.stringify(parsed.flat()) !== JSON.stringify(read(rows, shape.format.name))) throw new Error('the runs are not the rows');
  const keySize = table.keyColumns.length;
  const target = (values: MemoryRow) => {
    const old = values
      .slice(0, keySize)
      .map((part) => part ?? '-')
      .join();
    const there = table.get(old);
    if (there === undefined) throw new DestinationConflict(`the row ${old} to move is missing`);
    return { old, row: patched(there, new Map(columns.map((column, i) => [column, values[keySize + i] as string | null]))) };
  };
  if (mode === 'upsert') {
    for (const run of parsed) {
      for (const { old, row } of run.map(target).toReversed()) {
        table.remove(old);
        table.insert(row);
      }
    }
    return;
  }
  const moves = parsed.flat().map(target);
  for (const { old } of moves) table.remove(old);
  for (const { row } of moves) table.insert(row);
}

function patched(row: MemoryRow, patch: ReadonlyMap<number, string | null>): MemoryRow {
  return row.map((value, column) => (patch.has(column) ? (patch.get(column) as string | null) : value));
}

function read({ bytes, segments }: CopyRows, format: TransferFormat): readonly MemoryRow[] {
  const parts: Buffer[] = [];
  for (let i = 0; i < segments.bounds.length; i += 2) parts.push(bytes.subarray(segments.bounds[i], segments.bounds[i + 1]));
  const joined = Buffer.concat(parts);
  if (joined.length !== segments.sizeBytes) throw new Error(`segments say ${segments.sizeBytes} bytes, and hold ${joined.length}`);
  const rows = parseRows(joined, format);
  if (rows.length !== segments.rows) throw new Error(`segments say ${segments.rows} rows, and hold ${rows.length}`);
  return rows;
}
