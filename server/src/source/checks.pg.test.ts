import { describe, expect, test } from 'vitest';
import type { TestDatabase, TestRole } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { waitFor } from '../../test/pg/wait-for.ts';
import type { Finding } from '../model/finding.ts';
import { quoteIdent } from '../pg/ident.ts';
import { readTables } from './catalog.ts';
import { checkSource } from './checks.ts';
import { readSourceFacts } from './checks-facts.ts';
import { ensurePublications } from './publication.ts';
import { wantedTables } from './publication-plan.ts';
import { replicationNames } from './slot-name.ts';

const pg = usePostgres();
const NAMES = replicationNames('checked', 'scope');

async function check(database: TestDatabase, role?: TestRole, includeNewTables = false): Promise<readonly Finding[]> {
  const session = await database.open({ role });
  const { tables, ineligible } = await readTables(session, { schemas: null });
  const missed = ineligible.map((relation) => ({ relation, isNamed: true }));
  return checkSource(session, { connection: database.settings(role), names: NAMES, tables, missed, includeNewTables });
}

/** Findings that are about this database and role: settings of the test cluster are not the matter here. */
function problems(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(
    (finding) => finding.status !== 'pass' && finding.name !== 'source_setting_risky' && finding.name !== 'slot_creation_blocked',
  );
}

