// A source in memory: runs random statements on one table and says what pgoutput would send of them.
import fc from 'fast-check';
import type { RowShape } from '../../src/model/batch/object-batch.ts';
import type { TransferFormat } from '../../src/model/batch/row-format.ts';
import { encodeMessage, type Message, type OldRow, type Value } from '../fuzz/encode-pgoutput.ts';
import { type MemoryRow, Table } from './memory-destination.ts';

/** A kind of table. Columns whose names begin with `k` are its key. */
export interface Scene {
  readonly name: string;
  readonly columns: readonly string[];
  readonly identity: RowShape['identity'];
  /** What an old row carries (REPLICA IDENTITY FULL sends all of it with every update). */
  readonly old: 'key' | 'full';
  /** Whether values that do not change may be left out of updates. */
  readonly toast: boolean;
  /** Whether key values are stored out of line too: then an update brings its old key even when that does not change. */
  readonly toastedKey: boolean;
}

const ONE_KEY = { columns: ['v1', 'k1', 'v2', 'v3'], identity: { kind: 'key', columns: [1] } } as const;
const TWO_KEYS = { columns: ['k1', 'v1', 'v2', 'k2', 'v3'], identity: { kind: 'key', columns: [0, 3] } } as const;

export const SCENES: readonly Scene[] = [
  { name: 'a table with one key column', ...ONE_KEY, old: 'key', toast: false, toastedKey: false },
  { name: 'a table with one key column and values out of line', ...ONE_KEY, old: 'key', toast: true, toastedKey: false },
  { name: 'a table with two key columns and values out of line', ...TWO_KEYS, old: 'key', toast: true, toastedKey: false },
  { name: 'a table with key values out of line', ...TWO_KEYS, old: 'key', toast: true, toastedKey: true },
  { name: 'a table with a key and full old rows', ...TWO_KEYS, old: 'full', toast: true, toastedKey: false },
  {
    name: 'a table without a key',
    columns: ['v1', 'v2', 'v3'],
    identity: { kind: 'full' },
    old: 'full',
    toast: true,
    toastedKey: false,
  },
];

/** A statement, to be understood on whatever rows there are. */
export interface Action {
  readonly kind: 'insert' | 'update' | 'move' | 'delete' | 'truncate';
  /** The new key, of `insert` and `move`. */
  readonly key: number;
  /** New values of the columns that are no key. */
  readonly values: readonly number[];
  /** Which of the rows is meant. */
  readonly pick: number;
  /** A bit per value column that keeps its value. */
  readonly toast: number;
}

export const anyActions: fc.Arbitrary<Action[]> = fc.array(
  fc.record({
    kind: fc.oneof(
      { weight: 6, arbitrary: fc.constant('insert' as const) },
      { weight: 6, arbitrary: fc.constant('update' as const) },
      { weight: 5, arbitrary: fc.constant('move' as const) },
      { weight: 4, arbitrary: fc.constant('delete' as const) },
      { weight: 1, arbitrary: fc.constant('truncate' as const) },
    ),
    key: fc.nat(5),
    values: fc.array(fc.nat(7), { minLength: 3, maxLength: 3 }),
    pick: fc.nat(1000),
    toast: fc.nat(7),
  }),
  { maxLength: 40 },
);

/** Mostly key changes that leave the same column out: chains, cycles and swaps over few keys. */
export const anyMoves: fc.Arbitrary<Action[]> = fc.array(
  fc.record({
    kind: fc.oneof({ weight: 9, arbitrary: fc.constant('move' as const) }, { weight: 1, arbitrary: fc.constant('update' as const) }),
    key: fc.nat(5),
    values: fc.constant([6, 6, 6]),
    pick: fc.nat(1000),
    toast: fc.constantFrom(4, 4, 4, 4, 2),
  }),
  { maxLength: 30 },
);

/** One table of a source. `run` returns the pgoutput message, or null when the source would refuse or find nothing to do. */
export class Source {
  readonly #scene: Scene;
  readonly #kind: 'text' | 'binary';
  readonly #keyColumns: readonly number[];
  #rows: MemoryRow[] = [];
  /** Keys that the last statement met. */
  touched: readonly string[] = [];

  constructor(scene: Scene, format: TransferFormat) {
    this.#scene = scene;
    this.#kind = format;
    this.#keyColumns = scene.identity.kind === 'key' ? scene.identity.columns : [];
  }

