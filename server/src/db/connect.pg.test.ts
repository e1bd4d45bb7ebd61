// Every session must read and print values alike, whatever role, database and server defaults say; and a query's rows must stay text.
import { describe, expect, test } from 'vitest';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { quoteIdent, quoteLiteral } from '../pg/ident.ts';
import { connect, PINNED_SETTINGS } from './connect.ts';

const pg = usePostgres();

/** Settings that an administrator may have given a role, each of which would change values, names or how long a session lives. */
const HOSTILE: Readonly<Record<string, string>> = {
  datestyle: 'German, DMY',
  timezone: 'Asia/Kathmandu',
  intervalstyle: 'sql_standard',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  array_nulls: 'off',
  xmloption: 'document',
  search_path: 'evil, pg_catalog',
  quote_all_identifiers: 'on',
  lc_monetary: 'en_US.UTF-8',
  client_encoding: 'LATIN1',
  row_security: 'on',
  default_transaction_read_only: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  statement_timeout: '1',
  lock_timeout: '1',
  idle_in_transaction_session_timeout: '1',
  synchronous_commit: 'off',
  client_min_messages: 'debug5',
  transform_null_equals: 'on',
};

describe('connect', () => {
  test.each([
    ['a query session', undefined],
    ['a replication session', 'database' as const],
  ])('gives %s the pinned settings, against the defaults of a hostile role', async (_name, replication) => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole({ attributes: 'LOGIN REPLICATION' });
    const hostile = pg.source.major >= 17 ? { ...HOSTILE, transaction_timeout: '1000' } : HOSTILE;
    for (const [name, value] of Object.entries(hostile)) {
      if (name === 'lc_monetary' && !(await hasLocale(value))) continue;
      await database.query(`ALTER ROLE ${quoteIdent(role.name)} SET ${name} = ${quoteLiteral(value)}`);
    }
    if (pg.source.major >= 14) await database.query(`ALTER ROLE ${quoteIdent(role.name)} SET idle_session_timeout = 1000`);
    const session = await database.open({ role, ...(replication === undefined ? {} : { replication }) });
    const rows = await session.query('SELECT name, setting FROM pg_catalog.pg_settings');
    const settings = new Map(rows.map(([name, setting]) => [name?.toLowerCase(), setting]));
    const found = Object.fromEntries(Object.keys(PINNED_SETTINGS).map((name) => [name, settings.get(name)]));
    expect(found).toEqual(PINNED_SETTINGS);
    expect(settings.get('client_encoding')).toBe('UTF8');
    expect(settings.get('statement_timeout')).toBe('0');
    expect(settings.get('lock_timeout')).toBe('0');
    expect(settings.get('synchronous_commit')).toBe('on');
    expect(settings.get('idle_session_timeout') ?? '0').toBe('0');
    expect(settings.get('transaction_timeout') ?? '0').toBe('0');
    await database.closeSessions();
    await session.close();
  });

  test('leaves a stronger synchronous_commit as the administrator set it', async () => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole();
    await database.query(`ALTER ROLE ${quoteIdent(role.name)} SET synchronous_commit = 'local'`);
    const session = await database.open({ role });
    expect(await session.query('SHOW synchronous_commit')).toEqual([['local']]);
  });

  test('prints and reads values the same for a hostile role as for any other', async () => {
    const database = await pg.source.createDatabase();
    const role = await pg.source.createRole();
    const values = `SELECT DATE '2001-02-03', TIMESTAMPTZ '2001-02-03 04:05:06+00', INTERVAL '1 day -2:03', 0.1::float8 + 0.2::float8,
      'ab'::bytea, '{NULL,a}'::text[], CAST('<a/>text' AS xml), 'public.x'::text`;
    const plain = await (await database.open({ role })).query(values);
    for (const [name, value] of Object.entries(HOSTILE)) {
      if (name === 'lc_monetary' && !(await hasLocale(value))) continue;
      await database.query(`ALTER ROLE ${quoteIdent(role.name)} SET ${name} = ${quoteLiteral(value)}`);
    }
    const session = await database.open({ role });
    expect(await session.query(values)).toEqual(plain);
    expect(await session.query(values, [])).toEqual(plain);
  });

  test('takes settings of its purpose, with any white space in them', async () => {
    const database = await pg.source.createDatabase();
    const session = await database.open({ settings: { 'millrace.note': 'a\tb\\c  d' }, statementTimeoutMs: 1234, lockTimeoutMs: 567 });
    expect(
      await session.query("SELECT current_setting('millrace.note'), current_setting('statement_timeout'), current_setting('lock_timeout')"),
    ).toEqual([['a\tb\\c  d', '1234ms', '567ms']]);
  });

  test.each(['allow', 'prefer'] as const)('with sslmode %s goes on without TLS where the server has none', async (mode) => {
    const database = await pg.source.createDatabase();
    const settings = database.settings();
    const session = await connect({ ...settings, ssl: { ...settings.ssl, mode } }, { applicationName: 'test', side: 'source' });
    expect(await session.query('SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()')).toEqual([['f']]);
    await session.close();
  });

  test('with sslmode require never does', async () => {
    const settings = (await pg.source.createDatabase()).settings();
    const required = { ...settings, ssl: { ...settings.ssl, mode: 'require' as const } };
    await expect(connect(required, { applicationName: 'test', side: 'source' })).rejects.toMatchObject({
      errorName: 'connection_settings_rejected',
    });
  });

  test('names a sender that is not free', async () => {
    const { cluster } = await pg.ownCluster({ settings: { max_wal_senders: '1' } });
    const database = await cluster.createDatabase();
    const holder = await database.open({ replication: 'database' });
    await holder.query('IDENTIFY_SYSTEM');
    const second = connect(database.settings(), { applicationName: 'test', side: 'source', replication: 'database' });
    await expect(second).rejects.toMatchObject({ errorName: 'no_free_sender', facts: { sqlstate: '53300' } });
    await holder.close();
  });

  test('names the mistake, and leaves no socket', async () => {
    const database = await pg.source.createDatabase();
    const settings = database.settings();
    const purpose = { applicationName: 'test', side: 'source' } as const;
    await expect(connect({ ...settings, database: 'no such' }, purpose)).rejects.toMatchObject({ errorName: 'database_missing' });
    await expect(connect({ ...settings, port: 1 }, purpose)).rejects.toMatchObject({ errorName: 'connection_failed' });
    await expect(connect({ ...settings, user: 'nobody' }, purpose)).rejects.toMatchObject({ errorName: 'authentication_failed' });
  });
});

