import { expect, test } from 'vitest';
import { startProxy } from '../../../test/net/proxy.ts';
import { usePostgres } from '../../../test/pg/use-postgres.ts';
import { connect } from '../../db/connect.ts';
import { keepAsking } from './liveness.ts';

const pg = usePostgres();
const QUICK = { everyMs: 5, limitMs: 200 };

test('a server that answers is asked until the end', async () => {
  const database = await pg.source.createDatabase();
  const session = await database.open();
  const ending = new AbortController();
  const asking = keepAsking(session, ending.signal, QUICK);
  // Statements of others on the same session only delay the answer.
  await session.query('SELECT pg_catalog.pg_sleep(0.05)');
  ending.abort();
  await expect(asking).resolves.toBeUndefined();
});

test('a server that is gone without a word is noticed, and a cut ends whatever waits for it', async () => {
  const database = await pg.source.createDatabase();
  const proxy = await startProxy(database.settings());
  const cut = new AbortController();
  const ending = new AbortController();
  const settings = { ...proxy.through(database.settings()), cut: cut.signal };
  const open = () => connect(settings, { applicationName: 'silence', side: 'source' });
  const [asked, waiting] = await Promise.all([open(), open()]);
  const asking = keepAsking(asked, ending.signal, QUICK);
  asking.catch(() => {});
  proxy.blackHole();
  const query = waiting.query('SELECT 1');
  query.catch(() => {});
  const opening = open();
  opening.catch(() => {});
  await expect(asking).rejects.toMatchObject({ errorName: 'connection_lost', facts: { cause: 'source: no answer for 0 s' } });
  cut.abort();
  await expect(query).rejects.toMatchObject({ errorName: 'connection_lost' });
  await expect(opening).rejects.toMatchObject({ facts: { side: 'source' } });
  await expect(open()).rejects.toMatchObject({ facts: { side: 'source' } });
  await proxy.close();
});
