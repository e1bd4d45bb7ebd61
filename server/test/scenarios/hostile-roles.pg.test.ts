// Roles with no more than they need, tables of others, and policies that would hide rows.
import { expect, test } from 'vitest';
import { quoteIdent } from '../../src/pg/ident.ts';
import { usePostgres } from '../pg/use-postgres.ts';
import { expectEqual, table, untilEqual } from '../pipeline/compare.ts';
import { asRoles, grantTables, roledEnds } from '../pipeline/roles.ts';
import { startWatched, watchOnce } from '../pipeline/watched.ts';
import { PLAIN_OBJECT } from '../../src/app/config/settings.ts';

const pg = usePostgres();

const SLOTS = 'SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = pg_catalog.current_database()';

test('CONNECT, USAGE, SELECT, REPLICATION and the ownership of the tables suffice', async () => {
  const ends = await roledEnds(pg);
  const { source, reader } = ends;
  await source.query(
    'CREATE TABLE public.t (id int PRIMARY KEY, n int); CREATE TABLE public.p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE public.p1 PARTITION OF public.p DEFAULT',
  );
  await source.query('INSERT INTO public.t VALUES (1, 1), (2, 2); INSERT INTO public.p VALUES (1)');
  await grantTables(source, reader, { owned: true });
  expect((await watchOnce(ends, asRoles(ends))).complaints).toEqual([]);
  await source.query('UPDATE public.t SET n = 3 WHERE id = 1; DELETE FROM public.t WHERE id = 2; INSERT INTO public.p VALUES (2)');
  expect((await watchOnce(ends, asRoles(ends))).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'), table('public.p'));
  await source.dropSlots();
});

test('without ownership the error has the statements to paste; an administrator runs them, and then it works', async () => {
  const ends = await roledEnds(pg);
  const { source, reader } = ends;
  await source.query(
    'CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.unkeyed (n int); INSERT INTO public.t VALUES (1); INSERT INTO public.unkeyed VALUES (1)',
  );
  await grantTables(source, reader, { owned: false });
  const refused = await watchOnce(ends, asRoles(ends)).catch((error: unknown) => error as { errorName: string; fix: string });
  expect(refused).toMatchObject({ errorName: 'publication_not_allowed', fix: expect.stringMatching(/^CREATE PUBLICATION/) });
  expect(await source.query(SLOTS)).toEqual([]);
  if (!('fix' in refused)) throw new Error('expected an error');
  await source.query(refused.fix);
  expect((await watchOnce(ends, asRoles(ends))).complaints).toEqual([]);
  await source.query(
    'INSERT INTO public.t VALUES (2); UPDATE public.t SET id = 3 WHERE id = 1; INSERT INTO public.unkeyed VALUES (2); UPDATE public.unkeyed SET n = 1 WHERE n = 5',
  );
  expect((await watchOnce(ends, asRoles(ends))).complaints).toEqual([]);
  await expectEqual(ends, table('public.t'), table('public.unkeyed'));
  await source.dropSlots();
});

test('a new table of somebody else is refused alone, and comes in when an administrator publishes it', async () => {
  const ends = await roledEnds(pg);
  const { source, reader } = ends;
  await source.query('CREATE TABLE public.t (id int PRIMARY KEY)');
  await grantTables(source, reader, { owned: true });
  const pipeline = startWatched(ends, asRoles(ends));
  await pipeline.seen.until('public.t', 'streaming');
  await source.query(
    `CREATE TABLE public.foreign_owned (id int PRIMARY KEY); GRANT SELECT ON public.foreign_owned TO ${quoteIdent(reader.name)}; INSERT INTO public.foreign_owned VALUES (1)`,
  );
  await pipeline.seen.until('public.foreign_owned', 'ineligible');
  await source.query('INSERT INTO public.t VALUES (1)');
  await untilEqual(ends, table('public.t'));
  const reason = pipeline.seen.reason('public.foreign_owned');
  expect([reason?.errorName, reason?.fix]).toEqual([
    'publication_not_allowed',
    expect.stringMatching(/^ALTER PUBLICATION .* ADD TABLE ONLY "public"."foreign_owned";$/),
  ]);
  await source.query(reason?.fix ?? '');
  await pipeline.seen.until('public.foreign_owned', 'streaming');
  await untilEqual(ends, table('public.foreign_owned'));
  await pipeline.stop();
  await source.dropSlots();
});

test('a table without SELECT, and one in a schema without USAGE, are left out; a later grant brings them in', async () => {
  const ends = await roledEnds(pg);
  const { source, reader } = ends;
  await source.query(
    'CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.secret (id int PRIMARY KEY); INSERT INTO public.secret VALUES (1)',
  );
  await source.query('CREATE SCHEMA closed; CREATE TABLE closed.t (id int PRIMARY KEY)');
  await grantTables(source, reader, { owned: false });
  const name = quoteIdent(reader.name);
  await source.query(
    `REVOKE SELECT ON public.secret FROM ${name}; ALTER TABLE public.t OWNER TO ${name}; GRANT CREATE ON DATABASE ${quoteIdent(source.name)} TO ${name}`,
  );
  const objects = [
    ['public', 'secret'],
    ['closed', 't'],
  ].map(([schema = '', table = '']) => ({ ...PLAIN_OBJECT, schema, name: table }));
  const seen = await watchOnce(ends, { ...asRoles(ends), objects });
  expect(seen.all('streaming')).toEqual(['public.t']);
  expect(seen.reason('public.secret')).toMatchObject({ errorName: 'select_missing', fix: `GRANT SELECT ON "public"."secret" TO ${name};` });
  expect(seen.reason('closed.t')).toMatchObject({
    errorName: 'select_missing',
    fix: expect.stringContaining('GRANT USAGE ON SCHEMA "closed"'),
  });
  await source.query(`GRANT SELECT ON public.secret TO ${name}; ALTER TABLE public.secret OWNER TO ${name}`);
  await watchOnce(ends, { ...asRoles(ends), objects });
  await expectEqual(ends, table('public.secret'));
  await source.dropSlots();
});

test('row-level security that would hide rows is refused loudly, and the other tables go on', async () => {
  const ends = await roledEnds(pg);
  const { source, reader } = ends;
  await source.query(`
    CREATE TABLE public.t (id int PRIMARY KEY);
    CREATE TABLE public.hidden (id int PRIMARY KEY, who text);
    ALTER TABLE public.hidden ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON public.hidden USING (who = CURRENT_USER::pg_catalog.text);
    INSERT INTO public.hidden VALUES (1, 'somebody'), (2, '${reader.name}'); INSERT INTO public.t VALUES (1)`);
  await grantTables(source, reader, { owned: true });
  await source.query('ALTER TABLE public.hidden FORCE ROW LEVEL SECURITY');
  const seen = await watchOnce(ends, asRoles(ends));
  expect(seen.reason('public.hidden')).toMatchObject({
    errorName: 'row_level_security',
    fix: `ALTER ROLE ${quoteIdent(reader.name)} WITH BYPASSRLS;`,
  });
  await expectEqual(ends, table('public.t'));
  await pg.source.query(seen.reason('public.hidden')?.fix ?? '');
  expect((await watchOnce(ends, asRoles(ends))).complaints).toEqual([]);
  await expectEqual(ends, table('public.hidden'));
  await source.dropSlots();
});

test('row-level security that is turned on while the table streams hides nothing unseen', async () => {
  const ends = await roledEnds(pg);
  const { source, reader } = ends;
  await source.query('CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t VALUES (1)');
  await grantTables(source, reader, { owned: true });
  const pipeline = startWatched(ends, asRoles(ends));
  await pipeline.seen.until('public.t', 'streaming');
  await source.query(
    'ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; ALTER TABLE public.t FORCE ROW LEVEL SECURITY; INSERT INTO public.t VALUES (2)',
  );
  await pipeline.seen.until('public.t', 'ineligible');
  expect(pipeline.seen.reason('public.t')?.errorName).toBe('row_level_security');
  await pipeline.stop();
  await source.dropSlots();
});
