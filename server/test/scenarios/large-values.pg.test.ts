// Values of many megabytes, by load and by stream: they arrive whole, and memory stays in proportion to the largest of them.
import { expect, test } from 'vitest';
import { usePostgres } from '../pg/use-postgres.ts';
import type { Ends } from '../pipeline/compare.ts';
import { watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();
/** MILLRACE_LARGE_MB=200 tries what the product promises; less is enough to find a quadratic or a string. */
const MEBIBYTES = Number(process.env['MILLRACE_LARGE_MB'] ?? '48');

const DIGESTS = `
  SELECT id, pg_catalog.length(t), pg_catalog.md5(t), pg_catalog.length(b), pg_catalog.md5(b), pg_catalog.md5(j::pg_catalog.text)
  FROM public.t ORDER BY id`;

function insert(id: number, column: 't' | 'b' | 'j'): string {
  const size = MEBIBYTES * 1024 * 1024;
  const text = `pg_catalog.repeat('0123456789abcde\u00e9', ${size} / 17)`;
  const values = {
    t: text,
    b: `pg_catalog.decode(pg_catalog.repeat('00ff5c0a', ${size} / 4), 'hex')`,
    j: `pg_catalog.jsonb_build_object('a', ${text})`,
  };
  return `INSERT INTO public.t (id, ${column}) VALUES (${id}, ${values[column]})`;
}

/** The largest resident size while `work` runs, in bytes, beyond what it was before. */
async function peakRssOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return peak - before;
}

test('huge text, bytea and jsonb arrive whole', async () => {
  const ends: Ends = { source: await pg.source.createDatabase(), destination: await pg.destination.createDatabase() };
  const { source, destination } = ends;
  await source.query('CREATE TABLE public.t (id int PRIMARY KEY, t text, b bytea, j jsonb, note text)');
  await source.query(
    'ALTER TABLE public.t ALTER COLUMN t SET STORAGE EXTERNAL, ALTER COLUMN b SET STORAGE EXTERNAL, ALTER COLUMN j SET STORAGE EXTERNAL',
  );
  for (const [index, column] of (['t', 'b', 'j'] as const).entries()) await source.query(insert(index + 1, column));
  const load = await peakRssOf(async () => expect((await watchOnce(ends)).complaints).toEqual([]));
  expect(await destination.query(DIGESTS)).toEqual(await source.query(DIGESTS));

  for (const [index, column] of (['t', 'b', 'j'] as const).entries()) await source.query(insert(index + 11, column));
  // The values that are not changed are not in the log; they must stay as they are.
  await source.query("UPDATE public.t SET note = 'changed'; UPDATE public.t SET id = 100 + id WHERE id < 3");
  const stream = await peakRssOf(async () => expect((await watchOnce(ends)).complaints).toEqual([]));
  expect(await destination.query(DIGESTS)).toEqual(await source.query(DIGESTS));
  await source.dropSlots();
  const mebibytes = (bytes: number): number => Math.round(bytes / 1024 / 1024);
  if (MEBIBYTES > 100)
    process.stderr.write(
      `values of ${MEBIBYTES} MiB: ${mebibytes(load)} MiB more while loading, ${mebibytes(stream)} MiB more while streaming\n`,
    );
  expect(load).toBeLessThan((3 * MEBIBYTES + 100) * 1024 * 1024);
  expect(stream).toBeLessThan((6 * MEBIBYTES + 100) * 1024 * 1024);
}, 240_000);
