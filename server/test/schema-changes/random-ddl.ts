// Makes up sequences of DDL and DML on a table, each from one seed: what they do to the columns is tracked, so that every statement is valid.
import { quoteIdent } from '../../src/pg/ident.ts';

/** Numbers that depend on the seed alone (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 up to but not including `sides`. */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * sides);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.roll(items.length)] as T;
  }
}

interface Column {
  name: string;
  type: string;
  isKey: boolean;
  isComputed: boolean;
}

const TYPES = ['int', 'bigint', 'text', 'varchar(8)', 'numeric(10,2)', 'timestamp(3)', 'int[]'] as const;
const NAMES = ['a', 'b', 'c', 'd', 'Odd "name"', "it's"] as const;

/** One table that a sequence changes. */
export class RandomTable {
  readonly label: string;
  readonly #dice: Dice;
  readonly #columns: Column[] = [{ name: 'id', type: 'int', isKey: true, isComputed: false }];
  readonly #hasKey: boolean;
  #nextId = 1;

  constructor(name: string, dice: Dice) {
    this.label = `public.${name}`;
    this.#dice = dice;
    this.#hasKey = dice.roll(5) > 0;
    for (const column of ['a', 'b', 'c'].slice(0, dice.roll(4)))
      this.#columns.push({ name: column, type: dice.pick(TYPES), isKey: false, isComputed: false });
  }

  /** The statements that make the table, with some rows. */
  create(): readonly string[] {
    const columns = this.#columns.map((column) => `${quoteIdent(column.name)} ${column.type}`);
    return [
      `CREATE TABLE ${this.label} (${columns.join(', ')}${this.#hasKey ? `, PRIMARY KEY (${quoteIdent('id')})` : ''})`,
      ...(this.#hasKey ? [] : [`ALTER TABLE ${this.label} REPLICA IDENTITY FULL`]),
      this.#insert(),
    ];
  }

  /** The next statement. Some can't stand in a transaction. */
  next(mayStandAlone: boolean): string {
    const roll = this.#dice.roll(100);
    if (roll < 25) return this.#insert();
    if (roll < 45) return this.#update();
    if (roll < 53) return `DELETE FROM ${this.label} WHERE ${this.#some()}`;
    if (roll < 68) return this.#add();
    if (roll < 76) return this.#drop() ?? this.#insert();
    if (roll < 84) return this.#rename();
    if (roll < 88) return this.#swap() ?? this.#update();
    if (roll < 96) return this.#retype() ?? this.#insert();
    if (roll < 98) return this.#compute() ?? this.#update();
    if (roll < 99 && mayStandAlone) return `VACUUM FULL ${this.label}`;
    return `TRUNCATE ${this.label}`;
  }

  get #key(): string {
    return quoteIdent(this.#columns.find((column) => column.isKey)?.name ?? '');
  }

  get #plain(): readonly Column[] {
    return this.#columns.filter((column) => !column.isKey && !column.isComputed);
  }

  #insert(): string {
    const columns = this.#plain.filter(() => this.#dice.roll(4) > 0);
    const rows = Array.from({ length: 1 + this.#dice.roll(3) }, () => {
      return `(${[this.#nextId++, ...columns.map((column) => this.#value(column.type))].join(', ')})`;
    });
    const names = [this.#key, ...columns.map((column) => quoteIdent(column.name))];
    return `INSERT INTO ${this.label} (${names.join(', ')}) VALUES ${rows.join(', ')}`;
  }

  #update(): string {
    const columns = this.#plain;
    if (columns.length === 0 || this.#dice.roll(6) === 0)
      return `UPDATE ${this.label} SET ${this.#key} = ${this.#key} + 10000 WHERE ${this.#some()} AND ${this.#key} < 10000`;
    const column = this.#dice.pick(columns);
    return `UPDATE ${this.label} SET ${quoteIdent(column.name)} = ${this.#value(column.type)} WHERE ${this.#some()}`;
  }

