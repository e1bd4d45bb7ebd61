import { describe, expect, test } from 'vitest';
import { attemptLoad } from '../../../test/copy/copy-rig.ts';
import type { TestDatabase } from '../../../test/pg/test-database.ts';
import { usePostgres } from '../../../test/pg/use-postgres.ts';
import type { CopyServers } from './sessions.ts';

const pg = usePostgres();

interface Pair {
  readonly source: TestDatabase;
  readonly destination: TestDatabase;
  readonly servers: CopyServers;
}

async function pair(): Promise<Pair> {
  const source = await pg.source.createDatabase();
  const destination = await pg.destination.createDatabase();
  return {
    source,
    destination,
    servers: { source: source.settings(), destination: destination.settings(), applicationName: 'millrace test' },
  };
}

describe('the first load of a table', () => {
  test('brings every row, piece by piece, and the key', async () => {
    const { source, destination, servers } = await pair();
    await source.query(`CREATE TABLE public.t (id int8 PRIMARY KEY, v text);
      INSERT INTO public.t SELECT i, pg_catalog.repeat('x', (i % 100)::int) FROM pg_catalog.generate_series(1, 20000) AS i`);
    const { outcome } = await attemptLoad({ servers, table: { schema: 'public', name: 't' }, tuning: { chunkBytes: 200_000 } });
    expect(outcome.rows).toBe(20_000);
    expect(await destination.query('SELECT count(*), sum(id), sum(length(v)) FROM public.t')).toEqual(
      await source.query('SELECT count(*), sum(id), sum(length(v)) FROM public.t'),
    );
    console.log(await destination.query('SELECT chunk_no, from_page, to_page, rows, bytes FROM _millrace.chunk'));
    console.log(await destination.query('SELECT state, rows_copied, bytes_copied FROM _millrace.object'), outcome);
  });
});
