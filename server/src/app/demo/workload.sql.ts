// What people do in the sample shop, as statements with parameters. Each returns one row for every row that it changed.

/** Greatest ids, and how many products there are: where random picks end. */
export const SHOP_EXTENT = `
  SELECT (SELECT COALESCE(pg_catalog.max(c.id), 0) FROM shop.customers AS c),
         (SELECT COALESCE(pg_catalog.max(o.id), 0) FROM shop.orders AS o)`;

export const ALL_SKUS = 'SELECT p.sku FROM shop.products AS p ORDER BY p.sku';

export const INSERT_CUSTOMER = `
  INSERT INTO shop.customers (email, name, country, newsletter)
  SELECT 'new' || $1::pg_catalog.text || '-' || pg_catalog.txid_current() || '@example.com', 'New Customer ' || $1::pg_catalog.text, 'NZ', true
  RETURNING id`;

export const UPDATE_CUSTOMER = `
  UPDATE shop.customers SET newsletter = NOT newsletter, note = CASE WHEN note IS NULL THEN '' ELSE NULL END WHERE id = $1::pg_catalog.int8
  RETURNING id`;

/** For a customer that exists; no row when there is none of this id. */
export const INSERT_ORDER = `
  INSERT INTO shop.orders (customer_id, status) SELECT c.id, 'new' FROM shop.customers AS c WHERE c.id = $1::pg_catalog.int8
  RETURNING id`;

export const INSERT_LINES = `
  INSERT INTO shop.order_lines (order_id, line, sku, quantity, price)
  SELECT $1::pg_catalog.int8, w.line, p.sku, 1 + w.line % 3, p.price
  FROM pg_catalog.unnest($2::pg_catalog.text[]) WITH ORDINALITY AS w (sku, line)
  JOIN shop.products AS p ON p.sku = w.sku
  RETURNING line`;

export const UPDATE_TOTAL = `
  UPDATE shop.orders AS o
  SET total = (SELECT COALESCE(pg_catalog.sum(l.quantity * l.price), 0) FROM shop.order_lines AS l WHERE l.order_id = o.id)
  WHERE o.id = $1::pg_catalog.int8
  RETURNING o.id`;

/** In the order of the key, so that two workloads never wait for each other in a circle. */
export const TAKE_STOCK = `
  UPDATE shop.products AS p SET stock = p.stock - 1, updated_at = pg_catalog.now()
  FROM (SELECT q.sku FROM shop.products AS q WHERE q.sku = ANY ($1::pg_catalog.text[]) ORDER BY q.sku FOR UPDATE) AS chosen
  WHERE p.sku = chosen.sku
  RETURNING p.sku`;

export const INSERT_PAYMENT = `
  INSERT INTO shop.payments (order_id, method, amount)
  SELECT o.id, 'card', o.total FROM shop.orders AS o WHERE o.id = $1::pg_catalog.int8 AND o.status = 'new'
  RETURNING id`;

export const SET_STATUS = `
  UPDATE shop.orders
  SET status = $2::shop.order_status, shipped_on = CASE WHEN $2::shop.order_status = 'shipped' THEN CURRENT_DATE ELSE shipped_on END
  WHERE id = $1::pg_catalog.int8 AND status <> $2::shop.order_status
  RETURNING id`;

/** Lines and payments are deleted first, though the references would do it: what we count is what we say. */
export const DELETE_LINES = 'DELETE FROM shop.order_lines WHERE order_id = $1::pg_catalog.int8 RETURNING line';
export const DELETE_PAYMENTS = 'DELETE FROM shop.payments WHERE order_id = $1::pg_catalog.int8 RETURNING id';
export const DELETE_ORDER = 'DELETE FROM shop.orders WHERE id = $1::pg_catalog.int8 RETURNING id';

export const EDIT_PRODUCT = `
  UPDATE shop.products
  SET price = price + 1, attributes = attributes || pg_catalog.jsonb_build_object('edited', $2::pg_catalog.int4),
      tags = CASE WHEN 'sale' = ANY (tags) THEN pg_catalog.array_remove(tags, 'sale') ELSE tags || 'sale'::pg_catalog.text END
  WHERE sku = $1::pg_catalog.text
  RETURNING sku`;

/** A changed key: the references carry it on to all lines of the product. */
export const RENAME_PRODUCT = `UPDATE shop.products SET sku = $2::pg_catalog.text WHERE sku = $1::pg_catalog.text RETURNING sku`;

export const INSERT_EVENT = `
  INSERT INTO shop.events (kind, customer_id, payload)
  VALUES ('viewed', $1::pg_catalog.int8, pg_catalog.jsonb_build_object('n', $2::pg_catalog.int4))
  RETURNING id`;

export const INSERT_PAGE_VIEWS = `
  INSERT INTO shop.page_views (path, visitor)
  SELECT '/product/' || path, pg_catalog.md5('visitor ' || $2::pg_catalog.int4)::pg_catalog.uuid
  FROM pg_catalog.unnest($1::pg_catalog.text[]) AS path
  RETURNING 1`;

/** Inserts a session or counts another hit; the second column tells which. */
export const TOUCH_SESSION = `
  INSERT INTO shop.sessions_today AS s (token, customer_id)
  VALUES (pg_catalog.md5('session ' || $1::pg_catalog.int4)::pg_catalog.uuid, $2::pg_catalog.int8)
  ON CONFLICT (token) DO UPDATE SET hits = s.hits + 1, last_seen = pg_catalog.now()
  RETURNING s.hits`;

export const INSERT_AUDIT = `
  INSERT INTO shop.audit_log (actor, action, detail)
  VALUES ('clerk', $1::pg_catalog.text, pg_catalog.jsonb_build_object('n', $2::pg_catalog.int4))
  RETURNING 1`;

/** Exactly so many of the oldest rows: without a key only the row's place tells equal rows apart. */
export const DELETE_OLDEST_AUDIT = `
  DELETE FROM shop.audit_log
  WHERE ctid = ANY (ARRAY(SELECT a.ctid FROM shop.audit_log AS a ORDER BY a.at LIMIT $1::pg_catalog.int4))
  RETURNING 1`;

export const EDIT_NEWEST_AUDIT = `
  UPDATE shop.audit_log SET action = action || ' (checked)'
  WHERE ctid = (SELECT a.ctid FROM shop.audit_log AS a ORDER BY a.at DESC LIMIT 1)
  RETURNING 1`;

export const NEW_DAY = 'TRUNCATE shop.sessions_today';
