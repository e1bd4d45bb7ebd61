// What one visitor or clerk of the sample shop does in one transaction, chosen by a seeded generator.
import type { PgSession } from '../../db/session.ts';
import { must } from '../../lib/assert.ts';
import type { Random } from './random.ts';
import {
  DELETE_LINES,
  DELETE_OLDEST_AUDIT,
  DELETE_ORDER,
  DELETE_PAYMENTS,
  EDIT_NEWEST_AUDIT,
  EDIT_PRODUCT,
  INSERT_AUDIT,
  INSERT_CUSTOMER,
  INSERT_EVENT,
  INSERT_LINES,
  INSERT_ORDER,
  INSERT_PAGE_VIEWS,
  INSERT_PAYMENT,
  NEW_DAY,
  RENAME_PRODUCT,
  SET_STATUS,
  TAKE_STOCK,
  TOUCH_SESSION,
  UPDATE_CUSTOMER,
  UPDATE_TOTAL,
} from './workload.sql.ts';

/** Rows that the statements of a workload changed; rows that references change on their own are not among them. */
export interface ShopCounts {
  readonly transactions: number;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  /** Updates that changed a key; part of `updated`. */
  readonly keyChanges: number;
  readonly truncated: number;
}

export const NO_COUNTS: ShopCounts = { transactions: 0, inserted: 0, updated: 0, deleted: 0, keyChanges: 0, truncated: 0 };

/** What the workload knows of the shop. It changes with what it does itself. */
export interface ShopExtent {
  customers: number;
  orders: number;
  readonly skus: string[];
}

type Change = Partial<ShopCounts>;

interface Visit {
  readonly session: PgSession;
  readonly random: Random;
  readonly extent: ShopExtent;
  /** Number of the transaction, counted from 1. */
  readonly n: number;
}

/** Does something in one transaction and says what. */
export async function visitShop(visit: Visit): Promise<ShopCounts> {
  const act = visit.n % TRANSACTIONS_PER_DAY === 0 ? startDay : visit.random.weighted(ACTIONS);
  const changes = await visit.session.transaction('BEGIN', () => act(visit));
  return [{ transactions: 1 }, ...changes].reduce(addCounts, NO_COUNTS);
}

/** Adds what happened to what has happened so far. */
export function addCounts(sum: ShopCounts, change: Change): ShopCounts {
  return {
    transactions: sum.transactions + (change.transactions ?? 0),
    inserted: sum.inserted + (change.inserted ?? 0),
    updated: sum.updated + (change.updated ?? 0),
    deleted: sum.deleted + (change.deleted ?? 0),
    keyChanges: sum.keyChanges + (change.keyChanges ?? 0),
    truncated: sum.truncated + (change.truncated ?? 0),
  };
}

/** A short day, so that a TRUNCATE is seen soon. */
const TRANSACTIONS_PER_DAY = 400;

type Action = (visit: Visit) => Promise<readonly Change[]>;

const ACTIONS: readonly { readonly value: Action; readonly weight: number }[] = [
  { value: placeOrder, weight: 30 },
  { value: browse, weight: 25 },
  { value: payOrder, weight: 18 },
  { value: shipOrder, weight: 10 },
  { value: editProduct, weight: 6 },
  { value: register, weight: 4 },
  { value: cancelOrder, weight: 3 },
  { value: audit, weight: 2 },
  { value: renameProduct, weight: 2 },
];

async function placeOrder({ session, random, extent, n }: Visit): Promise<readonly Change[]> {
  const [order] = await session.query(INSERT_ORDER, [random.between(1, extent.customers)]);
  const id = order?.[0];
  if (id === undefined || id === null) return [];
  extent.orders = Math.max(extent.orders, Number(id));
  const skus = Array.from({ length: random.between(1, 4) }, () => pickSku(random, extent));
  const lines = await session.query(INSERT_LINES, [id, skus]);
  const stock = await session.query(TAKE_STOCK, [skus]);
  const totals = await session.query(UPDATE_TOTAL, [id]);
  const audits = await session.query(INSERT_AUDIT, ['order placed', n]);
  return [{ inserted: 1 + lines.length + audits.length, updated: stock.length + totals.length }];
}

