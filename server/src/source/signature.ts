// A short text that changes whenever the source's tables do, so that the whole catalogue is read only when there is a reason.
import type { PgSession } from '../db/session.ts';

/** A digest of all users' relations: their identity, files, names, columns, partition bounds, keys, generated columns, how they are published, and whether our role may read them. Costs one scan of the columns' catalogue. */
export async function readCatalogueSignature(session: PgSession): Promise<string> {
  const [row] = await session.query(SIGNATURE);
  return row?.[0] ?? '';
}

const SIGNATURE = `
  SELECT pg_catalog.md5(
    COALESCE((
      SELECT pg_catalog.string_agg(
        pg_catalog.concat_ws(':', c.oid, c.relname, c.relnamespace, c.relkind, c.relfilenode, c.relreplident, c.relispartition, c.relrowsecurity, c.relnatts,
          pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.has_table_privilege(c.oid, 'SELECT')),
        ',' ORDER BY c.oid)
      FROM pg_catalog.pg_class AS c
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
        AND n.nspname <> 'information_schema' AND NOT pg_catalog.starts_with(n.nspname, 'pg_')
    ), '')
    || COALESCE((
      SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', i.indexrelid, i.indisprimary, i.indisreplident, i.indisvalid, i.indimmediate), ',' ORDER BY i.indexrelid)
      FROM pg_catalog.pg_index AS i
      WHERE i.indrelid >= 16384 AND (i.indisprimary OR i.indisreplident)
    ), '')
    || COALESCE((
      SELECT pg_catalog.string_agg(d.oid::pg_catalog.text, ',' ORDER BY d.oid)
      FROM pg_catalog.pg_attrdef AS d
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attgenerated <> ''
    ), '')
    || COALESCE((
      -- Numbers instead of texts: there may be hundreds of thousands of columns.
      SELECT pg_catalog.count(*) || ':' || pg_catalog.sum(pg_catalog.hashint8extended(
               (a.attrelid::pg_catalog.int8 << 16) | a.attnum,
               pg_catalog.hashname(a.attname)::pg_catalog.int8 + (pg_catalog.hashoid(a.atttypid)::pg_catalog.int8 << 20) + a.atttypmod))
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
      WHERE a.attrelid >= 16384 AND a.attnum > 0
    ), '')
    || COALESCE((
      SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', h.inhrelid, h.inhparent, h.xmin), ',' ORDER BY h.inhrelid, h.inhparent)
      FROM pg_catalog.pg_inherits AS h
    ), '')
    || COALESCE((
      SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', r.oid, r.prpubid, r.prrelid), ',' ORDER BY r.oid)
      FROM pg_catalog.pg_publication_rel AS r
    ), '')
    || COALESCE((
      SELECT pg_catalog.string_agg(
        pg_catalog.concat_ws(':', p.oid, p.pubname, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot),
        ',' ORDER BY p.oid)
      FROM pg_catalog.pg_publication AS p
    ), '')
  )`;
