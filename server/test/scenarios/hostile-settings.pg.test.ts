// Whatever administrators or attackers set as a role's or a database's default, at either end: the data is the same.
import { expect, test } from 'vitest';
import { quoteIdent } from '../../src/pg/ident.ts';
import type { TestCluster } from '../pg/test-cluster.ts';
import type { TestDatabase, TestRole } from '../pg/test-database.ts';
import { usePostgres } from '../pg/use-postgres.ts';
import { expectEqual, table } from '../pipeline/compare.ts';
import { asRoles, grantTables, roledEnds } from '../pipeline/roles.ts';
import { watchOnce } from '../pipeline/watched.ts';

const pg = usePostgres();

/** Each alone would change what a session prints, reads or may do. `since`: the first version that knows the setting. */
const HOSTILE: readonly { readonly name: string; readonly value: string; readonly since?: number }[] = [
  { name: 'DateStyle', value: "'SQL, DMY'" },
  { name: 'TimeZone', value: "'Australia/Lord_Howe'" },
  { name: 'IntervalStyle', value: "'sql_standard'" },
  { name: 'extra_float_digits', value: '-15' },
  { name: 'bytea_output', value: "'escape'" },
  { name: 'search_path', value: 'attack, public, pg_catalog' },
  { name: 'statement_timeout', value: '1' },
  { name: 'lock_timeout', value: '1' },
  { name: 'idle_in_transaction_session_timeout', value: '1' },
  { name: 'idle_session_timeout', value: '300', since: 14 },
  { name: 'transaction_timeout', value: '300', since: 17 },
  { name: 'default_transaction_read_only', value: 'on' },
  { name: 'default_transaction_isolation', value: "'serializable'" },
  { name: 'default_transaction_deferrable', value: 'on' },
  { name: 'row_security', value: 'on' },
  { name: 'xmloption', value: 'document' },
  { name: 'xmlbinary', value: "'hex'" },
  { name: 'lc_monetary', value: "'C.UTF-8'" },
  { name: 'lc_numeric', value: "'C.UTF-8'" },
  { name: 'lc_time', value: "'C.UTF-8'" },
  { name: 'client_encoding', value: "'LATIN1'" },
  { name: 'client_min_messages', value: 'debug1' },
  { name: 'standard_conforming_strings', value: 'off' },
  { name: 'backslash_quote', value: 'on' },
  { name: 'escape_string_warning', value: 'on' },
  { name: 'array_nulls', value: 'off' },
  { name: 'transform_null_equals', value: 'on' },
  { name: 'quote_all_identifiers', value: 'on' },
  { name: 'synchronize_seqscans', value: 'on' },
  { name: 'check_function_bodies', value: 'off' },
  { name: 'default_text_search_config', value: "'pg_catalog.german'" },
  { name: 'enable_indexscan', value: 'off' },
  { name: 'force_parallel_mode', value: 'on' },
  { name: 'debug_parallel_query', value: 'on', since: 16 },
  { name: 'plan_cache_mode', value: 'force_generic_plan' },
  { name: 'work_mem', value: "'64kB'" },
  { name: 'exit_on_error', value: 'on' },
];

/** Functions, operators and types of the names that catalogue queries use, in front of the real ones; each leaves a trace. */
const ATTACK = `
  CREATE SCHEMA attack; CREATE TABLE attack.trace (what text); GRANT ALL ON SCHEMA attack, public TO PUBLIC; GRANT INSERT ON attack.trace TO PUBLIC;
  CREATE FUNCTION attack.note(what text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN INSERT INTO attack.trace VALUES (what); RETURN what; END $$;
  CREATE FUNCTION attack.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT attack.note('current_setting') $$;
  CREATE FUNCTION attack.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT attack.note('set_config') $$;
  CREATE FUNCTION attack.format_type(oid, int) RETURNS text LANGUAGE sql AS $$ SELECT attack.note('format_type') $$;
  CREATE FUNCTION attack.md5(text) RETURNS text LANGUAGE sql AS $$ SELECT attack.note('md5') $$;
  CREATE FUNCTION attack.now() RETURNS text LANGUAGE sql AS $$ SELECT attack.note('now') $$;
  CREATE FUNCTION attack.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT attack.note('lower') $$;
  CREATE FUNCTION attack.texteq(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT attack.note('texteq') IS NULL $$;
  CREATE FUNCTION attack.int4eq(int, int) RETURNS boolean LANGUAGE sql AS $$ SELECT attack.note('int4eq') IS NULL $$;
  CREATE FUNCTION attack.oideq(oid, oid) RETURNS boolean LANGUAGE sql AS $$ SELECT attack.note('oideq') IS NULL $$;
  CREATE OPERATOR attack.= (LEFTARG = text, RIGHTARG = text, FUNCTION = attack.texteq);
  CREATE OPERATOR attack.= (LEFTARG = int, RIGHTARG = int, FUNCTION = attack.int4eq);
  CREATE OPERATOR attack.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = attack.oideq);
  CREATE VIEW attack.pg_class AS SELECT attack.note('pg_class') AS relname;
  CREATE VIEW attack.pg_type AS SELECT attack.note('pg_type') AS typname;
  CREATE DOMAIN attack.text AS pg_catalog.text CHECK (attack.note(VALUE::pg_catalog.text) IS NULL);
  CREATE DOMAIN attack.int8 AS pg_catalog.int8 CHECK (attack.note('int8') IS NULL)`;

