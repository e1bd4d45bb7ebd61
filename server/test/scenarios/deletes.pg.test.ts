// What a delete at the source leaves at the destination: nothing, a marked row, or the row as it was.
import { describe, expect, test } from 'vitest';
import type { Layout } from '../../src/model/layout.ts';
import { NATIVE_LAYOUT } from '../../src/model/layout.ts';
import type { PipelineSettings } from '../../src/app/config/settings.ts';
import { verifyPipeline } from '../../src/app/operations/verify.ts';
import { type Pair, useScenarios } from '../pipeline/scenario.ts';
import { waitFor } from '../pg/wait-for.ts';
import { pipelineSettings } from '../pipeline/pipeline.ts';

const scenarios = useScenarios();

const SOFT = { layout: { ...NATIVE_LAYOUT, deletes: 'soft' } satisfies Layout };
const IGNORE = { layout: { ...NATIVE_LAYOUT, deletes: 'ignore' } satisfies Layout };

const SHOP = `
  CREATE TABLE public.keyed (id int4 PRIMARY KEY, v text, big text);
  ALTER TABLE public.keyed ALTER big SET STORAGE EXTERNAL;
  CREATE TABLE public.keyless (v int4, w text);
  ALTER TABLE public.keyless REPLICA IDENTITY FULL;
  INSERT INTO public.keyed SELECT g, 'v' || g, pg_catalog.repeat('x', 5000) FROM pg_catalog.generate_series(1, 9) g;
  INSERT INTO public.keyless SELECT g / 2, 'w' FROM pg_catalog.generate_series(2, 7) g`;

const CHANGES = `
  DELETE FROM public.keyed WHERE id IN (1, 2, 3);
  INSERT INTO public.keyed VALUES (2, 'again', 'b');
  UPDATE public.keyed SET id = 40, v = 'moved' WHERE id = 4;
  UPDATE public.keyed SET v = 'last' WHERE id = 5; DELETE FROM public.keyed WHERE id = 5;
  INSERT INTO public.keyed VALUES (50, 'short', 'c'); DELETE FROM public.keyed WHERE id = 50;
  DELETE FROM public.keyless WHERE ctid = (SELECT pg_catalog.min(ctid) FROM public.keyless WHERE v = 1);
  UPDATE public.keyless SET w = 'changed' WHERE v = 3`;

const KEYED_MARKED = ['1 v1', '3 v3', '4 v4', '5 last', '50 short'];
const KEYED_PRESENT = ['2 again', '40 moved', '6 v6', '7 v7', '8 v8', '9 v9'];
const KEYLESS_PRESENT = ['1 w', '2 w', '2 w', '3 changed', '3 changed'];

