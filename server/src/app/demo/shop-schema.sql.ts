// The tables of the sample shop: every kind of table that replication treats in its own way is among them.
import { quoteIdent, quoteLiteral } from '../../pg/ident.ts';

/**
 * - `audit_log` has no key, but REPLICA IDENTITY FULL: its rows are a multiset. - `page_views` has no identity at all: inserts only.
 * - `events` is partitioned. - `products` has a key that changes, values that are TOASTed, JSON and arrays.
 * - `sessions_today` is truncated now and then.
 */
export const SHOP_SCHEMA = `
CREATE SCHEMA shop;

CREATE TYPE shop.order_status AS ENUM ('new', 'paid', 'shipped', 'returned');

CREATE TABLE shop.customers (
  id bigint GENERATED ALWAYS AS IDENTITY,
  email text NOT NULL,
  name text NOT NULL,
  country char(2) NOT NULL,
  newsletter boolean NOT NULL DEFAULT false,
  note text,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE shop.products (
  sku text NOT NULL,
  name text NOT NULL,
  price numeric(10, 2) NOT NULL,
  stock integer NOT NULL,
  tags text[] NOT NULL DEFAULT '{}',
  attributes jsonb NOT NULL DEFAULT '{}',
  description text,
  updated_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE shop.orders (
  id bigint GENERATED ALWAYS AS IDENTITY,
  customer_id bigint NOT NULL,
  status shop.order_status NOT NULL DEFAULT 'new',
  total numeric(12, 2) NOT NULL DEFAULT 0,
  placed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  shipped_on date
);

CREATE TABLE shop.order_lines (
  order_id bigint NOT NULL,
  line integer NOT NULL,
  sku text NOT NULL,
  quantity smallint NOT NULL,
  price numeric(10, 2) NOT NULL
);

CREATE TABLE shop.payments (
  id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
  order_id bigint NOT NULL,
  method text NOT NULL,
  amount numeric(12, 2) NOT NULL,
  paid_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TABLE shop.audit_log (
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  actor text,
  action text NOT NULL,
  detail jsonb
);
ALTER TABLE shop.audit_log REPLICA IDENTITY FULL;

CREATE TABLE shop.events (
  id bigserial,
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  kind text NOT NULL,
  customer_id bigint,
  payload jsonb NOT NULL,
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

CREATE TABLE shop.page_views (
  at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  path text NOT NULL,
  visitor uuid NOT NULL,
  duration interval
);

CREATE TABLE shop.sessions_today (
  token uuid NOT NULL PRIMARY KEY,
  customer_id bigint,
  hits integer NOT NULL DEFAULT 1,
  last_seen timestamptz NOT NULL DEFAULT pg_catalog.now()
);`;

/** Keys and references, made after the rows because that is faster. A changed sku is carried on to the lines that name it. */
export const SHOP_CONSTRAINTS = `
ALTER TABLE shop.customers ADD PRIMARY KEY (id), ADD UNIQUE (email);
ALTER TABLE shop.products ADD PRIMARY KEY (sku);
ALTER TABLE shop.orders ADD PRIMARY KEY (id), ADD FOREIGN KEY (customer_id) REFERENCES shop.customers;
ALTER TABLE shop.order_lines ADD PRIMARY KEY (order_id, line),
  ADD FOREIGN KEY (order_id) REFERENCES shop.orders ON DELETE CASCADE,
  ADD FOREIGN KEY (sku) REFERENCES shop.products ON UPDATE CASCADE;
ALTER TABLE shop.payments ADD PRIMARY KEY (id), ADD FOREIGN KEY (order_id) REFERENCES shop.orders ON DELETE CASCADE;
CREATE INDEX ON shop.order_lines (sku);
CREATE INDEX ON shop.payments (order_id);`;

/** The tables of the shop, in the order in which they are filled. */
export const SHOP_TABLES = [
  'customers',
  'products',
  'orders',
  'order_lines',
  'payments',
  'audit_log',
  'events',
  'page_views',
  'sessions_today',
] as const;

export type ShopTable = (typeof SHOP_TABLES)[number];

/** The planner's statistics, which the workload's queries need from the first moment on. */
export const ANALYZE_SHOP = `ANALYZE ${SHOP_TABLES.map((table) => `shop.${table}`).join(', ')}`;

/** One partition of `shop.events` for every month from `first` on, both in UTC, and one for the rest. */
export function eventPartitionsSql(first: Date, months: number): string {
  const partitions = Array.from({ length: months }, (_, i) => {
    const [from, to] = [monthStart(first, i), monthStart(first, i + 1)];
    const name = quoteIdent(`events_${from.slice(0, 4)}_${from.slice(5, 7)}`);
    return `CREATE TABLE shop.${name} PARTITION OF shop.events FOR VALUES FROM (${quoteLiteral(from)}) TO (${quoteLiteral(to)});`;
  });
  return [...partitions, 'CREATE TABLE shop.events_rest PARTITION OF shop.events DEFAULT;'].join('\n');
}

/** The first day of the month that is `months` after that of `date`, as Postgres reads it. */
function monthStart(date: Date, months: number): string {
  const start = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1));
  return `${start.toISOString().slice(0, 10)} 00:00:00+00`;
}
