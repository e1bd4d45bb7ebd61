// Reads one side of a comparison: buckets of the whole table, the rows of some buckets, and single rows again and again.
import type { PgSession, Row } from '../../db/session.ts';
import { must } from '../../lib/assert.ts';
import { MillraceError } from '../../model/error.ts';
import { objectLabel } from '../../model/table.ts';
import { type Bucket, type ComparedTable, keyId } from '../../model/verify.ts';
import type { EqualRows, Reading } from '../../model/verify-judge.ts';
import { quoteIdent } from '../../pg/ident.ts';
import { bucketsSql, type HashedTable, isKeyed, KEY_PARTS, listSql, readByHashSql, readByKeySql, SERVER_ENCODING } from './rows.sql.ts';

/** Rows that are compared as one: values of the key in text form, or the hash of equal rows. */
export type RowKey = readonly string[];

/** What was read, by `keyId`. Keys without rows are absent. */
export type Readings = ReadonlyMap<string, { readonly key: RowKey; readonly rows: Reading }>;

/** One table on one session. Every query sees the newest committed state. */
export class TableReader {
  readonly #session: PgSession;
  readonly #table: HashedTable;

  constructor(session: PgSession, table: HashedTable) {
    this.#session = session;
    this.#table = table;
  }

  /** Rows and hashes of all buckets; reads the whole table once. */
  async buckets(digits: number): Promise<readonly Bucket[]> {
    const rows = await this.#session.query(bucketsSql(this.#table, digits));
    return rows.map(([name, count, sum]) => ({ name: name ?? '', rows: Number(count), sum: sum ?? '' }));
  }

  /** The rows of some buckets, without their versions; reads the whole table once. */
  async list(buckets: readonly string[], digits: number): Promise<Readings> {
    const rows = await this.#session.query(listSql(this.#table, digits), [buckets]);
    const collector = new ReadingCollector();
    const width = this.#table.key.length;
    for (const row of rows) {
      if (isKeyed(this.#table)) collector.add(textsOf(row, 0, width), { digest: row[width] ?? '', count: 1, versions: '' });
      else collector.add(textsOf(row, 0, 1), { digest: row[0] ?? '', count: Number(row[1]), versions: '' });
    }
    return collector.readings;
  }

  /** The rows of `keys` with their versions: by the key's index, or by one scan of a table without a key. */
  async read(keys: readonly RowKey[]): Promise<Readings> {
    const collector = new ReadingCollector();
    const portionSize = isKeyed(this.#table) ? Math.max(1, Math.floor(MAX_KEY_PARAMETERS / this.#table.key.length)) : MAX_HASHES;
    for (let start = 0; start < keys.length; start += portionSize) {
      const portion = keys.slice(start, start + portionSize);
      for (const [place, digest, count, versions] of await this.#readPortion(portion)) {
        const key = must(portion[Number(place)], 'the key that a row was read for');
        collector.add(key, { digest: digest ?? '', count: Number(count), versions: versions ?? '' });
      }
    }
    return collector.readings;
  }

  async #readPortion(keys: readonly RowKey[]): Promise<readonly Row[]> {
    if (!isKeyed(this.#table)) return this.#session.query(readByHashSql(this.#table), [keys.map((key) => key[0] ?? '')]);
    return this.#session.transaction('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY', async () => {
      // For a few hundred keys the planner may rather read the whole table, which takes long enough for rows to change meanwhile.
      await this.#session.query('SET LOCAL enable_seqscan = off');
      return this.#session.query(readByKeySql(this.#table, keys.length), keys.flat());
    });
  }
}

/** Looks up what the statements need to know. Throws `object_vanished` or `object_schema_changed` when the table or its key is gone. */
export async function openTableReader(session: PgSession, table: ComparedTable): Promise<TableReader> {
  const [encoding] = await session.query(SERVER_ENCODING);
  const rows = isKeyed(table) ? await session.query(KEY_PARTS, [table.schema, table.name, table.key]) : [];
  if (rows.length !== table.key.length) {
    const cause = `${objectLabel(table)} has no columns ${table.key.join(', ')}, which its key was made of`;
    throw new MillraceError('object_schema_changed', { cause, object: objectLabel(table), side: session.side });
  }
  const keyParts = rows.map(([typeSql, schema, operator], index) => {
    if (table.masks?.has(table.key[index] ?? '') === true) return MASKED_KEY_PART;
    return { typeSql: typeSql ?? '', equals: `OPERATOR(${quoteIdent(schema ?? 'pg_catalog')}.${operator ?? '='})` };
  });
  return new TableReader(session, { ...table, encoding: encoding?.[0] ?? '', keyParts });
}

/** Masked values are text, whatever the column is. */
const MASKED_KEY_PART = { typeSql: 'pg_catalog.text', equals: 'OPERATOR(pg_catalog.=)' };

/** A statement has room for 65,535 parameters; fewer keep its plan cheap. */
const MAX_KEY_PARAMETERS = 500;
const MAX_HASHES = 50_000;

class ReadingCollector {
  readonly readings = new Map<string, { readonly key: RowKey; readonly rows: EqualRows[] }>();

  add(key: RowKey, rows: EqualRows): void {
    const id = keyId(key);
    const group = this.readings.get(id);
    if (group === undefined) {
      this.readings.set(id, { key, rows: [rows] });
      return;
    }
    // Twins of one key come one by one from a table whose unique index was dropped.
    const twin = group.rows.findIndex((other) => other.digest === rows.digest);
    const equal = group.rows[twin];
    if (equal === undefined) group.rows.push(rows);
    else group.rows[twin] = { ...equal, count: equal.count + rows.count };
  }
}

function textsOf(row: Row, start: number, end: number): readonly string[] {
  return row.slice(start, end).map((value) => value ?? '');
}
