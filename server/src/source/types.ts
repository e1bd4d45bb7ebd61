// Reads the types that columns are made of, with everything that a twin at the destination needs.
import type { PgSession, Row } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import type { SourceAttribute, SourceRange, SourceTable, SourceType } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { hasFeature, parseServerVersion } from '../pg/version.ts';
import { SERVER_VERSION_SQL } from './catalog.sql.ts';
import { boolAt, groupRows, intAt, optionalIntAt, optionalTextAt, textAt } from './catalog-row.ts';
import { ATTRIBUTES_SQL, ENUM_LABELS_SQL, RANGES_SQL, typesSql } from './types.sql.ts';

/**
 * The types with these OIDs and all that they are made of (array elements, domain bases, range subtypes, composite attributes),
 * by OID. A type that was dropped meanwhile is absent. The session must not be inside a transaction.
 */
export async function readTypes(session: PgSession, oids: Iterable<number>): Promise<ReadonlyMap<number, SourceType>> {
  const seeds = [...new Set(oids)].map(String);
  return session.transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', async () => {
    const [versionRow] = await session.query(SERVER_VERSION_SQL);
    const version = parseServerVersion(textAt(must(versionRow, 'the server version'), 0));
    const rows = await session.query(typesSql(hasFeature(version, 'multirange')), [seeds]);
    const all = [rows.map((row) => textAt(row, 0))];
    const labels = groupRows(await session.query(ENUM_LABELS_SQL, all), 0);
    const attributes = groupRows(await session.query(ATTRIBUTES_SQL, all), 0);
    const ranges = groupRows(await session.query(RANGES_SQL, all), 0);
    return new Map(
      rows.map((row) => {
        const oid = intAt(row, 0);
        const range = ranges.get(oid)?.[0];
        const type: SourceType = {
          ...readType(row),
          enumLabels: (labels.get(oid) ?? []).map((label) => textAt(label, 1)),
          attributes: (attributes.get(oid) ?? []).map(readAttribute),
          ...(range === undefined ? {} : { range: readRange(range) }),
        };
        return [oid, type];
      }),
    );
  });
}

/** The type OIDs of all columns of these tables, each once: what to give to `readTypes`. */
export function columnTypeOids(tables: readonly SourceTable[]): ReadonlySet<number> {
  return new Set(tables.flatMap((table) => table.columns.map((column) => column.typeOid)));
}

function readType(row: Row): Omit<SourceType, 'enumLabels' | 'attributes'> {
  const elementOid = optionalIntAt(row, 4) ?? 0;
  const isTableRow = optionalTextAt(row, 6);
  return {
    oid: intAt(row, 0),
    schema: textAt(row, 1),
    name: textAt(row, 2),
    kind: kindOf(textAt(row, 3), elementOid),
    elementOid,
    elementTypmod: intAt(row, 5),
    extension: optionalTextAt(row, 7),
    hasBinary: boolAt(row, 8),
    ...(isTableRow === null ? {} : { isTableRow: isTableRow === 't' }),
  };
}

/** `typtype`; a base type that some type names as its array is that array. Source: manual, "52.64. pg_type". */
function kindOf(typtype: string, elementOid: number): SourceType['kind'] {
  switch (typtype) {
    case 'b':
      return elementOid === 0 ? 'base' : 'array';
    case 'c':
      return 'composite';
    case 'd':
      return 'domain';
    case 'e':
      return 'enum';
    case 'm':
      return 'multirange';
    case 'p':
      return 'pseudo';
    case 'r':
      return 'range';
    default:
      throw new TypeError(`unknown kind of type ${JSON.stringify(typtype)}`);
  }
}

function readAttribute(row: Row): SourceAttribute {
  return { name: textAt(row, 1), typeOid: intAt(row, 2), typmod: intAt(row, 3), formatted: textAt(row, 4) };
}

function readRange(row: Row): SourceRange {
  return { hasCanonical: boolAt(row, 1), operatorClass: nameAt(row, 2), collation: nameAt(row, 4) };
}

function nameAt(row: Row, index: number): QualifiedName | null {
  const schema = optionalTextAt(row, index);
  return schema === null ? null : { schema, name: textAt(row, index + 1) };
}
