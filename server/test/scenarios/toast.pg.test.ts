// Values stored out of line that an update did not touch do not come with it: the destination must still have them afterwards.
import { describe, expect, test } from 'vitest';
import { objectStates, type Pair, rowsOf, useScenarios } from '../pipeline/scenario.ts';

const servers = useScenarios();

/** Values that do not compress, so that they are stored out of line; one per kind of large type. */
const LARGE = (seed: string): string => `(SELECT string_agg(md5('${seed}' || n), '') FROM generate_series(1, 200) AS n)`;
const ROW = (id: string, seed: string): string =>
  `SELECT ${id}, 0, ${LARGE(seed)}, ${LARGE(`${seed}b`)}::bytea, to_jsonb(${LARGE(`${seed}j`)}), ARRAY[${LARGE(`${seed}a`)}]`;

const CASES: Readonly<Record<string, string>> = {
  'an update of another column': 'UPDATE public.t SET n = 1',
  'several updates in one transaction':
    "UPDATE public.t SET n = 1; UPDATE public.t SET n = n + 1; UPDATE public.t SET a = '{x}' WHERE id = 2; UPDATE public.t SET n = 9",
  'an update of one large column, then of another': `UPDATE public.t SET t = ${LARGE('new')} WHERE id = 1; UPDATE public.t SET b = '\\x00' WHERE id = 1`,
  'an insert and two updates': `INSERT INTO public.t ${ROW('4', 'four')}; UPDATE public.t SET n = 1 WHERE id = 4; UPDATE public.t SET n = 2, j = '1' WHERE id = 4`,
  'a change of the key': 'UPDATE public.t SET id = id + 10',
  'a change of the key and then of the row':
    'UPDATE public.t SET id = 11 WHERE id = 1; UPDATE public.t SET n = 5 WHERE id = 11; UPDATE public.t SET id = 12 WHERE id = 11',
  'an update before a change of the key': 'UPDATE public.t SET n = 7 WHERE id = 1; UPDATE public.t SET id = 21 WHERE id = 1',
  'a swap of keys':
    'UPDATE public.t SET id = -1 WHERE id = 1; UPDATE public.t SET id = 1 WHERE id = 2; UPDATE public.t SET id = 2 WHERE id = -1',
  'a chain of keys':
    'UPDATE public.t SET id = 4 WHERE id = 3; UPDATE public.t SET id = 3 WHERE id = 2; UPDATE public.t SET id = 2 WHERE id = 1',
  'a delete and an insert of the same key': `DELETE FROM public.t WHERE id = 1; INSERT INTO public.t ${ROW('1', 'again')}; UPDATE public.t SET n = 3 WHERE id = 1`,
  'an insert and a change of its key': `INSERT INTO public.t ${ROW('5', 'five')}; UPDATE public.t SET id = 6 WHERE id = 5; UPDATE public.t SET n = 1 WHERE id = 6`,
  'a deletion after an update': 'UPDATE public.t SET n = 1; DELETE FROM public.t WHERE id = 2',
  'a large column set to NULL and back': `UPDATE public.t SET t = NULL WHERE id = 1; UPDATE public.t SET n = 4 WHERE id = 1; UPDATE public.t SET t = ${LARGE('back')} WHERE id = 1; UPDATE public.t SET n = 5 WHERE id = 1`,
};

/** One table per case, so that one pipeline tries them all. */
async function begin(identity: string): Promise<{ readonly pair: Pair; readonly tables: readonly string[] }> {
  const pair = await servers.pair();
  const tables = Object.keys(CASES).map((_, index) => `t${index}`);
  for (const table of tables) {
    await pair.source.query(`
      CREATE TABLE public.t (id int PRIMARY KEY, n int NOT NULL, t text, b bytea, j jsonb, a text[]);
      ALTER TABLE public.t ALTER COLUMN t SET STORAGE EXTERNAL;
      ${identity.replaceAll('by_n', `by_n_${table}`)};
      INSERT INTO public.t ${ROW('1', 'one')};
      INSERT INTO public.t ${ROW('2', 'two')};
      INSERT INTO public.t ${ROW('3', 'three')};
      ALTER TABLE public.t RENAME TO ${table}`);
  }
  await pair.once();
  await pair.expectEqual(...tables);
  return { pair, tables };
}

describe.for([
  ['the primary key', 'SELECT 1'],
  ['REPLICA IDENTITY FULL', 'ALTER TABLE public.t REPLICA IDENTITY FULL'],
  ['an identity index', 'CREATE UNIQUE INDEX by_n ON public.t (id, n); ALTER TABLE public.t REPLICA IDENTITY USING INDEX by_n'],
])('under %s large values survive', ([, identity = '']) => {
  test('every case in a batch', async () => {
    const { pair, tables } = await begin(identity);
    for (const [index, changes] of Object.values(CASES).entries()) {
      await pair.source.query(`BEGIN; ${changes.replaceAll('public.t ', `public.t${index} `)}; COMMIT`);
    }
    await pair.once();
    for (const [index, name] of Object.keys(CASES).entries()) {
      expect(await rowsOf(pair.destination, `t${index}`), name).toEqual(await rowsOf(pair.source, `t${index}`));
    }
    await pair.untilState('streaming', ...tables);
  });

  test('every change in a batch of its own', async () => {
    const { pair } = await begin(identity);
    for (const [index, changes] of Object.values(CASES).entries()) {
      await pair.source.query(`BEGIN; ${changes.replaceAll('public.t ', `public.t${index} `)}; COMMIT`);
    }
    await pair.once({ tuning: { batchBytes: 1 } });
    for (const [index, name] of Object.keys(CASES).entries()) {
      expect(await rowsOf(pair.destination, `t${index}`), name).toEqual(await rowsOf(pair.source, `t${index}`));
    }
  });
});

test('a large value that is part of the key survives an update of another column', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE TABLE public.t (k text, n int, v text, PRIMARY KEY (k, n));
    ALTER TABLE public.t ALTER COLUMN k SET STORAGE EXTERNAL;
    INSERT INTO public.t SELECT substr(${LARGE('k')}, 1, 2300), i, ${LARGE('v')} FROM generate_series(1, 3) AS i`);
  await pair.once();
  await pair.source.query(
    "UPDATE public.t SET v = 'short' WHERE n = 1; UPDATE public.t SET n = 10 WHERE n = 2; UPDATE public.t SET n = n + 100, v = 'x' WHERE n = 3",
  );
  await pair.once();
  await pair.expectEqual('t');
});

test('a row that is missing at the destination stops its object instead of being made up', async () => {
  const pair = await servers.pair();
  await pair.source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY, n int, v text);
    CREATE TABLE public.other (id int PRIMARY KEY);
    INSERT INTO public.t SELECT i, 0, ${LARGE('v')} FROM generate_series(1, 3) AS i`);
  await pair.once();
  await pair.destination.query('DELETE FROM public.t WHERE id = 2');
  await pair.source.query('UPDATE public.t SET n = 1; INSERT INTO public.other VALUES (1)');
  await pair.once();
  await pair.untilState('failed', 't');
  expect((await objectStates(pair.destination))['t']?.reason).toBe('destination_row_missing');
  await pair.expectEqual('other');
  await pair.destination.query('UPDATE _millrace.object SET restart_requested = true WHERE source_name = $1', ['t']);
  await pair.once();
  await pair.expectEqual('t');
});
