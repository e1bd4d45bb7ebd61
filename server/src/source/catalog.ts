// Reads every relation of the source and says of each what it is to us: a table that can be replicated, or why it can't.
import type { PgSession, Row } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import type { PartitionEdge, RowIdentity, SourceColumn, SourceLeaf, SourceTable } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import { parseServerVersion, type ServerVersion } from '../pg/version.ts';
import { COLUMNS_SQL, KEYS_SQL, partitionEdgesSql, RELATIONS_SQL, SERVER_VERSION_SQL } from './catalog.sql.ts';
import { boolAt, groupRows, intAt, optionalTextAt, textAt } from './catalog-row.ts';
import { type PartitionForest, partitionForest } from './catalog-tree.ts';
import { type IneligibleRelation, ineligibility } from './eligibility.ts';
import {
  type IdentityFacts,
  type IdentityRules,
  type KeyFacts,
  partitionedIdentity,
  readReplicaIdentity,
  tableIdentity,
} from './identity.ts';

/** Which relations to read. */
export interface CatalogueFilter {
  /** Null: all schemas of users. */
  readonly schemas: readonly string[] | null;
  /** Whether temporary tables (of every session) are listed as ineligible; absent: they are left out. */
  readonly includeTemporary?: boolean | undefined;
}

/** One consistent picture of the source's relations. */
export interface CatalogueSnapshot {
  readonly version: ServerVersion;
  /** Sorted by schema and name. */
  readonly tables: readonly SourceTable[];
  readonly ineligible: readonly IneligibleRelation[];
}

/**
 * Reads the catalogue in one snapshot. The session must not be inside a transaction. System schemas and our own
 * (`_millrace`) are never read. Columns are in attnum order; a partitioned table comes with the leaves of its whole tree.
 */
export async function readTables(session: PgSession, filter: CatalogueFilter): Promise<CatalogueSnapshot> {
  return session.transaction('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', async () => {
    const [versionRow] = await session.query(`${SERVER_VERSION_SQL}, CURRENT_USER`);
    const version = parseServerVersion(textAt(must(versionRow, 'the server version'), 0));
    const role = textAt(must(versionRow, 'the role'), 1);
    const relationRows = await session.query(RELATIONS_SQL, [filter.schemas, filter.includeTemporary ?? false]);
    const edgeRows = await session.query(partitionEdgesSql(version.major >= DETACH_CONCURRENTLY_MAJOR));
    const relations = relationRows.map(readRelation);
    const forest = partitionForest(edgeRows.map(readEdge));
    const tableOids = relations
      .filter((relation) => relation.relkind === 'r' || relation.relkind === 'p')
      .map((relation) => String(relation.oid));
    const columns = groupRows(await session.query(COLUMNS_SQL, [tableOids]), 0);
    const keys = groupRows(await session.query(KEYS_SQL, [tableOids]), 0);
    const rules = { generatedBreaksFull: version.major >= GENERATED_BREAKS_FULL_MAJOR };
    return { version, ...sortOut(new Catalogue(relations, forest, columns, keys, rules), filter, role) };
  });
}

/** `inhdetachpending` came with DETACH PARTITION … CONCURRENTLY. */
const DETACH_CONCURRENTLY_MAJOR = 14;

/** `publish_generated_columns` came with the check that refuses updates where the identity holds unpublished columns. */
const GENERATED_BREAKS_FULL_MAJOR = 18;

/** A row of RELATIONS_SQL. */
interface Relation extends QualifiedName {
  readonly oid: number;
  readonly relkind: string;
  readonly persistence: string;
  readonly isPartition: boolean;
  readonly replicaIdentity: string;
  readonly relfilenode: number;
  readonly estimatedRows: number;
  readonly pages: number;
  readonly sizeBytes: number;
  readonly schemaUsable: boolean;
  readonly selectable: boolean;
  readonly policiesApply: boolean;
  readonly owned: boolean;
  readonly hasChildren: boolean;
  readonly columnsVersion: string | null;
  readonly highestAttnum: number;
}

/** The rows of one read, looked up by OID. */
class Catalogue {
  readonly relations: readonly Relation[];
  readonly forest: PartitionForest;
  readonly #byOid: ReadonlyMap<number, Relation>;
  readonly #columns: ReadonlyMap<number, readonly Row[]>;
  readonly #keys: ReadonlyMap<number, readonly Row[]>;
  readonly #rules: IdentityRules;

