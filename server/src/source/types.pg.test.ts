import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/pg/test-database.ts';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import type { SourceType } from '../model/table.ts';
import { readTables } from './catalog.ts';
import { columnTypeOids, readTypes } from './types.ts';

const pg = usePostgres();

async function typesByName(database: TestDatabase): Promise<ReadonlyMap<string, SourceType>> {
  const session = await database.open();
  const { tables } = await readTables(session, { schemas: null });
  const types = await readTypes(session, columnTypeOids(tables));
  return new Map([...types.values()].map((type) => [type.name, type]));
}

describe('reading the types that columns are made of', () => {
  test('follows a domain over an array of composites down to the last built-in', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE SCHEMA "t'ypes";
      CREATE TYPE "t'ypes"."Mood" AS ENUM ('ok', 'it''s "bad"', E'new\\nline', '');
      CREATE TYPE "t'ypes".inner AS ("a b" numeric(6,2), mood "t'ypes"."Mood"[]);
      CREATE DOMAIN "t'ypes".list AS "t'ypes".inner[] CHECK (pg_catalog.cardinality(VALUE) < 9);
      CREATE DOMAIN "t'ypes".short AS varchar(7);
      CREATE TABLE public.t (a "t'ypes".list, b "t'ypes".short)`);
    const types = await typesByName(database);
    expect(types.get('list')).toMatchObject({ schema: "t'ypes", kind: 'domain', elementOid: types.get('_inner')?.oid, elementTypmod: -1 });
    expect(types.get('_inner')).toMatchObject({ kind: 'array', elementOid: types.get('inner')?.oid });
    expect(types.get('inner')).toMatchObject({ kind: 'composite', isTableRow: false, extension: null, hasBinary: true });
    expect(types.get('inner')?.attributes).toEqual([
      { name: 'a b', typeOid: types.get('numeric')?.oid, typmod: 393222, formatted: 'numeric(6,2)' },
      { name: 'mood', typeOid: types.get('_Mood')?.oid, typmod: -1, formatted: '"t\'ypes"."Mood"[]' },
    ]);
    expect(types.get('Mood')).toMatchObject({ kind: 'enum', enumLabels: ['ok', 'it\'s "bad"', 'new\nline', ''] });
    expect(types.get('short')).toMatchObject({ kind: 'domain', elementOid: types.get('varchar')?.oid, elementTypmod: 11 });
    expect(types.get('numeric')).toMatchObject({ schema: 'pg_catalog', kind: 'base', elementOid: 0 });
  });

  test('reads enum labels in their order, not in the order in which they were added', async () => {
    const database = await pg.source.createDatabase();
    await database.query("CREATE TYPE public.e AS ENUM ('b', 'd')");
    await database.query("ALTER TYPE public.e ADD VALUE 'c' BEFORE 'd'");
    await database.query("ALTER TYPE public.e ADD VALUE 'a' BEFORE 'b'; CREATE TABLE public.t (e public.e)");
    expect((await typesByName(database)).get('e')?.enumLabels).toEqual(['a', 'b', 'c', 'd']);
  });

  test('says how a range orders its bounds', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE TYPE public.plain AS RANGE (SUBTYPE = text);
      CREATE TYPE public.odd AS RANGE (SUBTYPE = text, SUBTYPE_OPCLASS = pg_catalog.text_pattern_ops, COLLATION = "C");
      CREATE TABLE public.t (p public.plain, o public.odd, i int4range)`);
    const types = await typesByName(database);
    expect(types.get('plain')).toMatchObject({
      kind: 'range',
      elementOid: types.get('text')?.oid,
      range: { hasCanonical: false, operatorClass: null, collation: null },
    });
    expect(types.get('odd')?.range).toEqual({
      hasCanonical: false,
      operatorClass: { schema: 'pg_catalog', name: 'text_pattern_ops' },
      collation: { schema: 'pg_catalog', name: 'C' },
    });
    expect(types.get('int4range')?.range?.hasCanonical).toBe(true);
  });

  test.skipIf(pg.source.major < 14)('leads from a multirange to its range', async () => {
    const database = await pg.source.createDatabase();
    await database.query(
      'CREATE TYPE public.r AS RANGE (SUBTYPE = float8, MULTIRANGE_TYPE_NAME = public.mr); CREATE TABLE public.t (m public.mr)',
    );
    const types = await typesByName(database);
    expect(types.get('mr')).toMatchObject({ kind: 'multirange', elementOid: types.get('r')?.oid });
    expect(types.get('r')).toMatchObject({ kind: 'range', elementOid: types.get('float8')?.oid });
  });

  test('knows what an extension owns and which composite is the row of a table', async () => {
    const database = await pg.source.createDatabase();
    await database.query(`
      CREATE EXTENSION hstore SCHEMA public;
      CREATE TABLE public.other (a int);
      CREATE TABLE public.t (h public.hstore, r public.other, v oidvector, p point)`);
    const types = await typesByName(database);
    expect(types.get('hstore')).toMatchObject({ extension: 'hstore', kind: 'base' });
    expect(types.get('other')).toMatchObject({ kind: 'composite', isTableRow: true });
    // Both have a typelem, and neither is an array type in the sense of ARRAY[…].
    expect(types.get('oidvector')).toMatchObject({ kind: 'base', elementOid: 0 });
    expect(types.get('point')).toMatchObject({ kind: 'base', elementOid: 0 });
    expect(types.get('float8')).toBeUndefined();
  });

  test('reads every type of the server', async () => {
    const database = await pg.source.createDatabase();
    const rows = await database.query('SELECT oid FROM pg_catalog.pg_type');
    const oids = rows.map((row) => Number(row[0]));
    const types = await readTypes(await database.open(), oids);
    expect(types.size).toBe(oids.length);
  });
});
