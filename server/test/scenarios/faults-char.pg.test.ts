// Values of "char" above 127, which servers before 16 misread in the text form of later ones.
import { expect, test } from 'vitest';
import { objectStates, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

const BYTES = 'SELECT id, pg_catalog.array_send(ARRAY[c])::pg_catalog.text FROM public.t ORDER BY id';

test.skipIf(servers.source.major < 16)(
  'arrive at an older server as they are by a binary stream, and are refused where it must be text',
  async () => {
    const { cluster } = await servers.ownCluster({ side: 'destination', version: 15 });
    const pair = servers.pairOf(await servers.source.createDatabase(), await cluster.createDatabase());
    await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, c "char");
    INSERT INTO public.t VALUES (1, E'\\\\200'), (2, 'a')`);
    await pair.once();
    await pair.source.query(`INSERT INTO public.t VALUES (3, E'\\\\377')`);
    await pair.once();
    expect(await pair.destination.query(BYTES)).toEqual(await pair.source.query(BYTES));
    // Of a type that can only go as text, and one stream has one format.
    await pair.source.query('CREATE TABLE public.textual (id int PRIMARY KEY, r regclass)');
    await pair.source.query(`INSERT INTO public.t VALUES (4, E'\\\\300')`);
    await pair.once();
    expect(await objectStates(pair.destination)).toMatchObject({
      t: { state: 'ineligible', code: '2025', cause: expect.stringContaining('public.textual') },
      textual: { state: 'streaming' },
    });
    expect(await pair.destination.query('SELECT id FROM public.t ORDER BY id')).toEqual([['1'], ['2'], ['3']]);
  },
);