describe('a query of a session', () => {
  test('keeps every value as text, with either protocol', async () => {
    const database = await pg.source.createDatabase();
    const sql = `SELECT 1::int8, 1.50::numeric, true, NULL, '{1,2}'::int4[], DATE '2020-01-01', '{"a":1}'::jsonb, 'x'::bytea, '' AS "__proto__"`;
    const text = [['1', '1.50', 't', null, '{1,2}', '2020-01-01', '{"a": 1}', '\\x78', '']];
    expect(await database.query(sql)).toEqual(text);
    expect(await database.query(sql, [])).toEqual(text);
  });

  test('sends parameters as they are, and refuses a second statement when it has any', async () => {
    const database = await pg.source.createDatabase();
    const values = ['a\'"\\', 9007199254740993n, true, null, ['x', 'a,"b', '']] as const;
    expect(await database.query('SELECT $1::text, $2::int8, $3::bool, $4::text, $5::text[]', values)).toEqual([
      ['a\'"\\', '9007199254740993', 't', null, '{x,"a,\\"b",""}'],
    ]);
    await expect(database.query('SELECT 1; SELECT 2', [])).rejects.toMatchObject({ facts: { sqlstate: '42601' } });
    expect(await database.query('SELECT 1; SELECT 2')).toEqual([]);
  });

  test('reports a lost connection as such, to the one that waits and to the next', async () => {
    const database = await pg.source.createDatabase();
    const session = await database.open();
    const sleeping = session.query('SELECT pg_catalog.pg_sleep(600)');
    const seen = sleeping.catch((error: unknown) => error);
    await database.query('SELECT pg_catalog.pg_terminate_backend($1)', [session.backendPid]);
    expect(await seen).toMatchObject({ errorName: 'connection_lost', facts: { sqlstate: '57P01' } });
    await expect(session.query('SELECT 1')).rejects.toMatchObject({ errorName: 'connection_lost' });
    await expect(session.transaction('BEGIN', () => session.query('SELECT 1'))).rejects.toMatchObject({ errorName: 'connection_lost' });
  });

  test('rolls its transaction back when the work throws', async () => {
    const database = await pg.source.createDatabase();
    const session = await database.open();
    await session.query('CREATE TABLE public.t (n int)');
    const work = session.transaction('BEGIN', async () => {
      await session.query('INSERT INTO public.t VALUES (1)');
      throw new Error('changed my mind');
    });
    await expect(work).rejects.toThrow('changed my mind');
    expect(await session.query('SELECT n FROM public.t')).toEqual([]);
  });
});

async function hasLocale(name: string): Promise<boolean> {
  return pg.source.query(`SET lc_monetary = ${quoteLiteral(name)}`).then(
    () => true,
    () => false,
  );
}
