// The columns that we add: the server fills them in, in a load, in the stream and at a reload alike.
import { describe, expect, test } from 'vitest';
import { type Layout, type MetadataSet, NATIVE_LAYOUT } from '../../src/model/layout.ts';
import { type Pair, useScenarios } from '../pipeline/scenario.ts';

const scenarios = useScenarios();

const WHOLE = { deletes: 'soft', metadata: 'millrace' } as const;

describe('metadata columns', () => {
  test.each([
    ['millrace', 'hard', ['_millrace_synced_at timestamptz', '_millrace_lsn pg_lsn']],
    [
      'millrace',
      'soft',
      ['_millrace_synced_at timestamptz', '_millrace_lsn pg_lsn', '_millrace_deleted bool', '_millrace_deleted_at timestamptz'],
    ],
    ['hevo', 'soft', ['__hevo__ingested_at timestamptz', '__hevo__loaded_at timestamptz', '__hevo__marked_deleted bool']],
    [
      'airbyte',
      'soft',
      ['_airbyte_raw_id varchar', '_airbyte_extracted_at timestamptz', '_airbyte_meta jsonb', '_ab_cdc_deleted_at timestamptz'],
    ],
    ['none', 'hard', []],
  ] as const)('of the set %s with %s deletes stand after the columns of the source', async (metadata, deletes, expected) => {
    const pair = await shop({ metadata, deletes });
    const columns = await pair.destination.query(
      `SELECT a.attname || ' ' || t.typname FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
       WHERE a.attrelid = 'public.t'::regclass AND a.attnum > 0 ORDER BY a.attnum`,
    );
    expect(columns.map(([column]) => column)).toEqual(['id int4', 'v text', ...expected]);
    await pair.source.query(CHANGES);
    await pair.once(settingsOf({ metadata, deletes }));
    const present = deletes === 'soft' ? `${MARK_OF[metadata]} IS NOT TRUE` : 'true';
    expect((await pair.destination.query(`SELECT id, v FROM public.t WHERE ${present} ORDER BY id`)).map((row) => row.join(' '))).toEqual([
      '2 changed',
      '3 v3',
      '4 new',
    ]);
  });

  test('say when a row was written and how far the log had come then', async () => {
    const pair = await shop(WHOLE);
    const loaded = await states(pair);
    expect(loaded.map(({ lsn }) => lsn)).toEqual([loaded[0]?.lsn, loaded[0]?.lsn, loaded[0]?.lsn]);
    await pair.source.query(CHANGES);
    await pair.once(settingsOf(WHOLE));
    const [first, second, third, fourth] = await states(pair);
    expect(third).toEqual(loaded[2]);
    expect(await isAfter(pair, second?.lsn, loaded[1]?.lsn)).toBe(true);
    expect(second?.at).not.toBe(loaded[1]?.at);
    expect([first?.lsn, fourth?.lsn]).toEqual([second?.lsn, second?.lsn]);
    const [checkpoint] = await pair.destination.query('SELECT checkpoint_lsn FROM _millrace.pipeline');
    expect(await isAfter(pair, second?.lsn, checkpoint?.[0] ?? '')).toBe(false);
  });

  test('give each row of one COPY an id of its own', async () => {
    const pair = await shop({ metadata: 'airbyte' });
    const [row] = await pair.destination.query(
      `SELECT pg_catalog.count(DISTINCT _airbyte_raw_id), pg_catalog.count(DISTINCT _airbyte_extracted_at), pg_catalog.min(_airbyte_meta::text) FROM public.t`,
    );
    expect(row).toEqual(['3', '1', '{"changes": []}']);
  });

  test('of a row that is loaded again as it was stay as they were', async () => {
    const pair = await shop(WHOLE);
    const before = await states(pair);
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.source.query(`UPDATE public.t SET v = 'other' WHERE id = 2`);
    await pair.once(settingsOf(WHOLE));
    const after = await states(pair);
    expect([after[0], after[2]]).toEqual([before[0], before[2]]);
    expect(await isAfter(pair, after[1]?.lsn, before[1]?.lsn)).toBe(true);
  });

  test('whose name a column of the source has already refuse that object and no other', async () => {
    const pair = await scenarios.pair();
    await pair.source.query(
      'CREATE TABLE public.t (id int4 PRIMARY KEY, _millrace_lsn text); CREATE TABLE public.other (id int4 PRIMARY KEY)',
    );
    await expect(pair.once(settingsOf(WHOLE))).resolves.toBeUndefined();
    await pair.untilState('ineligible', 't');
    await pair.untilState('streaming', 'other');
  });
});

const MARK_OF: Readonly<Record<MetadataSet, string>> = {
  none: '_millrace_deleted',
  millrace: '_millrace_deleted',
  hevo: '__hevo__marked_deleted',
  airbyte: '(_ab_cdc_deleted_at IS NOT NULL)',
};

const CHANGES = `
  BEGIN; DELETE FROM public.t WHERE id = 1; UPDATE public.t SET v = 'changed' WHERE id = 2; INSERT INTO public.t VALUES (4, 'new'); COMMIT`;

function settingsOf(rest: Partial<Layout>) {
  return { settings: { layout: { ...NATIVE_LAYOUT, ...rest } } };
}

async function shop(rest: Partial<Layout>): Promise<Pair> {
  const pair = await scenarios.pair();
  await pair.source.query(`CREATE TABLE public.t (id int4 PRIMARY KEY, v text);
    INSERT INTO public.t SELECT g, 'v' || g FROM pg_catalog.generate_series(1, 3) g`);
  await pair.once(settingsOf(rest));
  return pair;
}

/** Position and time of every row, by its key. */
async function states(pair: Pair) {
  const rows = await pair.destination.query('SELECT _millrace_lsn, _millrace_synced_at FROM public.t ORDER BY id');
  return rows.map(([lsn, at]) => ({ lsn, at }));
}

async function isAfter(pair: Pair, lsn: string | null | undefined, other: string | null | undefined): Promise<boolean> {
  const [row] = await pair.destination.query('SELECT $1::pg_lsn > $2::pg_lsn', [lsn ?? '', other ?? '']);
  return row?.[0] === 't';
}
