import { describe, expect, test } from 'vitest';
import type { TestDatabase, TestRole } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import type { MillraceError } from '../model/error.ts';
import type { SourceTable } from '../model/table.ts';
import { quoteIdent } from '../pg/ident.ts';
import { readTables } from './catalog.ts';
import { dropPublications, ensurePublications, readPublications, refreshPublications } from './publication.ts';
import type { WantedTables } from './publication-plan.ts';
import { replicationNames } from './slot-name.ts';

const pg = usePostgres();
const NAMES = replicationNames('test', 'scope').publications;

/** The tables of the database, each in the publication that its identity asks for. */
async function wantedOf(database: TestDatabase): Promise<WantedTables> {
  const { tables } = await readTables(await database.open(), { schemas: null });
  return {
    full: tables.filter((table) => table.identity.kind !== 'none'),
    insertOnly: tables.filter((table) => table.identity.kind === 'none'),
  };
}

async function membersOf(database: TestDatabase): Promise<Record<string, readonly string[]>> {
  const states = await readPublications(await database.open(), [NAMES.full, NAMES.insertOnly]);
  return Object.fromEntries(
    states.map((state) => [state.name === NAMES.full ? 'full' : 'insertOnly', state.members.map((member) => member.name)]),
  );
}

async function ownerRole(database: TestDatabase): Promise<TestRole> {
  const role = await pg.source.createRole();
  await database.query(
    `GRANT CREATE ON DATABASE ${quoteIdent(database.name)} TO ${quoteIdent(role.name)}; CREATE SCHEMA s AUTHORIZATION ${quoteIdent(role.name)}`,
  );
  return role;
}

function names(tables: readonly SourceTable[]): readonly string[] {
  return tables.map((table) => table.name);
}

