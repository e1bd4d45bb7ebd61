// Every built-in type that the running source can put into a column, and its array, arrives byte for byte: by snapshot and by stream.
import { beforeAll, describe, expect, test } from 'vitest';
import { MillraceError } from '../../src/model/error.ts';
import { REFUSED_TYPES, TEXT_TYPES } from '../../src/model/type-refusals.ts';
import { quoteIdent } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { usePostgres } from '../pg/use-postgres.ts';
import { type Ends, expectEqual } from '../pipeline/compare.ts';
import { samplesFor } from '../pipeline/type-samples.ts';
import { watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();
const major = Math.min(pg.source.major, pg.destination.major);

/** One of these makes the whole stream text. */
const TEXT_ONLY = new Set([...TEXT_TYPES, 'int2vector', 'oidvector', 'tsquery']);
/** Servers before 17 would take an infinite interval's bytes for a finite one. */
if (pg.source.major >= 17 && pg.destination.major < 17) TEXT_ONLY.add('interval');

/** Servers before 16 print `"char"` values above 127 otherwise: only their bytes can be compared, and in a text stream they are refused. */
const charTextDiffers = pg.source.major >= 16 && pg.destination.major < 16;

/** A type of `pg_catalog` that has values of its own. */
interface BuiltinType {
  readonly name: string;
  /** Whether a unique index can be made on it, and its text means the same everywhere. */
  readonly canBeKey: boolean;
  readonly hasArray: boolean;
}

let types: readonly BuiltinType[];
let withTypes: Ends;

beforeAll(async () => {
  withTypes = { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
  types = await readBuiltinTypes(withTypes.source, withTypes.destination);
});

test('there are samples of every type in the catalogue', () => {
  expect(types.length).toBeGreaterThan(60);
  expect(types.filter(({ name }) => samplesFor(name, major).length < 2).map(({ name }) => name)).toEqual([]);
});

describe.each(['binary', 'text'] as const)('in the %s stream', (format) => {
  test.skipIf(format === 'binary' && pg.source.major < 14)(
    'values and arrays arrive by snapshot, insert, update and delete',
    async () => {
      const ends =
        format === 'binary' ? withTypes : { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
      const streamed = types.filter(({ name }) => (format === 'text' ? !(charTextDiffers && name === 'char') : !TEXT_ONLY.has(name)));
      await ends.source.query(
        'CREATE SCHEMA no_types; CREATE TABLE no_types.place (id int PRIMARY KEY); CREATE SCHEMA v; CREATE SCHEMA m; CREATE SCHEMA k',
      );
      for (const type of streamed) await ends.source.query(tablesOf(type));
      const printedAlike = streamed.filter(({ name }) => !(charTextDiffers && name === 'char'));
      const tables = printedAlike.flatMap(({ name, canBeKey }) =>
        (canBeKey ? ['v', 'm', 'k'] : ['v', 'm']).map((schema) => ({ table: { schema, name } })),
      );

      const first = await watchOnce(ends);
      expect(first.complaints).toEqual([]);
      expect(first.format).toBe(format);
      await expectEqual(ends, ...tables);
      await expectSameBytes(ends, streamed);

      for (const type of streamed) await ends.source.query(changesOf(type));
      expect((await watchOnce(ends)).complaints).toEqual([]);
      await expectEqual(ends, ...tables);
      await expectSameBytes(ends, streamed);
      await ends.source.dropSlots();
    },
    120_000,
  );
});

test('types that no server reads back are reported before anything is made, and nothing else suffers', async () => {
  const ends = { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
  await ends.source.query('CREATE TABLE public.fine (id int PRIMARY KEY)');
  const present = await ends.source.query(
    `SELECT typname FROM pg_catalog.pg_type WHERE typname = ANY ($1) AND typnamespace = 'pg_catalog'::pg_catalog.regnamespace`,
    [[...REFUSED_TYPES.keys()]],
  );
  for (const [name] of present) {
    await ends.source.query(
      `CREATE TABLE public.${quoteIdent(`has ${name}`)} (id int PRIMARY KEY, v pg_catalog.${quoteIdent(name ?? '')})`,
    );
  }
  const seen = await watchOnce(ends);
  expect(seen.all('ineligible')).toEqual(present.map(([name]) => `public.has ${name}`).toSorted());
  for (const label of seen.all('ineligible')) {
    const reason = seen.reason(label);
    expect(reason).toBeInstanceOf(MillraceError);
    expect([reason?.errorName, reason?.facts.object]).toEqual(['type_refused', label]);
  }
  expect(
    await ends.destination.query(
      "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'public'::pg_catalog.regnamespace AND relkind = 'r'",
    ),
  ).toEqual([['fine']]);
  await ends.source.dropSlots();
});

async function readBuiltinTypes(source: TestDatabase, destination: TestDatabase): Promise<readonly BuiltinType[]> {
  const atDestination = new Set((await destination.query(BUILTIN_TYPES_SQL)).map(([name]) => name));
  return (await source.query(BUILTIN_TYPES_SQL)).flatMap(([name, isIndexable, hasArray]) => {
    // What an older destination lacks is refused; that has a test of its own.
    if (name === null || name === undefined || REFUSED_TYPES.has(name) || !(atDestination.has(name) || TEXT_TYPES.has(name))) return [];
    return [{ name, canBeKey: isIndexable === 't' && !TEXT_TYPES.has(name), hasArray: hasArray === 't' }];
  });
}

const BUILTIN_TYPES_SQL = `
SELECT t.typname,
       EXISTS (
         SELECT FROM pg_catalog.pg_opclass AS o
         JOIN pg_catalog.pg_am AS m ON m.oid = o.opcmethod AND m.amname = 'btree'
         WHERE o.opcdefault AND (o.opcintype = t.oid OR t.typtype = 'r' AND o.opcintype = 'pg_catalog.anyrange'::pg_catalog.regtype)
       ) OR t.typname IN ('varchar', 'cidr'),
       t.typarray <> 0
FROM pg_catalog.pg_type AS t
WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
  AND t.typtype IN ('b', 'r', 'm') AND NOT (t.typcategory = 'A' AND t.typname LIKE E'\\\\_%')
ORDER BY t.typname`;

/** v: each value under a number; m: rows without a key that is unique, twice each; k: the value is the key. */
function tablesOf(type: BuiltinType): string {
  const name = quoteIdent(type.name);
  const column = `pg_catalog.${name}`;
  const array = type.hasArray ? `${column}[]` : 'int';
  const values = valuesSql(type);
  return `
    CREATE TABLE v.${name} (id int PRIMARY KEY, v ${column}, a ${array});
    INSERT INTO v.${name} ${values};
    CREATE TABLE m.${name} (v ${column}, a ${array});
    ALTER TABLE m.${name} REPLICA IDENTITY FULL;
    INSERT INTO m.${name} SELECT v, a FROM v.${name};
    INSERT INTO m.${name} SELECT v, a FROM v.${name};
    ${
      type.canBeKey
        ? `CREATE TABLE k.${name} (v ${column} PRIMARY KEY, n int);
    INSERT INTO k.${name} SELECT v, 0 FROM v.${name} WHERE v IS NOT NULL AND pg_catalog.pg_column_size(v) < 2000 ON CONFLICT DO NOTHING;`
        : ''
    }`;
}

/** Inserts everything once more, changes some rows and deletes others: every value travels as a new row, an old row and a key. */
function changesOf(type: BuiltinType): string {
  const name = quoteIdent(type.name);
  return `
    INSERT INTO v.${name} SELECT id + 1000, v, a FROM v.${name};
    UPDATE v.${name} AS t SET v = s.v, a = s.a FROM v.${name} AS s WHERE s.id = t.id + 1 AND t.id < 1000;
    DELETE FROM v.${name} WHERE id % 5 = 0;
    DELETE FROM m.${name} WHERE ctid IN (SELECT pg_catalog.min(ctid::pg_catalog.text)::pg_catalog.tid FROM m.${name} GROUP BY v::pg_catalog.text, a::pg_catalog.text);
    UPDATE m.${name} SET v = NULL, a = NULL WHERE ctid IN (SELECT ctid FROM m.${name} ORDER BY ctid LIMIT 2);
    INSERT INTO m.${name} SELECT v, a FROM v.${name} WHERE id > 1000;
    ${
      type.canBeKey
        ? `UPDATE k.${name} SET n = n + 1;
    DELETE FROM k.${name};
    INSERT INTO k.${name} SELECT v, 7 FROM v.${name} WHERE v IS NOT NULL AND id > 1000 AND pg_catalog.pg_column_size(v) < 2000 ON CONFLICT DO NOTHING;
    UPDATE k.${name} SET n = 8;`
        : ''
    }`;
}

function valuesSql(type: BuiltinType): string {
  const column = `pg_catalog.${quoteIdent(type.name)}`;
  const literals = samplesFor(type.name, major).map((sample) => `E'${sample.replaceAll('\\', '\\\\').replaceAll("'", "''")}'::${column}`);
  const [one = 'NULL', two = one, three = two] = literals;
  const wide = literals.filter((literal) => literal.length < 20_000);
  const box = `array_fill(${one}, ARRAY[2,2], ARRAY[0,-3])`;
  const arrays = type.hasArray
    ? [`ARRAY[]::${column}[]`, `ARRAY[NULL, ${wide.join(', ')}]`, `ARRAY[[${one}, ${two}], [NULL, ${three}]]`, `pg_catalog.${box}`, 'NULL']
    : ['1', 'NULL'];
  const rows = [...literals, 'NULL'].map((literal, index) => `(${index + 1}, ${literal}, ${arrays[index % arrays.length]})`);
  const rest = arrays.slice(rows.length).map((array, index) => `(${rows.length + index + 1}, ${one}, ${array})`);
  return `VALUES ${[...rows, ...rest].join(', ')}`;
}

/** Where a type has a send function, its bytes count too: two values can print the same. */
async function expectSameBytes({ source, destination }: Ends, sent: readonly BuiltinType[]): Promise<void> {
  for (const { name, hasArray } of sent) {
    if (!hasArray || TEXT_TYPES.has(name) || UNSENT.has(name)) continue;
    const sql = `SELECT id, pg_catalog.md5(pg_catalog.array_send(ARRAY[v])), pg_catalog.md5(pg_catalog.array_send(a)) FROM v.${quoteIdent(name)} ORDER BY id`;
    expect(await destination.query(sql), `the bytes of ${name}`).toEqual(await source.query(sql));
  }
}

/** Has no send function. */
const UNSENT = new Set(['aclitem', 'gtsvector']);
