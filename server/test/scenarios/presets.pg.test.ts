// Presets: for each of them every column of the destination with its type and value, after a load and after changes.
import { expect, test } from 'vitest';
import type { FilePipeline } from '@millrace/contract/file';
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { PRESETS } from '../../src/model/layout.ts';
import { type QualifiedName, quoteName } from '../../src/pg/ident.ts';
import type { TestDatabase } from '../pg/test-database.ts';
import { objectStates, useScenarios } from '../pipeline/scenario.ts';

const scenarios = useScenarios();

const SHOP = `
  CREATE TYPE public.mood AS ENUM ('sad', 'glad');
  CREATE TABLE public."Order Items" (
    id uuid PRIMARY KEY, "the total" numeric(10,2), qty int NOT NULL, mood public.mood, tags text[], doc json, docb jsonb, at timestamptz(3), raw bytea);
  INSERT INTO public."Order Items" VALUES ('00000000-0000-0000-0000-000000000001', 1.50, 7, 'sad', '{a,"b c",NULL}', '{"a" : [1.0]}',
    '{"a": [1.0]}', '2024-02-03 04:05:06.789+00', '\\x00ff')`;

/** Comes by the stream, and is the same otherwise. */
const SECOND = `
  INSERT INTO public."Order Items"
  SELECT '00000000-0000-0000-0000-000000000002', "the total", qty, mood, tags, doc, docb, at, raw FROM public."Order Items";
  UPDATE public."Order Items" SET qty = 7 WHERE id = '00000000-0000-0000-0000-000000000001'`;

/** Name, type, whether it is NOT NULL, and the value as text; a pattern where it is another each time. */
type Column = readonly [string, string, 't' | 'f', string | RegExp];

const NATIVE: readonly Column[] = [
  ['id', 'uuid', 't', /^00000000-0000-0000-0000-00000000000[12]$/],
  ['the total', 'numeric(10,2)', 'f', '1.50'],
  ['qty', 'integer', 'f', '7'],
  ['mood', 'public.mood', 'f', 'sad'],
  ['tags', 'text[]', 'f', '{a,"b c",NULL}'],
  ['doc', 'json', 'f', '{"a" : [1.0]}'],
  ['docb', 'jsonb', 'f', '{"a": [1.0]}'],
  ['at', 'timestamp(3) with time zone', 'f', '2024-02-03 04:05:06.789+00'],
  ['raw', 'bytea', 'f', '\\x00ff'],
];
const NOW = /^20\d\d-/;
const HEVO: readonly Column[] = [
  ...replaced(NATIVE, { mood: 'character varying', tags: 'character varying' }),
  ['__hevo__ingested_at', 'timestamp with time zone', 't', NOW],
  ['__hevo__loaded_at', 'timestamp with time zone', 't', NOW],
  ['__hevo__marked_deleted', 'boolean', 't', 'f'],
];
const AIRBYTE: readonly Column[] = [
  ['id', 'character varying', 't', /^00000000-0000-0000-0000-00000000000[12]$/],
  ['the_total', 'numeric', 'f', '1.50'],
  ['qty', 'bigint', 'f', '7'],
  ['mood', 'character varying', 'f', 'sad'],
  ['tags', 'jsonb', 'f', '["a", "b c", null]'],
  ['doc', 'jsonb', 'f', '{"a": [1.0]}'],
  ['docb', 'jsonb', 'f', '{"a": [1.0]}'],
  ['at', 'timestamp with time zone', 'f', '2024-02-03 04:05:06.789+00'],
  ['raw', 'character varying', 'f', '\\x00ff'],
  ['_airbyte_raw_id', 'character varying', 't', /^[0-9a-f-]{36}$/],
  ['_airbyte_extracted_at', 'timestamp with time zone', 't', NOW],
  ['_airbyte_meta', 'jsonb', 't', '{"changes": []}'],
];

const SHOP_SCHEMA: Partial<PipelineSettings> = { namespace: { kind: 'destination', schema: 'shop' } };

test.each([
  ['native', {}, { schema: 'public', name: 'Order Items' }, NATIVE],
  ['hevo', {}, { schema: 'public', name: 'Order Items' }, HEVO],
  ['airbyte', {}, { schema: 'public', name: 'Order_Items' }, AIRBYTE],
  ['prequel', SHOP_SCHEMA, { schema: 'shop', name: 'Order Items' }, replaced(NATIVE, { mood: 'shop.mood' })],
] as const satisfies readonly (readonly [
  NonNullable<FilePipeline['preset']>,
  Partial<PipelineSettings>,
  QualifiedName,
  readonly Column[],
])[])('preset %s: names, types and values of a loaded row and of a streamed one', async (preset, more, table, expected) => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  const settings = { ...more, layout: PRESETS[preset] };
  await source.query(SHOP);
  await pair.once({ settings });
  expect(await columnsOf(destination, table)).toEqual(expected.map(([name, type, notNull]) => [name, type, notNull]));
  await expectRows(destination, table, { expected, count: 1 });
  await source.query(SECOND);
  await pair.once({ settings });
  expect((await objectStates(destination))['Order Items']?.cause).toBeNull();
  await expectRows(destination, table, { expected, count: 2 });
});

test('preset airbyte: the raw table has the same rows as json, under the names of the source', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query(SHOP);
  await pair.once({ settings: { layout: PRESETS.airbyte } });
  const rows = await destination.query(`
    SELECT r._airbyte_data FROM airbyte_internal.public_raw__stream_order_items AS r
    JOIN public."Order_Items" AS t USING (_airbyte_raw_id)`);
  expect(rows.map(([data]) => JSON.parse(data ?? '') as unknown)).toEqual([
    {
      id: '00000000-0000-0000-0000-000000000001',
      'the total': 1.5,
      qty: 7,
      mood: 'sad',
      tags: ['a', 'b c', null],
      doc: { a: [1] },
      docb: { a: [1] },
      at: '2024-02-03T04:05:06.789+00:00',
      raw: '\\x00ff',
    },
  ]);
});

test('preset prequel: a schema that is there already is used', async () => {
  const pair = await scenarios.pair();
  const { source, destination } = pair;
  await source.query('CREATE TABLE public.t (id int PRIMARY KEY)');
  await destination.query('CREATE SCHEMA shop');
  await pair.once({ settings: { ...SHOP_SCHEMA, layout: PRESETS.prequel } });
  expect(await destination.query("SELECT schemaname FROM pg_catalog.pg_tables WHERE tablename = 't'")).toEqual([['shop']]);
});

function replaced(columns: readonly Column[], types: Readonly<Record<string, string>>): readonly Column[] {
  return columns.map(([name, type, notNull, value]) => [name, types[name] ?? type, notNull, value]);
}

function columnsOf(database: TestDatabase, table: QualifiedName) {
  return database.query(
    `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_catalog.pg_attribute AS a
     WHERE a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    [quoteName(table)],
  );
}

async function expectRows(
  database: TestDatabase,
  table: QualifiedName,
  { expected, count }: { readonly expected: readonly Column[]; readonly count: number },
): Promise<void> {
  const rows = await database.query(`SELECT * FROM ${quoteName(table)} ORDER BY id`);
  expect(rows).toHaveLength(count);
  for (const row of rows) {
    expect(row).toEqual(expected.map(([, , , value]) => (typeof value === 'string' ? value : expect.stringMatching(value))));
  }
}
