// Tables that come and go at the source while the pipeline runs, so that historical loads happen all the time.
import type { Random } from '../fuzz/random.ts';
import type { Arena } from './arena.ts';

/** Knows which of them exist. */
export class ExtraTables {
  readonly #arena: Arena;
  readonly #names: string[] = [];
  #made = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  get names(): readonly string[] {
    return this.#names;
  }

  /** A new table with rows; every other one has no key. */
  async create(random: Random): Promise<string> {
    this.#made++;
    const name = `extra_${this.#made}`;
    await this.#arena.query('source', this.#createSql(name, random));
    this.#names.push(name);
    return name;
  }

  /** Drops a table and makes another of the same name. */
  async recreate(random: Random): Promise<void> {
    if (this.#names.length === 0) return;
    const name = random.pick(this.#names);
    await this.#arena.query('source', `SET lock_timeout = '20s'; DROP TABLE chaos.${name}; ${this.#createSql(name, random)}`);
  }

  async drop(random: Random): Promise<void> {
    if (this.#names.length === 0) return;
    const [name] = this.#names.splice(random.below(this.#names.length), 1);
    await this.#arena.query('source', `SET lock_timeout = '20s'; DROP TABLE chaos.${name ?? ''}`);
  }

  /** Some changes of one of them: its copy may be under way. */
  async touch(random: Random): Promise<void> {
    if (this.#names.length === 0) return;
    const name = random.pick(this.#names);
    const first = random.below(500);
    await this.#arena.query('source', `UPDATE chaos.${name} SET v = v || '+' WHERE id BETWEEN ${first} AND ${first + 50}`);
  }

  #createSql(name: string, random: Random): string {
    const hasKey = this.#made % 2 === 1;
    return `CREATE TABLE chaos.${name} (id int ${hasKey ? 'PRIMARY KEY' : 'NOT NULL'}, v text);
      ${hasKey ? '' : `ALTER TABLE chaos.${name} REPLICA IDENTITY FULL;`}
      INSERT INTO chaos.${name} SELECT i, 'extra ' || i FROM generate_series(1, ${1 + random.below(3_000)}) AS i`;
  }
}