describe('the publications of a pipeline', () => {
  test('are made, changed by difference and dropped by a role that owns its tables', async () => {
    const database = await pg.source.createDatabase();
    const session = await database.open({ role: await ownerRole(database) });
    await session.query('CREATE TABLE s.keyed (id int PRIMARY KEY); CREATE TABLE s."no ""key" (id int)');
    const first = await ensurePublications(session, NAMES, await wantedOf(database));
    expect(first).toMatchObject({ created: [NAMES.full, NAMES.insertOnly], streamFrom: [NAMES.full, NAMES.insertOnly] });
    expect(await membersOf(database)).toEqual({ full: ['keyed'], insertOnly: ['no "key'] });
    expect((await ensurePublications(session, NAMES, await wantedOf(database))).statements).toEqual([]);

    await session.query('CREATE TABLE s.later (id int PRIMARY KEY); ALTER TABLE s."no ""key" ADD PRIMARY KEY (id); DROP TABLE s.keyed');
    const second = await ensurePublications(session, NAMES, await wantedOf(database));
    expect(names(second.added)).toEqual(['later', 'no "key']);
    expect(names(second.moved)).toEqual(['no "key']);
    expect(await membersOf(database)).toEqual({ full: ['later', 'no "key'], insertOnly: [] });

    await refreshPublications(session, NAMES);
    expect(await dropPublications(session, NAMES)).toEqual({ dropped: [NAMES.full, NAMES.insertOnly], kept: [] });
    expect(await membersOf(database)).toEqual({});
    expect(await dropPublications(session, NAMES)).toEqual({ dropped: [], kept: [] });
  });

  test('take an inheritance parent without its children, and a partitioned root without its leaves', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE TABLE public.parent (id int PRIMARY KEY); CREATE TABLE public.child () INHERITS (public.parent);
      CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE public.leaf PARTITION OF public.root DEFAULT`);
    await ensurePublications(await database.open(), NAMES, await wantedOf(database));
    expect(await membersOf(database)).toEqual({ full: ['parent', 'root'], insertOnly: ['child'] });
  });

  test('never make a write of the application fail, whatever identity its tables have', async () => {
    const database = await pg.source.createDatabase();
    const tables = [
      'pk (id int PRIMARY KEY, v int)',
      'bare (id int, v int)',
      'deferrable_pk (id int PRIMARY KEY DEFERRABLE, v int)',
      'full_plain (id int, v int)',
      'full_generated (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (id + 1) STORED)',
      'generated_pk (id int, v int, g int GENERATED ALWAYS AS (id + 1) STORED PRIMARY KEY)',
      'nothing_pk (id int PRIMARY KEY, v int)',
      'lost_index (id int NOT NULL, v int)',
      'root (id int PRIMARY KEY, v int) PARTITION BY RANGE (id)',
      'root_bare (id int, v int) PARTITION BY RANGE (id)',
      'root_mixed (id int PRIMARY KEY, v int) PARTITION BY RANGE (id)',
    ];
    await database.query(`
      ${tables.map((definition) => `CREATE TABLE public.${definition};`).join('\n')}
      CREATE TABLE public.root_1 PARTITION OF public.root DEFAULT; CREATE TABLE public.root_bare_1 PARTITION OF public.root_bare FOR VALUES FROM (0) TO (1);
      ALTER TABLE public.root_bare_1 REPLICA IDENTITY FULL; ALTER TABLE public.root_bare REPLICA IDENTITY FULL;
      CREATE TABLE public.root_mixed_1 PARTITION OF public.root_mixed DEFAULT; ALTER TABLE public.root_mixed_1 REPLICA IDENTITY NOTHING;
      ALTER TABLE public.full_plain REPLICA IDENTITY FULL; ALTER TABLE public.full_generated REPLICA IDENTITY FULL;
      ALTER TABLE public.nothing_pk REPLICA IDENTITY NOTHING;
      CREATE UNIQUE INDEX lost ON public.lost_index (id); ALTER TABLE public.lost_index REPLICA IDENTITY USING INDEX lost; DROP INDEX public.lost`);
    await ensurePublications(await database.open(), NAMES, await wantedOf(database));
    // A partition that comes later is under the publication of its root at once.
    await database.query('CREATE TABLE public.root_bare_2 PARTITION OF public.root_bare DEFAULT');
    for (const definition of tables) {
      const name = definition.split(' ')[0];
      await database.query(`INSERT INTO public.${name} (id) VALUES (0), (1), (2)`);
      await database.query(`UPDATE public.${name} SET v = 1`);
      await database.query(`DELETE FROM public.${name} WHERE id = 2`);
      await database.query(`TRUNCATE public.${name}`);
    }
    const members = await membersOf(database);
    expect(members['full']).toEqual(pg.source.major >= 18 ? ['full_plain', 'pk', 'root'] : ['full_generated', 'full_plain', 'pk', 'root']);
  });

  test('say what an administrator must run, and are used as the administrator made them', async () => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole();
    await database.query('CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int)');
    const session = await database.open({ role });
    const wanted = await wantedOf(database);
    const error = await ensurePublications(session, NAMES, wanted).then(
      () => null,
      (failure: MillraceError) => failure,
    );
    expect(error).toMatchObject({ errorName: 'publication_not_allowed', facts: { sqlstate: '42501' } });
    await database.query(error?.fix ?? '');
    const plan = await ensurePublications(session, NAMES, wanted);
    expect(plan).toMatchObject({
      statements: [],
      administered: [NAMES.full, NAMES.insertOnly],
      streamFrom: [NAMES.full, NAMES.insertOnly],
    });
    expect(await dropPublications(session, NAMES)).toEqual({ dropped: [], kept: [NAMES.full, NAMES.insertOnly] });

    await database.query('CREATE TABLE public.c (id int PRIMARY KEY)');
    await expect(ensurePublications(session, NAMES, await wantedOf(database))).rejects.toMatchObject({
      errorName: 'publication_not_allowed',
      facts: { fix: `ALTER PUBLICATION "${NAMES.full}" ADD TABLE ONLY "public"."c";` },
    });
  });

  test('are mended when somebody changed their options or their members', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.a (id int PRIMARY KEY, v int)');
    const session = await database.open();
    const wanted = await wantedOf(database);
    await ensurePublications(session, NAMES, wanted);
    await database.query(`ALTER PUBLICATION ${NAMES.full} SET (publish = 'insert', publish_via_partition_root = false)`);
    if (pg.source.major >= 15) {
      await database.query(`ALTER PUBLICATION ${NAMES.full} SET TABLE public.a (id) WHERE (id > 5); CREATE SCHEMA s`);
      await database.query(`ALTER PUBLICATION ${NAMES.insertOnly} ADD TABLES IN SCHEMA s`);
    }
    const plan = await ensurePublications(session, NAMES, wanted);
    expect(plan).toMatchObject({ mended: [NAMES.full] });
    expect(names(plan.added)).toEqual(['a']);
    expect((await ensurePublications(session, NAMES, wanted)).statements).toEqual([]);
  });

  test('name who holds a table that they wait for, and block no writer meanwhile', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.a (id int PRIMARY KEY)');
    const wanted = await wantedOf(database);
    const locker = await database.open();
    await locker.query('BEGIN; LOCK TABLE public.a IN SHARE UPDATE EXCLUSIVE MODE');
    const attempt = ensurePublications(await database.open(), NAMES, wanted, { lockTimeoutMs: 200 });
    await expect(attempt).rejects.toMatchObject({
      errorName: 'source_blocked',
      facts: { cause: `public.a is locked (ShareUpdateExclusiveLock) by process ${locker.backendPid}` },
    });
    expect(await membersOf(database)).toEqual({});
    await locker.query('ROLLBACK');
  });
});
