// What may refuse rows at a destination table, as a text that changes whenever somebody changes any of it.

/**
 * Parameter: OIDs of tables as an array. For each, its OID and the transactions that last wrote its row of the catalogue and those of its
 * columns, constraints, indexes and triggers, and of the triggers' functions.
 */
export const TABLE_SHAPES = `
  SELECT c.oid, pg_catalog.md5(pg_catalog.concat_ws(' ', c.xmin,
    (SELECT pg_catalog.string_agg(a.xmin::pg_catalog.text, ',' ORDER BY a.attnum)
       FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid),
    (SELECT pg_catalog.string_agg(pg_catalog.concat(k.oid, '/', k.xmin), ',' ORDER BY k.oid)
       FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = c.oid OR k.confrelid = c.oid),
    (SELECT pg_catalog.string_agg(pg_catalog.concat(i.indexrelid, '/', i.xmin), ',' ORDER BY i.indexrelid)
       FROM pg_catalog.pg_index AS i WHERE i.indrelid = c.oid),
    (SELECT pg_catalog.string_agg(pg_catalog.concat(t.oid, '/', t.xmin, '/', p.xmin), ',' ORDER BY t.oid)
       FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid WHERE t.tgrelid = c.oid)))
  FROM pg_catalog.pg_class AS c
  WHERE c.oid = ANY ($1::pg_catalog.oid[])`;
