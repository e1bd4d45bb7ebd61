import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../../test/pg/test-database.ts';
import { usePostgres } from '../../../test/pg/use-postgres.ts';
import { waitFor } from '../../../test/pg/wait-for.ts';
import type { PgSession } from '../../db/session.ts';
import { createShop } from './shop.ts';
import { SHOP_TABLES } from './shop-schema.sql.ts';
import { ShopWorkload } from './workload.ts';

const pg = usePostgres();

async function ownedDatabase(): Promise<{ database: TestDatabase; owner: PgSession }> {
  const database = await pg.source.createDatabase();
  const role = await pg.source.createRole();
  await database.query(`GRANT CREATE ON DATABASE "${database.name}" TO "${role.name}"`);
  return { database, owner: await database.open({ role }) };
}

async function countAll(session: PgSession): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of SHOP_TABLES) {
    const [row] = await session.query(`SELECT pg_catalog.count(*) FROM shop.${table}`);
    counts[table] = Number(row?.[0]);
  }
  return counts;
}

const DIGEST = `
  SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat(o.id, o.customer_id, o.status, o.total, l.sku, l.quantity), ',' ORDER BY o.id, l.line))
  FROM shop.orders AS o JOIN shop.order_lines AS l ON l.order_id = o.id`;

describe('createShop', () => {
  test('makes some 200,000 rows for a role that may only create schemas', async () => {
    const { owner } = await ownedDatabase();
    await createShop(owner);
    const counts = await countAll(owner);
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    expect(total).toBeGreaterThan(180_000);
    expect(total).toBeLessThan(220_000);
    const [partitions] = await owner.query(`
      SELECT pg_catalog.count(DISTINCT e.tableoid), pg_catalog.count(*) FILTER (WHERE e.tableoid = 'shop.events_rest'::regclass)
      FROM shop.events AS e`);
    expect(Number(partitions?.[0])).toBeGreaterThanOrEqual(3);
    expect(partitions?.[1]).toBe('0');
  });

  test('makes the same shop again from the same seed, and another from another', async () => {
    const digests: unknown[] = [];
    for (const seed of [0.1, 0.1, 0.2]) {
      const { owner } = await ownedDatabase();
      await createShop(owner, { seed, scale: 0.02 });
      digests.push((await owner.query(DIGEST))[0]?.[0]);
    }
    expect(digests[0]).toBe(digests[1]);
    expect(digests[0]).not.toBe(digests[2]);
  });

  test('holds the kinds of tables that replication treats differently', async () => {
    const { owner } = await ownedDatabase();
    await createShop(owner, { scale: 0.01 });
    const rows = await owner.query(
      `
      SELECT c.relname, c.relkind, c.relreplident, EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary)
      FROM pg_catalog.pg_class AS c
      WHERE c.relnamespace = 'shop'::regnamespace AND c.relname = ANY ($1) ORDER BY 1`,
      [['audit_log', 'events', 'orders', 'page_views']],
    );
    expect(rows).toEqual([
      ['audit_log', 'r', 'f', 'f'],
      ['events', 'p', 'd', 't'],
      ['orders', 'r', 'd', 't'],
      ['page_views', 'r', 'd', 'f'],
    ]);
    const [toasted] = await owner.query('SELECT pg_catalog.count(*) FROM shop.products WHERE pg_catalog.length(description) > 4000');
    expect(Number(toasted?.[0])).toBeGreaterThan(0);
  });
});

describe('ShopWorkload', () => {
  test('does everything there is, and counts rows as the server does', async () => {
    const { owner, database } = await ownedDatabase();
    await createShop(owner, { scale: 0.05 });
    const before = await countAll(owner);
    const workload = new ShopWorkload(await database.open(), { transactionsPerSecond: 100_000, seed: 3 });
    await waitFor('two days of business', () => workload.counts.truncated >= 2, 50_000);
    const counts = await workload.stop();
    expect(await workload.stop()).toEqual(counts);
    for (const [what, count] of Object.entries(counts)) expect(count, what).toBeGreaterThan(0);
    const after = await countAll(owner);
    const grown = (counted: Record<string, number>): number =>
      Object.entries(counted).reduce((sum, [table, count]) => sum + (table === 'sessions_today' ? 0 : count), 0);
    const [sessions] = await owner.query('SELECT pg_catalog.count(*) FROM shop.sessions_today');
    // Rows of sessions_today that a TRUNCATE removed were inserted and counted, and are gone without being counted as deleted.
    const difference = counts.inserted - counts.deleted - (grown(after) - grown(before));
    expect(difference).toBeGreaterThanOrEqual(Number(sessions?.[0]));
    expect(difference).toBeLessThanOrEqual(counts.transactions);
  });

  test('keeps its pace and stops at once', async () => {
    const { owner, database } = await ownedDatabase();
    await createShop(owner, { scale: 0.01 });
    const start = Date.now();
    const workload = new ShopWorkload(await database.open(), { transactionsPerSecond: 50 });
    await waitFor('50 transactions', () => workload.counts.transactions >= 50, 30_000);
    expect(Date.now() - start).toBeGreaterThan(900);
    await workload.stop();
  });

  test('tells what ended it', async () => {
    const { owner, database } = await ownedDatabase();
    await createShop(owner, { scale: 0.01 });
    const workload = new ShopWorkload(await database.open(), { transactionsPerSecond: 1_000 });
    await waitFor('some business', () => workload.counts.transactions >= 5);
    await owner.query('DROP SCHEMA shop CASCADE');
    await expect(workload.done).rejects.toMatchObject({ facts: { sqlstate: '42P01' } });
    await expect(workload.stop()).rejects.toMatchObject({ facts: { sqlstate: '42P01' } });
  });
});