  constructor(
    relations: readonly Relation[],
    forest: PartitionForest,
    columns: ReadonlyMap<number, readonly Row[]>,
    keys: ReadonlyMap<number, readonly Row[]>,
    rules: IdentityRules,
  ) {
    this.relations = relations;
    this.forest = forest;
    this.#byOid = new Map(relations.map((relation) => [relation.oid, relation]));
    this.#columns = columns;
    this.#keys = keys;
    this.#rules = rules;
  }

  relation(oid: number): Relation | null {
    return this.#byOid.get(oid) ?? null;
  }

  /** The leaves below a partitioned table, foreign and unlogged ones included. */
  leavesOf(root: Relation): readonly Relation[] {
    return this.forest.descendantsOf(root.oid).flatMap((oid) => {
      const relation = this.relation(oid);
      return relation === null || relation.relkind === 'p' ? [] : [relation];
    });
  }

  columnsOf(oid: number): readonly SourceColumn[] {
    return (this.#columns.get(oid) ?? []).map(readColumn);
  }

  primaryKeyOf(oid: number): KeyFacts | null {
    return readKey((this.#keys.get(oid) ?? []).filter((row) => boolAt(row, KEY_IS_PRIMARY)));
  }

  identityOf(relation: Relation): RowIdentity {
    const facts = this.#identityFacts(relation);
    if (relation.relkind === 'r') return tableIdentity(facts, this.#rules);
    const leaves = this.leavesOf(relation).map((leaf) => this.#identityFacts(leaf));
    return partitionedIdentity(facts, leaves, this.#rules);
  }

  #identityFacts(relation: Relation): IdentityFacts {
    const rows = this.#keys.get(relation.oid) ?? [];
    return {
      replicaIdentity: readReplicaIdentity(relation.replicaIdentity),
      primaryKey: readKey(rows.filter((row) => boolAt(row, KEY_IS_PRIMARY))),
      identityIndex: readKey(rows.filter((row) => boolAt(row, KEY_IS_IDENTITY))),
      hasGeneratedColumns: (this.#columns.get(relation.oid) ?? []).some((row) => textAt(row, COLUMN_GENERATED) !== ''),
    };
  }
}

/** Every relation that the filter wants, on one side or the other. */
function sortOut(catalogue: Catalogue, filter: CatalogueFilter, role: string): Pick<CatalogueSnapshot, 'tables' | 'ineligible'> {
  const wanted = filter.schemas === null ? null : new Set(filter.schemas);
  const tables: SourceTable[] = [];
  const ineligible: IneligibleRelation[] = [];
  for (const relation of catalogue.relations) {
    // Leaves of wanted roots were read from every schema.
    if (wanted !== null && !wanted.has(relation.schema)) continue;
    const leaves = catalogue.leavesOf(relation);
    const rootOid = catalogue.forest.rootOf(relation.oid);
    const verdict = ineligibility(
      {
        ...relation,
        partitionOf: rootOid === null ? null : catalogue.relation(rootOid),
        foreignLeaves: leaves.filter((leaf) => leaf.relkind === 'f'),
        unloggedLeaves: leaves.filter((leaf) => leaf.persistence === 'u'),
      },
      role,
    );
    const { oid, schema, name, relkind } = relation;
    const size = { sizeBytes: sumSizes(relation, leaves), estimatedRows: sumEstimates(relation, leaves) };
    if (verdict === null) tables.push({ ...readTable(catalogue, relation, leaves), ...size });
    else ineligible.push({ oid, schema, name, relkind, ...verdict, ...readIdentity(catalogue, relation), ...size });
  }
  return { tables, ineligible };
}

function readTable(
  catalogue: Catalogue,
  relation: Relation,
  leaves: readonly Relation[],
): Omit<SourceTable, 'sizeBytes' | 'estimatedRows'> {
  const { oid, schema, name, owned, hasChildren } = relation;
  return {
    oid,
    schema,
    name,
    relkind: relation.relkind === 'p' ? 'p' : 'r',
    columns: catalogue.columnsOf(oid),
    highestAttnum: relation.highestAttnum,
    ...readIdentity(catalogue, relation),
    identity: catalogue.identityOf(relation),
    leaves: (relation.relkind === 'p' ? leaves : [relation]).map((leaf) => readLeaf(leaf, relation, catalogue.forest)),
    hasInheritanceChildren: hasChildren,
    owned,
  };
}

function readIdentity(catalogue: Catalogue, relation: Relation): Pick<SourceTable, 'primaryKey' | 'replicaIdentity'> {
  return {
    primaryKey: catalogue.primaryKeyOf(relation.oid)?.columns.map((column) => column.name) ?? [],
    replicaIdentity: readReplicaIdentity(relation.replicaIdentity),
  };
}

function readLeaf(leaf: Relation, root: Relation, forest: PartitionForest): SourceLeaf {
  const { oid, schema, name, relfilenode, pages } = leaf;
  const columnsVersion = leaf.columnsVersion ?? undefined;
  const readable = leaf.schemaUsable && leaf.selectable;
  const access = !readable ? 'no_select_privilege' : leaf.policiesApply ? 'row_level_security' : 'ok';
  const { highestAttnum } = root;
  return { oid, schema, name, relfilenode, columnsVersion, highestAttnum, pages, access, lineage: forest.lineageOf(oid) };
}

function sumSizes(relation: Relation, leaves: readonly Relation[]): number {
  return leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, relation.sizeBytes);
}

/** Leaves that were never analysed count as unknown only when all of them are. */
function sumEstimates(relation: Relation, leaves: readonly Relation[]): number {
  if (relation.relkind !== 'p') return estimateOf(relation);
  const known = leaves.map(estimateOf).filter((rows) => rows >= 0);
  return known.length === 0 ? NEVER_ANALYSED : known.reduce((sum, rows) => sum + rows, 0);
}

const NEVER_ANALYSED = -1;

/** Before 14 a table that was never analysed says 0 rows, as an empty one does. */
function estimateOf(relation: Relation): number {
  return relation.estimatedRows === 0 && relation.pages > 0 ? NEVER_ANALYSED : relation.estimatedRows;
}

function readRelation(row: Row): Relation {
  return {
    oid: intAt(row, 0),
    schema: textAt(row, 1),
    name: textAt(row, 2),
    relkind: textAt(row, 3),
    persistence: textAt(row, 4),
    isPartition: boolAt(row, 5),
    replicaIdentity: textAt(row, 6),
    relfilenode: intAt(row, 7),
    estimatedRows: intAt(row, 8),
    // NULL when the relation was dropped while it was measured.
    pages: Number(optionalTextAt(row, 9) ?? 0),
    sizeBytes: Number(optionalTextAt(row, 10) ?? 0),
    schemaUsable: boolAt(row, 11),
    selectable: boolAt(row, 12),
    policiesApply: boolAt(row, 13),
    owned: boolAt(row, 14),
    hasChildren: boolAt(row, 15),
    columnsVersion: optionalTextAt(row, 17),
    highestAttnum: intAt(row, 18),
  };
}

const COLUMN_GENERATED = 8;

function readColumn(row: Row): SourceColumn {
  const generated = textAt(row, COLUMN_GENERATED);
  const expression = optionalTextAt(row, 9) ?? '';
  return {
    name: textAt(row, 1),
    attnum: intAt(row, 2),
    typeOid: intAt(row, 3),
    typmod: intAt(row, 4),
    formatted: textAt(row, 5),
    ownCollation: boolAt(row, 6),
    notNull: boolAt(row, 7),
    generated:
      generated === ''
        ? null
        : {
            kind: generated === 'v' ? 'virtual' : 'stored',
            expression,
            // `tableoid` is no dependency, but another number at the destination.
            builtinsOnly: boolAt(row, 10) && !/\btableoid\b/i.test(expression),
          },
  };
}

const KEY_IS_PRIMARY = 2;
const KEY_IS_IDENTITY = 3;

function readKey(rows: readonly Row[]): KeyFacts | null {
  const [first] = rows;
  if (first === undefined) return null;
  return {
    usable: boolAt(first, 4),
    columns: rows.map((row) => ({ name: optionalTextAt(row, 5) ?? '', notNull: boolAt(row, 6), generated: boolAt(row, 7) })),
  };
}

function readEdge(row: Row): PartitionEdge {
  return { childOid: intAt(row, 0), parentOid: intAt(row, 1), version: textAt(row, 2), createdInPlace: boolAt(row, 3) };
}
