import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { must } from '../lib/assert.ts';
import type { SourceLeaf } from '../model/table.ts';
import { readTables } from './catalog.ts';
import { diffPartitions } from './partitions.ts';

const pg = usePostgres();

const TREE = `
  CREATE TABLE public.root (id int NOT NULL DEFAULT 1, v text NOT NULL DEFAULT 'x', twice int GENERATED ALWAYS AS (id * 2) STORED,
    PRIMARY KEY (id), CHECK (id > 0)) PARTITION BY RANGE (id);
  CREATE TABLE public.first PARTITION OF public.root FOR VALUES FROM (1) TO (10);
  INSERT INTO public.root (id) VALUES (1)`;

const LATER = "(v DEFAULT 'y', CONSTRAINT later CHECK (id < 99)) FOR VALUES FROM (10) TO (20)";

async function leavesOf(database: TestDatabase): Promise<readonly SourceLeaf[]> {
  const { tables } = await readTables(await database.open(), { schemas: null });
  return must(
    tables.find((table) => table.name === 'root'),
    'root',
  ).leaves;
}

/** What `diffPartitions` says about `sql`, run on a tree with one partition. */
async function eventsOf(...sql: readonly string[]): Promise<readonly string[]> {
  const database = await pg.source.createDatabase();
  await database.query(TREE);
  const before = await leavesOf(database);
  for (const statement of sql) await database.query(statement);
  return diffPartitions(before, await leavesOf(database)).map((event) => `${event.kind} ${event.leaf.name}`);
}

describe('what the catalogue tells about partitions', () => {
  test.each([
    ['a partition created in place', [`CREATE TABLE public.p PARTITION OF public.root ${LATER}`], ['created p']],
    [
      'a partition created in place, renamed, and altered later',
      [
        `CREATE TABLE public.q PARTITION OF public.root ${LATER}`,
        'ALTER TABLE public.q RENAME TO p',
        'ALTER TABLE public.p ALTER COLUMN id SET STATISTICS 10',
        'VACUUM FREEZE public.p',
        'VACUUM FREEZE pg_catalog.pg_attribute',
        'VACUUM FREEZE pg_catalog.pg_inherits',
      ],
      ['created p'],
    ],
    [
      'a subtree created in place',
      [
        'CREATE TABLE public.sub PARTITION OF public.root FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id)',
        'CREATE TABLE public.p PARTITION OF public.sub DEFAULT',
      ],
      ['created p'],
    ],
    [
      'a table attached after it was filled',
      [
        'CREATE TABLE public.p (LIKE public.root INCLUDING ALL)',
        'INSERT INTO public.p (id) VALUES (10)',
        'ALTER TABLE public.root ATTACH PARTITION public.p FOR VALUES FROM (10) TO (20)',
      ],
      ['attached p'],
    ],
    [
      'a table created, filled and attached in one transaction',
      [
        `BEGIN; CREATE TABLE public.p (LIKE public.root INCLUDING ALL); INSERT INTO public.p (id) VALUES (10);
         ALTER TABLE public.root ATTACH PARTITION public.p FOR VALUES FROM (10) TO (20); COMMIT`,
      ],
      ['attached p'],
    ],
    [
      'a table renamed and attached in one transaction',
      [
        'CREATE TABLE public.q (LIKE public.root INCLUDING ALL)',
        `BEGIN; ALTER TABLE public.q RENAME TO p;
         ALTER TABLE public.root ATTACH PARTITION public.p FOR VALUES FROM (10) TO (20); COMMIT`,
      ],
      ['attached p'],
    ],
    [
      'a partition created, detached, filled and attached again in one transaction',
      [
        `BEGIN; CREATE TABLE public.p PARTITION OF public.root ${LATER}; ALTER TABLE public.root DETACH PARTITION public.p;
         INSERT INTO public.p (id) VALUES (10); ALTER TABLE public.root ATTACH PARTITION public.p FOR VALUES FROM (10) TO (20); COMMIT`,
      ],
      ['attached p'],
    ],
    [
      'a known partition that was away for a while',
      [
        'ALTER TABLE public.root DETACH PARTITION public.first',
        "UPDATE public.first SET v = 'away'",
        'ALTER TABLE public.root ATTACH PARTITION public.first FOR VALUES FROM (1) TO (10)',
      ],
      ['attached first'],
    ],
    ['a partition that was dropped', ['DROP TABLE public.first'], ['detached_or_dropped first']],
    ['a partition that was detached', ['ALTER TABLE public.root DETACH PARTITION public.first'], ['detached_or_dropped first']],
    ['a partition that was emptied', ['TRUNCATE public.first'], ['rewritten first']],
    [
      'a partition created in place, filled and emptied',
      [`CREATE TABLE public.p PARTITION OF public.root ${LATER}`, 'INSERT INTO public.root (id) VALUES (10)', 'TRUNCATE public.p'],
      ['rewritten p'],
    ],
    [
      'columns added, changed and dropped',
      ['ALTER TABLE public.root ADD COLUMN w int DEFAULT 7', 'ALTER TABLE public.root DROP COLUMN v'],
      [],
    ],
    ['vacuum and analyze', ['VACUUM ANALYZE public.first'], []],
  ])('%s', async (_name, sql, expected) => {
    expect(await eventsOf(...sql)).toEqual(expected);
  });

  test('a table whose every column has a default is still seen as created in place', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`CREATE TABLE public.root (id int DEFAULT 1, v text DEFAULT 'x') PARTITION BY LIST (id)`);
    await database.query('CREATE TABLE public.p PARTITION OF public.root DEFAULT');
    expect((await leavesOf(database))[0]?.lineage?.map((edge) => edge.createdInPlace)).toEqual([true]);
  });
});