  /** The rows as they stand, as a table of their own. */
  rows(): Table {
    const table = new Table(this.#keyColumns);
    for (const row of this.#rows) table.insert(row);
    return table;
  }

  run(action: Action): Buffer | null {
    const message = this.#message(action);
    return message === null ? null : encodeMessage(message);
  }

  #message(action: Action): Message | null {
    const hasKey = this.#keyColumns.length > 0;
    this.touched = [];
    switch (action.kind) {
      case 'insert': {
        const row = this.#newRow(action);
        if (hasKey && this.#find(row) !== undefined) return null;
        this.#rows.push(row);
        this.#touch(row);
        return { tag: 'insert', oid: RELATION_OID, row: row.map((value) => this.#sent(value)) };
      }
      case 'update':
      case 'move':
        return this.#update(action, hasKey && action.kind === 'move');
      case 'delete': {
        const at = this.#pick(action);
        const old = at === null ? undefined : this.#rows[at];
        if (at === null || old === undefined) return null;
        this.#rows.splice(at, 1);
        this.#touch(old);
        const carried = this.#old(old, true);
        return carried.kind === 'absent' ? null : { tag: 'delete', oid: RELATION_OID, old: carried };
      }
      case 'truncate':
        for (const row of this.#rows) this.#touch(row);
        this.#rows = [];
        return { tag: 'truncate', oids: [RELATION_OID], cascade: false, restartIdentity: false };
    }
  }

  #update(action: Action, changesKey: boolean): Message | null {
    const at = this.#pick(action);
    const old = at === null ? undefined : this.#rows[at];
    if (at === null || old === undefined) return null;
    const wanted = this.#newRow(action);
    let valueColumn = 0;
    const keeps = this.#scene.columns.map((name, column) => {
      if (this.#keyColumns.includes(column)) return !changesKey;
      return name.startsWith('v') && ((action.toast >> valueColumn++) & 1) === 1;
    });
    const row = wanted.map((value, column) => (keeps[column] ? (old[column] as string | null) : value));
    if (changesKey && this.#find(row) !== undefined) return null;
    this.#rows[at] = row;
    this.#touch(old);
    this.#touch(row);
    const sent = row.map((value, column): Value => {
      const isKey = this.#keyColumns.includes(column);
      const outOfLine = isKey ? this.#scene.toastedKey : this.#scene.toast;
      const isUnchanged = isKey ? value === old[column] : keeps[column];
      return outOfLine && isUnchanged && value !== null ? { kind: 'unchanged' } : this.#sent(value);
    });
    return { tag: 'update', oid: RELATION_OID, old: this.#old(old, changesKey || this.#scene.toastedKey), row: sent };
  }

  #old(row: MemoryRow, carriesKey: boolean): OldRow {
    if (this.#scene.old === 'full') return { kind: 'full', values: row.map((value) => this.#sent(value)) };
    if (!carriesKey) return { kind: 'absent' };
    return { kind: 'key', values: row.map((value, column) => this.#sent(this.#keyColumns.includes(column) ? value : null)) };
  }

  #newRow(action: Action): MemoryRow {
    let valueColumn = 0;
    return this.#scene.columns.map((name, column) => {
      if (this.#keyColumns.includes(column)) return keyValue(action.key, this.#keyColumns.indexOf(column), this.#keyColumns.length);
      return name.startsWith('v') ? anyValue(action.values[valueColumn++] ?? 0, this.#kind) : null;
    });
  }

  #pick(action: Action): number | null {
    return this.#rows.length === 0 ? null : action.pick % this.#rows.length;
  }

  #find(row: MemoryRow): MemoryRow | undefined {
    const table = new Table(this.#keyColumns);
    const key = table.keyOf(row);
    return this.#rows.find((other) => table.keyOf(other) === key);
  }

  #touch(row: MemoryRow): void {
    this.touched = [...this.touched, new Table(this.#keyColumns).keyOf(row)];
  }

  #sent(value: string | null): Value {
    return value === null ? { kind: 'null' } : { kind: this.#kind, bytes: Buffer.from(value, 'hex') };
  }
}

const RELATION_OID = 16_384;

/** Keys 0 … n over one or two columns; some hold what text format must escape, some are long. */
function keyValue(key: number, part: number, parts: number): string {
  const digit = parts === 1 ? key : part === 0 ? key % 3 : Math.floor(key / 3);
  const bytes = digit === 1 ? Buffer.from('a\tb\\N\r\n') : digit === 2 ? Buffer.alloc(70, 0x78) : Buffer.from(String(digit));
  return bytes.toString('hex');
}

function anyValue(value: number, kind: 'text' | 'binary'): string | null {
  switch (value) {
    case 0:
      return null;
    case 1:
      return '';
    case 2:
      return Buffer.from('\\N').toString('hex');
    case 3:
      return Buffer.from('\\.\n\t\\').toString('hex');
    case 4:
      return kind === 'binary' ? '00ff00' : 'c3a9';
    case 5:
      return Buffer.alloc(300, 0x79).toString('hex');
    default:
      return Buffer.from(String(value)).toString('hex');
  }
}