describe('deletes: soft', () => {
  test('marks what is deleted or left by its key, with the time, and a re-insert takes the mark away', async () => {
    const pair = await shop(SOFT);
    await pair.source.query(CHANGES);
    await pair.once({ settings: SOFT });
    expect(await rows(pair, 'keyed', 'id, v', '_millrace_deleted AND _millrace_deleted_at IS NOT NULL')).toEqual(KEYED_MARKED);
    expect(await rows(pair, 'keyed', 'id, v', 'NOT _millrace_deleted AND _millrace_deleted_at IS NULL')).toEqual(KEYED_PRESENT);
    expect(await rows(pair, 'keyed', 'id', "big = pg_catalog.repeat('x', 5000)")).toEqual(['1', '3', '4', '40', '5', '6', '7', '8', '9']);
    expect(await rows(pair, 'keyless', 'v, w', '_millrace_deleted')).toEqual(['1 w']);
    expect(await rows(pair, 'keyless', 'v, w', 'NOT _millrace_deleted')).toEqual(KEYLESS_PRESENT);
    expect(await verdicts(pair, SOFT)).toEqual([
      [6, 6, 0, 0, 0],
      [5, 5, 0, 0, 0],
    ]);
  });

  test('gives the same in one destination commit for each change', async () => {
    const pair = await shop(SOFT);
    const pipeline = pair.start({ settings: SOFT });
    for (const statement of CHANGES.split(';')) {
      await pair.source.query(statement);
      const present = await rows(pair, 'keyed', 'id, v', 'true', 'source');
      await waitFor('the change to be visible', async () => {
        expect(await rows(pair, 'keyed', 'id, v', 'NOT _millrace_deleted')).toEqual(present);
        return true;
      });
    }
    await pipeline.stop();
    expect(await rows(pair, 'keyed', 'id, v', '_millrace_deleted')).toEqual(KEYED_MARKED);
    expect(await rows(pair, 'keyed', 'id, v', 'NOT _millrace_deleted')).toEqual(KEYED_PRESENT);
  });

  test('marks every row at a TRUNCATE, and those that come afterwards are there', async () => {
    const pair = await shop(SOFT);
    await pair.source.query(`
      BEGIN; INSERT INTO public.keyed VALUES (10, 'before'); TRUNCATE public.keyed, public.keyless;
      INSERT INTO public.keyed VALUES (1, 'after'), (11, 'new'); INSERT INTO public.keyless VALUES (1, 'w'); COMMIT`);
    await pair.once({ settings: SOFT });
    expect(await rows(pair, 'keyed', 'id, v', 'NOT _millrace_deleted')).toEqual(['1 after', '11 new']);
    expect(await rows(pair, 'keyed', 'id', '_millrace_deleted')).toEqual(['10', '2', '3', '4', '5', '6', '7', '8', '9']);
    expect(await rows(pair, 'keyless', 'v, w', 'NOT _millrace_deleted')).toEqual(['1 w']);
    expect(await rows(pair, 'keyless', 'v', '_millrace_deleted')).toEqual(['1', '1', '2', '2', '3', '3']);
  });

  test('keeps marked rows when the object is loaded again, and marks what is gone by then', async () => {
    const pair = await shop(SOFT);
    await pair.source.query('DELETE FROM public.keyed WHERE id < 3');
    await pair.once({ settings: SOFT });
    await pair.source.query('DELETE FROM public.keyed WHERE id = 3; INSERT INTO public.keyed VALUES (1, $$again$$)');
    await pair.destination.query('UPDATE _millrace.object SET restart_requested = true');
    await pair.once({ settings: SOFT });
    expect(await rows(pair, 'keyed', 'id', '_millrace_deleted')).toEqual(['2', '3']);
    expect(await rows(pair, 'keyed', 'id, v', 'NOT _millrace_deleted AND id < 5')).toEqual(['1 again', '4 v4']);
  });
});

describe('deletes: ignore', () => {
  test('keeps what is deleted as it was, and takes a re-insert for an update', async () => {
    const pair = await shop(IGNORE);
    await pair.source.query(CHANGES);
    await pair.source.query('TRUNCATE public.keyless');
    await pair.once({ settings: IGNORE });
    expect(await rows(pair, 'keyed', 'id, v')).toEqual([...KEYED_MARKED, ...KEYED_PRESENT].sort());
    expect(await rows(pair, 'keyless', 'v, w')).toEqual(['1 w', ...KEYLESS_PRESENT].sort());
    expect((await verdicts(pair, IGNORE)).map(([, , ...found]) => found)).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });
});

test('another policy in the file loads the object again into a table of that layout', async () => {
  const pair = await shop({});
  await pair.source.query('DELETE FROM public.keyed WHERE id = 1');
  await pair.once({ settings: SOFT });
  await pair.source.query('DELETE FROM public.keyed WHERE id = 2');
  await pair.once({ settings: SOFT });
  // The first was deleted before its table could mark anything; the reload found it gone.
  expect(await rows(pair, 'keyed', 'id', '_millrace_deleted')).toEqual(['1', '2']);
  await pair.once();
  await pair.expectEqual('keyed', 'keyless');
});

async function shop(settings: Partial<PipelineSettings>): Promise<Pair> {
  const pair = await scenarios.pair();
  await pair.source.query(SHOP);
  await pair.once({ settings });
  return pair;
}

async function rows(pair: Pair, table: string, columns: string, where = 'true', side: 'source' | 'destination' = 'destination') {
  const found = await pair[side].query(`SELECT pg_catalog.concat_ws(' ', ${columns}) FROM public.${table} WHERE ${where}`);
  return found.map(([row]) => row ?? '').sort();
}

/** Of each object: rows at the source, at the destination, then what is missing, extra, different. */
async function verdicts(pair: Pair, settings: { readonly layout: Layout }) {
  const reports = await verifyPipeline(pipelineSettings(pair.source, pair.destination, { settings }), 'all', new AbortController().signal);
  return reports.map((report) => [report.source_rows, report.destination_rows, report.missing, report.extra, report.different]);
}