async function makeHostile(cluster: TestCluster, database: TestDatabase, role: TestRole): Promise<void> {
  await database.query(ATTACK);
  for (const { name, value, since = 13 } of HOSTILE) {
    if (cluster.major < since || (name === 'force_parallel_mode' && cluster.major >= 16)) continue;
    await database.query(`ALTER ROLE ${quoteIdent(role.name)} SET ${name} = ${value}`);
    await database.query(`ALTER DATABASE ${quoteIdent(database.name)} SET ${name} = ${value}`);
    await database.query(`ALTER ROLE ${quoteIdent(role.name)} IN DATABASE ${quoteIdent(database.name)} SET ${name} = ${value}`);
  }
}

const TABLE = `
  (id int PRIMARY KEY, d date, t timestamp, z timestamptz, i interval, f float8, r float4, b bytea, m money, x xml, a text[], s text, n numeric, ts tsvector)`;

function rows(from: number): string {
  return `
    INSERT INTO public.t VALUES
      (${from}, '2020-02-03', '2020-02-03 04:05:06.789', '2020-10-04 02:15:00+11', '-1 year 2 days -03:04:05.6', 0.1::float8 + 0.2, 1.1, '\\x00ff5c', 1234.56,
       '<a/>text', '{NULL,"NULL",a\\\\b}', E'back\\\\slash ''quote'' \\u00e9', 1.50, 'Häuser the'),
      (${from + 1}, 'infinity', '0044-03-15 BC', '-infinity', '1 mon', 1e-300, 'NaN', '', 0, '<?xml version="1.0"?><r/>', '{}', '', 'NaN', ''),
      (${from + 2}, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    INSERT INTO public.u TABLE public.t`;
}

test.each(['binary', 'text'])(
  'hostile defaults change nothing in a %s stream, and no function of an attacker is called',
  async (format) => {
    const ends = await roledEnds(pg);
    const { source, destination, reader, writer } = ends;
    const oid = format === 'text' ? ', kind regtype' : '';
    await source.query(
      `CREATE TABLE public.t ${TABLE.replace(/\)$/, '')}); CREATE TABLE public.u (LIKE public.t); ALTER TABLE public.u REPLICA IDENTITY FULL`,
    );
    if (oid !== '') await source.query('ALTER TABLE public.u ADD COLUMN kind regtype');
    await source.query(rows(1));
    await grantTables(source, reader, { owned: true });
    await makeHostile(pg.source, source, reader);
    await makeHostile(pg.destination, destination, writer);
    const first = await watchOnce(ends, asRoles(ends));
    expect(first.complaints.filter(isUnexpected)).toEqual([]);
    // The table has an interval.
    const mustBeText = pg.source.major >= 17 && pg.destination.major < 17;
    if (pg.source.major >= 14) expect(first.format).toBe(mustBeText ? 'text' : format);
    await expectEqual(ends, table('public.t'), table('public.u'));
    await source.query(rows(100));
    await source.query(
      'UPDATE public.t SET id = id + 1000 WHERE id < 3; UPDATE public.u SET a = NULL WHERE id = 100; DELETE FROM public.u WHERE id = 1; DELETE FROM public.t WHERE id = 101',
    );
    expect((await watchOnce(ends, asRoles(ends))).complaints.filter(isUnexpected)).toEqual([]);
    await expectEqual(ends, table('public.t'), table('public.u'));
    for (const side of [source, destination]) expect(await side.query('SELECT what FROM attack.trace')).toEqual([]);
    await source.dropSlots();
  },
);

/** The role may not read the attacker's own table, and is told so. */
function isUnexpected(complaint: string): boolean {
  return !complaint.startsWith('attack.trace: ');
}
