// The rows of a table that keeps more than the present ones, reduced to those: what the source's rows are compared with.
import type { ComparedTable, PresentRows } from '../../model/verify.ts';
import { quoteIdent, quoteLiteral } from '../../pg/ident.ts';

/** A query for the present rows of `from`, a table as SQL text, with the system columns that tell physical rows apart. */
export function presentRowsSql(table: ComparedTable, from: string, present: PresentRows): string {
  const columns = table.columns.map((name) => `x.${quoteIdent(name)}`).join(', ');
  if (present.kind === 'current')
    return `SELECT x.tableoid, x.xmin, x.ctid, ${columns} FROM ${from} AS x WHERE x.${quoteIdent(present.current)}`;
  if (present.kind === 'unmarked') {
    const own = [...new Set([...table.columns, ...table.key])].map((name) => `, t.${quoteIdent(name)}`).join('');
    return `SELECT t.tableoid, t.xmin, t.ctid${own} FROM ${from} AS t WHERE ${present.condition}`;
  }
  const key = table.key.map((name) => `x.${quoteIdent(name)}`).join(', ');
  const { words } = present;
  const [change, lsn, sequence] = [present.change, present.lsn, present.sequence].map(quoteIdent);
  const voids = `IN (${quoteLiteral(words.load)}, ${quoteLiteral(words.truncate)})`;
  return `
    SELECT n.* FROM (
      SELECT DISTINCT ON (${key}) x.tableoid, x.xmin, x.ctid, x.${change}, ${columns}
      FROM ${from} AS x
      WHERE x.${change} <> ${quoteLiteral(words.truncate)}
        AND ROW(x.${lsn}, x.${sequence}) >= ROW(
          COALESCE((SELECT v.${lsn} FROM ${from} AS v WHERE v.${change} ${voids} ORDER BY v.${lsn} DESC, v.${sequence} DESC LIMIT 1), '0/0'),
          COALESCE((SELECT v.${sequence} FROM ${from} AS v WHERE v.${change} ${voids} ORDER BY v.${lsn} DESC, v.${sequence} DESC LIMIT 1), 0))
      ORDER BY ${key}, x.${lsn} DESC, x.${sequence} DESC
    ) AS n
    WHERE n.${change} <> ${quoteLiteral(words.delete)}`;
}