async function payOrder({ session, random, extent, n }: Visit): Promise<readonly Change[]> {
  const id = recentOrder(random, extent);
  const payments = await session.query(INSERT_PAYMENT, [id]);
  if (payments.length === 0) return [];
  const orders = await session.query(SET_STATUS, [id, 'paid']);
  const audits = await session.query(INSERT_AUDIT, ['order paid', n]);
  return [{ inserted: payments.length + audits.length, updated: orders.length }];
}

async function shipOrder({ session, random, extent, n }: Visit): Promise<readonly Change[]> {
  const orders = await session.query(SET_STATUS, [recentOrder(random, extent), 'shipped']);
  const events = await session.query(INSERT_EVENT, [random.between(1, extent.customers), n]);
  return [{ updated: orders.length, inserted: events.length }];
}

async function cancelOrder({ session, random, extent, n }: Visit): Promise<readonly Change[]> {
  const id = random.between(1, extent.orders);
  const payments = await session.query(DELETE_PAYMENTS, [id]);
  const lines = await session.query(DELETE_LINES, [id]);
  const orders = await session.query(DELETE_ORDER, [id]);
  const audits = await session.query(INSERT_AUDIT, ['order cancelled', n]);
  return [{ deleted: payments.length + lines.length + orders.length, inserted: audits.length }];
}

async function browse({ session, random, extent, n }: Visit): Promise<readonly Change[]> {
  const paths = Array.from({ length: random.between(1, 5) }, () => String(random.between(1, 1_000)));
  const views = await session.query(INSERT_PAGE_VIEWS, [paths, random.between(1, 5_000)]);
  const customer = random.between(1, extent.customers);
  const [touched] = await session.query(TOUCH_SESSION, [random.between(1, 2_000), customer]);
  const isNew = touched?.[0] === '1';
  const events = await session.query(INSERT_EVENT, [customer, n]);
  return [{ inserted: views.length + events.length + (isNew ? 1 : 0), updated: isNew ? 0 : 1 }];
}

async function editProduct({ session, random, extent, n }: Visit): Promise<readonly Change[]> {
  const products = await session.query(EDIT_PRODUCT, [pickSku(random, extent), n]);
  const audits = await session.query(INSERT_AUDIT, ['price changed', n]);
  return [{ updated: products.length, inserted: audits.length }];
}

/** The new sku keeps its first part, so that it stays short however often it changes. */
async function renameProduct({ session, random, extent, n }: Visit): Promise<readonly Change[]> {
  const place = random.between(0, extent.skus.length - 1);
  const old = must(extent.skus[place], 'a product');
  const name = `${old.split('/')[0]}/${n}`;
  const products = await session.query(RENAME_PRODUCT, [old, name]);
  if (products.length > 0) extent.skus[place] = name;
  return [{ updated: products.length, keyChanges: products.length }];
}

async function register({ session, random, extent, n }: Visit): Promise<readonly Change[]> {
  const [customer] = await session.query(INSERT_CUSTOMER, [String(n)]);
  extent.customers = Math.max(extent.customers, Number(customer?.[0] ?? 0));
  const updated = await session.query(UPDATE_CUSTOMER, [random.between(1, extent.customers)]);
  return [{ inserted: 1, updated: updated.length }];
}

async function audit({ session, random }: Visit): Promise<readonly Change[]> {
  const updated = await session.query(EDIT_NEWEST_AUDIT, []);
  const deleted = await session.query(DELETE_OLDEST_AUDIT, [random.between(1, 8)]);
  return [{ updated: updated.length, deleted: deleted.length }];
}

async function startDay({ session, n }: Visit): Promise<readonly Change[]> {
  await session.query(NEW_DAY);
  const audits = await session.query(INSERT_AUDIT, ['new day', n]);
  return [{ truncated: 1, inserted: audits.length }];
}

function pickSku(random: Random, extent: ShopExtent): string {
  return must(extent.skus[random.between(0, extent.skus.length - 1)], 'a product');
}

/** Orders are paid and shipped soon after they were placed. */
function recentOrder(random: Random, extent: ShopExtent): number {
  return random.between(Math.max(1, extent.orders - 300), extent.orders);
}
