import { describe, expect, test } from 'vitest';
import { createAll, makePair, planPair } from '../../test/destination/pair.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import type { Finding } from '../model/finding.ts';
import { checkDestination, typeFindings } from './checks.ts';

const pg = usePostgres();
const OBJECT = { source: { schema: 'public', name: 't' }, destination: { schema: 'd"w', name: 't' } };
const use = { pipeline: 'p', objects: [OBJECT] };

const problems = (findings: readonly Finding[]): readonly Finding[] => findings.filter((finding) => finding.status !== 'pass');

describe('the preflight of a destination', () => {
  test('finds nothing wrong with a role that may create schemas', async () => {
    const database = await pg.destination.createDatabase();
    const role = await pg.destination.createRole();
    await database.query(`GRANT CREATE ON DATABASE "${database.name}" TO "${role.name}"`);
    const findings = await checkDestination(await database.open({ role }), use);
    expect(problems(findings)).toEqual([]);
    expect(findings.length).toBeGreaterThan(6);
    await database.query(`DROP OWNED BY "${role.name}"`);
  });

  test('gives the statements that make a bare role fit, and they work', async () => {
    const database = await pg.destination.createDatabase({ suffix: ' "q"' });
    const quoted = `"${database.name.replaceAll('"', '""')}"`;
    await database.query(`REVOKE TEMPORARY ON DATABASE ${quoted} FROM PUBLIC; CREATE SCHEMA "d""w"; CREATE SCHEMA _millrace`);
    const role = await pg.destination.createRole();
    const session = await database.open({ role });
    const failed = problems(await checkDestination(session, use));
    expect(failed.map((finding) => [finding.status, finding.name])).toEqual(
      Array.from({ length: 3 }, () => ['fail', 'destination_schema_denied']),
    );
    for (const finding of failed) await database.query(finding.fix);
    expect(problems(await checkDestination(session, use))).toEqual([]);
    await database.query(`DROP OWNED BY "${role.name}"`);
  });

  test('warns of a superuser, a read-only default and a narrow encoding', async () => {
    const database = await pg.destination.createDatabase({ encoding: 'LATIN1' });
    await database.query(`ALTER DATABASE "${database.name}" SET default_transaction_read_only = on`);
    const findings = problems(await checkDestination(await database.open(), use));
    expect(findings.map((finding) => [finding.status, finding.name])).toEqual([
      ['warn', 'destination_read_only'],
      ['warn', 'destination_encoding'],
      ['warn', 'role_too_powerful'],
    ]);
  });

  test('names a table that stands in the way, and not one that is ours', async () => {
    const databases = await makePair(pg);
    await databases.source.query('CREATE TABLE public.t (x int); CREATE TABLE public.u (x int)');
    const plans = await planPair(databases);
    await createAll(databases.session, new Map([...plans].filter(([name]) => name === 't')));
    await databases.destination.query('CREATE TABLE public.u (mine int)');
    const objects = ['t', 'u'].map((name) => ({ source: { schema: 'public', name }, destination: { schema: 'public', name } }));
    const found = problems(await checkDestination(databases.session, { pipeline: 'p', objects })).filter(
      (finding) => finding.status === 'fail',
    );
    expect(found).toMatchObject([{ name: 'destination_table_exists', object: 'public.u', code: '2023' }]);
    const stranger = problems(await checkDestination(databases.session, { pipeline: 'other', objects })).filter(
      (finding) => finding.status === 'fail',
    );
    expect(stranger.map((finding) => finding.object)).toEqual(['public.t', 'public.u']);
  });

  test('fails on a state of a newer version', async () => {
    const databases = await makePair(pg);
    await createAll(databases.session, new Map());
    await databases.destination.query('INSERT INTO _millrace.version (version) VALUES (99)');
    expect(problems(await checkDestination(databases.session, use))).toContainEqual(
      expect.objectContaining({ status: 'fail', name: 'state_unreadable' }),
    );
  });

  test('changes nothing', async () => {
    const database = await pg.destination.createDatabase();
    await checkDestination(await database.open(), use);
    expect(await database.query("SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname IN ('_millrace', 'd\"w')")).toEqual([]);
  });
});

describe('findings about types', () => {
  test('name the object, the column and the way out', async () => {
    const databases = await makePair(pg);
    await databases.source.query('CREATE EXTENSION citext SCHEMA public; CREATE TABLE public.t (a public.citext, b pg_node_tree)');
    const plans = [...(await planPair(databases)).values()];
    const findings = typeFindings(
      plans.flatMap((plan) => (plan.kind === 'refused' ? [{ source: plan.source, problems: plan.problems }] : [])),
    );
    expect(findings).toMatchObject([
      {
        status: 'fail',
        name: 'type_missing',
        code: '2024',
        object: 'public.t',
        fix: 'CREATE EXTENSION citext;',
        cause: expect.stringContaining('"a"'),
      },
      { status: 'fail', name: 'type_refused', code: '2025', object: 'public.t', cause: expect.stringContaining('pg_node_tree') },
    ]);
    expect(typeFindings([])).toMatchObject([{ status: 'pass' }]);
  });
});
