import { expect, test } from 'vitest';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { evictPredecessors } from './state-evict.ts';

const pg = usePostgres();

test('the older sessions of the same pipeline end, with their locks; all others live', async () => {
  const database = await pg.destination.createDatabase();
  await database.query('CREATE TABLE public.t (n int)');
  const asleep = await database.open({ applicationName: 'millrace shop apply' });
  await asleep.query('BEGIN; LOCK TABLE public.t');
  const others = [
    await database.open({ applicationName: 'millrace shop two apply' }),
    await database.open({ applicationName: 'millrace shop' }),
    await database.open({ applicationName: 'psql' }),
    await (await pg.destination.createDatabase()).open({ applicationName: 'millrace shop apply' }),
  ];
  const session = await database.open({ applicationName: 'millrace shop control' });
  const younger = await database.open({ applicationName: 'millrace shop copy writer' });
  await evictPredecessors(session, 'shop');
  await expect(asleep.query('SELECT 1')).rejects.toMatchObject({ errorName: 'connection_lost' });
  for (const other of [...others, younger]) expect(await other.query('SELECT 1')).toEqual([['1']]);
});

test('nothing is ended for a name that the server does not keep whole', async () => {
  const database = await pg.destination.createDatabase();
  const name = 'x'.repeat(80);
  const asleep = await database.open({ applicationName: `millrace ${name} apply` });
  const session = await database.open({ applicationName: `millrace ${name} control` });
  await evictPredecessors(session, name);
  expect(await asleep.query('SELECT 1')).toEqual([['1']]);
});
