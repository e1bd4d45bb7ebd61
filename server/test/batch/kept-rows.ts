// Reads what batches of changes or versions would send, and does with it what the destination's statements do.
import type { CopyRows } from '../../src/model/batch/segments.ts';
import type { TransferFormat } from '../../src/model/batch/row-format.ts';
import type { LogBatch } from '../../src/model/batch/log-batch.ts';
import type { MemoryRow } from './memory-destination.ts';
import { parseRows } from './parse-rows.ts';

/** A row of a log in memory: kind, position, place in its transaction, and the columns' values in hex. */
export interface LogRow {
  readonly change: string;
  readonly lsn: bigint;
  readonly sequence: bigint;
  readonly values: MemoryRow;
}

/** All rows that segments name, as hex values or null. */
export function rowsIn({ bytes, segments }: CopyRows, format: TransferFormat): readonly MemoryRow[] {
  const parts: Buffer[] = [];
  for (let i = 0; i < segments.bounds.length; i += 2) parts.push(bytes.subarray(segments.bounds[i], segments.bounds[i + 1]));
  const rows = parseRows(Buffer.concat(parts), format);
  if (rows.length !== segments.rows) throw new Error(`segments say ${segments.rows} rows, and hold ${rows.length}`);
  return rows;
}

/** Adds the batch to `log`. Rows that lack columns get them from the newest earlier row of their key; throws when there is none. */
export function applyLog(log: LogRow[], batch: LogBatch, keyColumns: readonly number[]): void {
  const format = batch.shape.format.name;
  const width = batch.shape.columns.length;
  const { rows, incomplete, first } = batch.effect();
  const start = { lsn: BigInt(first.lsn), sequence: BigInt(first.sequence) };
  for (const row of rowsIn(rows, format)) log.push({ ...stampOf(row.slice(width), format), values: row.slice(0, width) });
  for (const { columns, rows } of incomplete) {
    for (const row of rowsIn(rows, format)) {
      const stamp = stampOf(row.slice(columns.length), format);
      const key = row.slice(columns.length + 4);
      const [base] = log
        .filter((other) => keyColumns.every((column, i) => other.values[column] === key[i]) && isBefore(other, start))
        .filter((other) => other.change !== 'delete' && other.change !== 'truncate')
        .toSorted((a, b) => (isBefore(a, b) ? 1 : -1));
      if (base === undefined) throw new Error('no earlier row of the key');
      const values = base.values.map((value, column) => (columns.includes(column) ? (row[columns.indexOf(column)] ?? null) : value));
      log.push({ ...stamp, values });
    }
  }
}

export function isBefore(a: Pick<LogRow, 'lsn' | 'sequence'>, b: Pick<LogRow, 'lsn' | 'sequence'>): boolean {
  return a.lsn < b.lsn || (a.lsn === b.lsn && a.sequence < b.sequence);
}

/** Our own fields, kind first. */
function stampOf([change, lsn, , sequence]: MemoryRow, format: TransferFormat): Omit<LogRow, 'values'> {
  return { change: bytesOf(change).toString(), lsn: lsnOf(bytesOf(lsn), format), sequence: countOf(bytesOf(sequence), format) };
}

function bytesOf(hex: string | null | undefined): Buffer {
  return Buffer.from(hex ?? '', 'hex');
}

export function lsnOf(bytes: Buffer, format: TransferFormat): bigint {
  if (format === 'binary') return bytes.readBigInt64BE();
  const [high = '', low = ''] = bytes.toString().split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}

function countOf(bytes: Buffer, format: TransferFormat): bigint {
  return format === 'binary' ? bytes.readBigInt64BE() : BigInt(bytes.toString());
}
