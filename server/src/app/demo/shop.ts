// Makes the sample shop that `millrace demo` replicates: some 200,000 rows that look like a business.
import type { PgSession } from '../../db/session.ts';
import { FILL, SET_SEED } from './shop-data.sql.ts';
import { ANALYZE_SHOP, eventPartitionsSql, SHOP_CONSTRAINTS, SHOP_SCHEMA, SHOP_TABLES, type ShopTable } from './shop-schema.sql.ts';

export interface ShopOptions {
  /** From -1 to 1: decides every random value. */
  readonly seed?: number | undefined;
  /** 1 makes some 200,000 rows. */
  readonly scale?: number | undefined;
  /** Decides for which months `events` has partitions. */
  readonly now?: Date | undefined;
}

/**
 * Creates the schema `shop` with its rows, all of them in one transaction. The session's role needs CREATE on the database, and owns the
 * shop afterwards. Throws what the server says when there is a schema of that name already.
 */
export async function createShop(session: PgSession, options: ShopOptions = {}): Promise<void> {
  const size = sizes(options.scale ?? 1);
  const now = options.now ?? new Date();
  const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - MONTHS_BACK, 1));
  await session.transaction('BEGIN', async () => {
    await session.query(SHOP_SCHEMA);
    await session.query(eventPartitionsSql(first, MONTHS_BACK + 2));
    await session.query(SET_SEED, [options.seed ?? 0.42]);
    for (const table of SHOP_TABLES) await session.query(FILL[table], [size[table], size.customers, size.products]);
    await session.query(SHOP_CONSTRAINTS);
  });
  await session.query(ANALYZE_SHOP);
}

/** Rows lie up to 90 days back, which touches four months; the next month has a partition too. */
const MONTHS_BACK = 3;

function sizes(scale: number): Readonly<Record<ShopTable, number>> {
  const rows = (count: number): number => Math.max(1, Math.round(count * scale));
  return {
    customers: rows(10_000),
    products: rows(1_000),
    orders: rows(35_000),
    order_lines: rows(35_000),
    payments: rows(35_000),
    audit_log: rows(8_000),
    events: rows(15_000),
    page_views: rows(15_000),
    sessions_today: rows(1_000),
  };
}
