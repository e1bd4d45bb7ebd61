// The numbers of `TypeOid` are facts of the server's catalogue: ask it.
import { describe, expect, it } from 'vitest';
import { usePostgres } from '../../test/pg/use-postgres.ts';
import { isRegType, isSameOnEveryServer, TypeOid } from './oid.ts';

const pg = usePostgres();

describe('type OIDs', () => {
  it('are those of the catalogue', async () => {
    const wanted = Object.entries(TypeOid).map(([name, oid]) => [catalogueName(name), String(oid)]);
    const rows = await pg.source.query('SELECT typname, oid FROM pg_catalog.pg_type WHERE oid = ANY ($1::pg_catalog.oid[])', [
      wanted.map(([, oid]) => String(oid)),
    ]);
    const found = new Map(rows.map(([name, oid]) => [oid, name]));
    // Version 13 does not have the youngest types yet.
    for (const [name, oid] of wanted) if (found.has(oid)) expect(found.get(oid)).toBe(name);
    expect(found.size).toBeGreaterThanOrEqual(wanted.length - 2);
  });

  it('name every reg type that the server has', async () => {
    const rows = await pg.source.query(
      `SELECT oid FROM pg_catalog.pg_type
       WHERE typname LIKE 'reg%' AND typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND typtype = 'b'`,
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const [oid] of rows) expect([oid, isRegType(Number(oid))]).toEqual([oid, true]);
  });

  it('below 10000 are not given out by initdb', async () => {
    const rows = await pg.source.query(
      "SELECT oid FROM pg_catalog.pg_type WHERE typnamespace <> 'pg_catalog'::pg_catalog.regnamespace ORDER BY oid LIMIT 5",
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const [oid] of rows) expect(isSameOnEveryServer(Number(oid))).toBe(false);
  });
});

function catalogueName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
