// A table of versions in memory: what the destination's statements make of batches, and what a source's transactions mean by themselves.
import type { TransferFormat } from '../../src/model/batch/row-format.ts';
import type { VersionBatch } from '../../src/model/batch/version-batch.ts';
import type { VersionPhase } from '../../src/model/batch/version-phase.ts';
import { lsnOf, rowsIn } from './kept-rows.ts';
import type { MemoryRow, Table } from './memory-destination.ts';

export interface Version {
  readonly key: string;
  readonly values: MemoryRow;
  /** Null: it began with a load. */
  readonly lsn: bigint | null;
  readonly from: bigint;
  to: bigint | null;
}

/** A committed transaction, as people think of it: when, and which keys it touched. */
export interface Commit {
  readonly lsn: bigint;
  readonly at: bigint;
  readonly touched: ReadonlySet<string>;
  /** The rows after it. */
  readonly rows: Table;
}

/** Versions in the order in which they began. */
export class VersionTable {
  readonly #keyColumns: readonly number[];
  #versions: Version[] = [];

  constructor(rows: Table, at: bigint) {
    this.#keyColumns = rows.keyColumns;
    for (const key of rows.keys()) this.#versions.push({ key, values: rows.get(key) ?? [], lsn: null, from: at, to: null });
  }

  /** What a commit means: every key that it touched ends its version, and begins another if there is a row. */
  commit({ lsn, at, touched, rows }: Commit): void {
    for (const key of touched) {
      const current = this.#current(key);
      if (current !== undefined) current.to = later(current.from, at);
      const values = rows.get(key);
      if (values !== undefined) this.#versions.push({ key, values, lsn, from: later(at, this.#ended(key)), to: null });
    }
  }

  /** Does what `versions.sql.ts` says, statement by statement. */
  apply(batch: VersionBatch): void {
    for (const part of batch.parts) {
      if (part.kind === 'versions') {
        if (!part.isEmpty) this.#applyPhase(part, batch);
        continue;
      }
      this.#versions = this.#versions.filter((version) => version.to !== null || version.lsn !== part.lsn);
      for (const version of this.#versions) version.to ??= later(version.from, part.atMicros);
    }
  }

  /** One line for each version, sorted. */
  lines(): readonly string[] {
    return this.#versions.map(({ values, lsn, from, to }) => [...values, lsn, from, to].map((part) => part ?? '-').join(' ')).toSorted();
  }

  #applyPhase(phase: VersionPhase, { shape }: VersionBatch): void {
    const format = shape.format.name;
    const width = shape.columns.length;
    const { rows, incomplete, ended } = phase.effect();
    const staged = rowsIn(rows, format).map((row) => ({ values: row.slice(0, width), ...fieldsOf(row.slice(width), format) }));
    for (const { columns, rows: group } of incomplete) {
      for (const row of rowsIn(group, format)) {
        const base = this.#current(
          row
            .slice(columns.length + OWN_FIELDS)
            .map(text)
            .join(),
        );
        if (base === undefined) throw new Error('no current version has the missing columns');
        const values = base.values.map((value, column) => (columns.includes(column) ? (row[columns.indexOf(column)] ?? null) : value));
        staged.push({ values, ...fieldsOf(row.slice(columns.length), format) });
      }
    }
    const size = this.#keyColumns.length;
    const ends = [
      ...staged.map((version) => ({ ...version, key: this.#keyOf(version.values) })),
      ...rowsIn(ended, format).map((row) => ({ ...fieldsOf(row.slice(size), format), key: row.slice(0, size).map(text).join() })),
    ].filter((version) => version.isFirst);
    for (const { key, lsn } of ends)
      this.#versions = this.#versions.filter((version) => version.key !== key || version.to !== null || version.lsn !== lsn);
    for (const { key, from } of ends) {
      const version = this.#current(key);
      if (version !== undefined) version.to = later(version.from, from);
    }
    const added = staged.map(({ values, lsn, from, to }): Version => {
      const key = this.#keyOf(values);
      const former = this.#ended(key);
      return { key, values, lsn, from: later(from, former), to: to === null ? null : later(to, former) };
    });
    this.#versions.push(...added);
    const current = this.#versions.filter((version) => version.to === null).map(({ key }) => key);
    if (new Set(current).size !== current.length) throw new Error('two versions of a key are current');
  }

  #keyOf(values: MemoryRow): string {
    return this.#keyColumns.map((column) => text(values[column] ?? null)).join();
  }

  #current(key: string): Version | undefined {
    return this.#versions.find((version) => version.key === key && version.to === null);
  }

  #ended(key: string): bigint {
    return this.#versions.reduce(
      (last, version) => (version.key === key && version.to !== null ? later(last, version.to) : last),
      -(2n ** 62n),
    );
  }
}

const OWN_FIELDS = 5;

function fieldsOf([lsn, from, to, first]: MemoryRow, format: TransferFormat) {
  return {
    lsn: lsnOf(bytesOf(lsn), format),
    from: timeOf(bytesOf(from), format),
    to: to === null ? null : timeOf(bytesOf(to), format),
    isFirst: isTrue(first),
  };
}

function isTrue(hex: string | null | undefined): boolean {
  return hex === '01' || hex === Buffer.from('t').toString('hex');
}

function timeOf(bytes: Buffer, format: TransferFormat): bigint {
  if (format === 'binary') return bytes.readBigInt64BE();
  const [, date = '', seconds = '', micros = ''] = /^(\S+) (\S+)\.(\d{6})\+00$/.exec(bytes.toString()) ?? [];
  return BigInt(Date.parse(`${date}T${seconds}Z`) - Date.UTC(2000, 0, 1)) * 1000n + BigInt(micros);
}

function bytesOf(hex: string | null | undefined): Buffer {
  return Buffer.from(hex ?? '', 'hex');
}

function text(value: string | null): string {
  return value ?? '-';
}

function later(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