describe('the preflight of a source', () => {
  test('finds nothing wrong for a superuser and tables with keys', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (id int PRIMARY KEY)');
    const findings = await check(database, undefined, true);
    expect(problems(findings)).toEqual([]);
    expect(findings.map((finding) => finding.name)).toEqual(
      expect.arrayContaining([
        'source_direct',
        'source_version',
        'source_wal_level',
        'source_slots',
        'source_replication',
        'source_publications',
      ]),
    );
  });

  test('finds everything that a bare role lacks at once, and its own statements mend it', async () => {
    const database = await pg.source.createDatabase({ suffix: ' "q' });
    const role = await pg.source.createRole();
    await database.query(`
      CREATE SCHEMA "s""1"; CREATE TABLE "s""1".keyed (id int PRIMARY KEY); CREATE TABLE "s""1".bare (id int);
      CREATE TABLE "s""1".policed (id int PRIMARY KEY); ALTER TABLE "s""1".policed ENABLE ROW LEVEL SECURITY`);
    const before = problems(await check(database, role));
    expect(before.map((finding) => [finding.status, finding.name, finding.object])).toEqual([
      ['fail', 'replication_role_missing', null],
      ['fail', 'replication_role_missing', null],
      ['fail', 'select_missing', 's"1.bare'],
      ['fail', 'select_missing', 's"1.keyed'],
      ['fail', 'select_missing', 's"1.policed'],
      ['fail', 'publication_not_allowed', null],
    ]);
    // Policies only show once the table may be read.
    for (let round = 0; round < 3; round += 1) {
      for (const finding of problems(await check(database, role))) {
        const statement = finding.fix.replace(/; \(.*$/, ';');
        // Publications that exist by now need no second CREATE.
        await database.query(statement).catch((error: unknown) => {
          if (!String(error).includes('already exists')) throw error;
        });
      }
      if (round === 0)
        await database.query(`DROP PUBLICATION ${NAMES.publications.full}; DROP PUBLICATION ${NAMES.publications.insertOnly}`);
    }
    expect(problems(await check(database, role))).toEqual([]);
  });

  test('tells what arrives of a table without an identity, and what would help', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE TABLE public.bare (id int);
      CREATE TABLE public.nothing (id int PRIMARY KEY); ALTER TABLE public.nothing REPLICA IDENTITY NOTHING;
      CREATE TABLE public.root (id int) PARTITION BY LIST (id);
      CREATE TABLE public.mixed (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE public.leaf PARTITION OF public.mixed DEFAULT;
      ALTER TABLE public.leaf REPLICA IDENTITY NOTHING`);
    const found = problems(await check(database));
    expect(Object.fromEntries(found.map((finding) => [finding.object, finding.fix]))).toEqual({
      'public.bare': 'ALTER TABLE "public"."bare" REPLICA IDENTITY FULL; (or, cheaper for the source: ADD PRIMARY KEY)',
      'public.mixed': 'ALTER TABLE "public"."leaf" REPLICA IDENTITY DEFAULT;',
      'public.nothing': 'ALTER TABLE "public"."nothing" REPLICA IDENTITY DEFAULT;',
      'public.root': 'ALTER TABLE "public"."root" ADD PRIMARY KEY (…);',
    });
    expect(new Set(found.map((finding) => `${finding.status} ${finding.name}`))).toEqual(new Set(['warn identity_missing']));
  });

  test('warns when new tables will not be readable, and not once the owner grants them by default', async () => {
    const database = await pg.source.createDatabase();
    const owner = await pg.source.createRole();
    const reader = await pg.source.createRole({ attributes: 'LOGIN REPLICATION' });
    await database.query(`
      CREATE SCHEMA s AUTHORIZATION ${quoteIdent(owner.name)}; SET ROLE ${quoteIdent(owner.name)};
      CREATE TABLE s.t (id int PRIMARY KEY); GRANT USAGE ON SCHEMA s TO ${quoteIdent(reader.name)};
      GRANT SELECT ON s.t TO ${quoteIdent(reader.name)}; RESET ROLE`);
    await ensurePublications(
      await database.open(),
      NAMES.publications,
      wantedTables((await readTables(await database.open(), { schemas: null })).tables),
    );
    const before = problems(await check(database, reader, true));
    expect(before.map((finding) => [finding.status, finding.name])).toEqual([
      ['warn', 'publication_not_allowed'],
      ['warn', 'select_missing'],
    ]);
    await database.query(before[1]?.fix ?? '');
    expect(problems(await check(database, reader, true)).map((finding) => finding.name)).toEqual(['publication_not_allowed']);
    expect(problems(await check(database, reader, false))).toEqual([]);
  });

  test('warns of a partition that can not be read by its own name', async () => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole({ attributes: 'LOGIN REPLICATION' });
    await database.query(`
      CREATE TABLE public.root (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE public.leaf PARTITION OF public.root DEFAULT;
      GRANT SELECT ON public.root TO ${quoteIdent(role.name)}`);
    const found = problems(await check(database, role)).filter((finding) => finding.object !== null);
    expect(found).toMatchObject([
      { name: 'select_missing', object: 'public.root', fix: `GRANT SELECT ON "public"."leaf" TO "${role.name}";` },
    ]);
  });

  test('sees the transactions that would delay a slot, prepared ones too', async () => {
    const database = await pg.source.createDatabase();
    await database.query('CREATE TABLE public.t (id int PRIMARY KEY)');
    const writer = await database.open();
    await writer.query("BEGIN; INSERT INTO public.t VALUES (1); PREPARE TRANSACTION 'forgotten'");
    await writer.query('BEGIN; INSERT INTO public.t VALUES (2)');
    const reader = await database.open();
    await reader.query('BEGIN; SELECT id FROM public.t');
    const { longTransactions } = await readSourceFacts(await database.open(), NAMES.slot, -1);
    const here = longTransactions.filter((transaction) => transaction.database === database.name);
    expect(new Set(here.map(({ pid, gid }) => gid ?? pid))).toEqual(new Set([writer.backendPid, 'forgotten']));
    await writer.query('ROLLBACK');
    await writer.query("ROLLBACK PREPARED 'forgotten'");
    await reader.query('ROLLBACK');
  });

  test('sees a slot of its own as enough when no other is free, and wal_level when it is too low', async () => {
    const { cluster } = await pg.ownCluster({ settings: { wal_level: 'replica', max_replication_slots: '1', max_wal_senders: '1' } });
    const database = await cluster.createDatabase();
    await database.query('CREATE TABLE public.t (id int PRIMARY KEY)');
    await database.query("SELECT pg_catalog.pg_create_physical_replication_slot('taken')");
    const found = problems(await check(database));
    expect(found.map((finding) => finding.name)).toEqual(['wal_level_not_logical', 'no_free_slot']);
    await database.query("SELECT pg_catalog.pg_drop_replication_slot('taken')");
    await database.query('SELECT pg_catalog.pg_create_physical_replication_slot($1)', [NAMES.slot]);
    expect(problems(await check(database)).map((finding) => finding.name)).toEqual(['wal_level_not_logical']);
    // A sender that is taken while we look: the real connection says so.
    const holder = await database.open({ replication: 'database' });
    await waitFor('the sender', async () => (await database.query('SELECT pid FROM pg_catalog.pg_stat_replication')).length === 1);
    expect(problems(await check(database)).map((finding) => finding.name)).toContain('no_free_sender');
    await holder.close();
  });
});