  #add(): string {
    const type = this.#dice.pick(TYPES);
    const name = this.#freeName();
    this.#columns.push({ name, type, isKey: false, isComputed: false });
    const roll = this.#dice.roll(10);
    const byDefault = roll < 5 ? '' : roll < 9 ? ` DEFAULT ${this.#value(type)}` : ` DEFAULT ${VOLATILE[type] ?? 'NULL'}`;
    return `ALTER TABLE ${this.label} ADD COLUMN ${quoteIdent(name)} ${type}${byDefault}`;
  }

  #drop(): string | null {
    const droppable = this.#columns.filter((column) => !column.isKey);
    if (droppable.length === 0) return null;
    const column = this.#dice.pick(droppable);
    this.#columns.splice(this.#columns.indexOf(column), 1);
    return `ALTER TABLE ${this.label} DROP COLUMN ${quoteIdent(column.name)}`;
  }

  #rename(): string {
    const column = this.#dice.pick(this.#columns);
    const from = column.name;
    column.name = this.#freeName();
    return `ALTER TABLE ${this.label} RENAME COLUMN ${quoteIdent(from)} TO ${quoteIdent(column.name)}`;
  }

  #swap(): string | null {
    const [a, b] = [this.#dice.pick(this.#columns), this.#dice.pick(this.#columns)];
    if (a === b) return null;
    const [first, second] = [a.name, b.name];
    [a.name, b.name] = [second, first];
    const rename = (from: string, to: string): string => `ALTER TABLE ${this.label} RENAME COLUMN ${quoteIdent(from)} TO ${quoteIdent(to)}`;
    return `BEGIN; ${rename(first, 'aside')}; ${rename(second, first)}; ${rename('aside', second)}; COMMIT`;
  }

  #retype(): string | null {
    const columns = this.#plain;
    if (columns.length === 0) return null;
    const column = this.#dice.pick(columns);
    const from = column.type;
    const [type, using] = this.#dice.pick(CHANGES[from] ?? [['text', ' USING NULL']]);
    column.type = type;
    const name = quoteIdent(column.name);
    return `ALTER TABLE ${this.label} ALTER COLUMN ${name} DROP DEFAULT, ALTER COLUMN ${name} TYPE ${type}${using.replaceAll('$', name)}`;
  }

  #compute(): string | null {
    // From 18 on a server refuses updates of a published table with REPLICA IDENTITY FULL that has such a column.
    if (!this.#hasKey || this.#columns.some((column) => column.isComputed || column.name === 'computed')) return null;
    this.#columns.push({ name: 'computed', type: 'int', isKey: false, isComputed: true });
    return `ALTER TABLE ${this.label} ADD COLUMN computed int GENERATED ALWAYS AS (${this.#key} + 1) STORED`;
  }

  #some(): string {
    return `${this.#key} % ${2 + this.#dice.roll(4)} = ${this.#dice.roll(3)}`;
  }

  #freeName(): string {
    const taken = new Set(this.#columns.map((column) => column.name));
    const free = NAMES.filter((name) => !taken.has(name));
    return free.length > 0 ? this.#dice.pick(free) : `n${this.#columns.length}${this.#dice.roll(1000)}`;
  }

  #value(type: string): string {
    if (this.#dice.roll(8) === 0) return 'NULL';
    const n = this.#dice.roll(1000);
    switch (type.split('(')[0]) {
      case 'int':
      case 'bigint':
        return String(n - 500);
      case 'numeric':
        return `${n}.${10 + this.#dice.roll(90)}`;
      case 'timestamp':
        return `'2020-01-01 00:00:00.${100 + this.#dice.roll(900)}'`;
      case 'int[]':
        return `'{${n},NULL}'`;
      default:
        return `'x${n}\\ "'`;
    }
  }
}

const VOLATILE: Readonly<Record<string, string>> = {
  int: '(random() * 100)::int',
  bigint: '(random() * 100)::bigint',
  text: 'random()::text',
  'numeric(10,2)': '(random() * 100)::numeric(10,2)',
  'timestamp(3)': "(clock_timestamp() AT TIME ZONE 'UTC')",
};

/** What a column of a type may become, and how: without a rewrite, with one, and with other values under the same type. */
const CHANGES: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  int: [
    ['bigint', ''],
    ['int', ' USING $ * 2'],
    ['text', ''],
  ],
  bigint: [['numeric(20,2)', '']],
  text: [
    ['varchar', ''],
    ['text', ' USING upper($)'],
  ],
  varchar: [['text', '']],
  'varchar(8)': [
    ['varchar(30)', ''],
    ['text', ''],
    ['varchar', ''],
  ],
  'varchar(30)': [['text', ' USING upper($)']],
  'numeric(10,2)': [
    ['numeric(14,2)', ''],
    ['numeric', ''],
    ['numeric(14,4)', ''],
  ],
  'timestamp(3)': [
    ['timestamp(6)', ''],
    ['timestamp', ''],
  ],
};
