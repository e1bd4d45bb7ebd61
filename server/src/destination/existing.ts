// Takes tables into use that somebody else made: looks whether they fit, remembers whose they are, and never changes how they are made.
import type { PgSession } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import type { DestinationTable } from '../model/destination-table.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import type { QualifiedName } from '../pg/ident.ts';
import * as sql from './existing.sql.ts';
import { type Difference, differencesOf, type ExistingTable } from './existing-verdict.ts';
import { readColumns, readServerFacts } from './introspect.ts';

/** What to do with a table that is there: `empty`: use it if it has no rows. `replace`: the load's rows replace those that it has. */
export type ExistingPolicy = 'empty' | 'replace';

export interface ExistingRequest {
  readonly table: DestinationTable;
  readonly oid: number;
  /** The source's table. */
  readonly source: QualifiedName;
  readonly policy: ExistingPolicy;
}

/** A table of somebody else's that fits. */
export interface FittingTable {
  readonly holdsRows: boolean;
  /** Triggers, rules, foreign keys and checks, which see and may refuse the rows that are applied. */
  readonly watchers: readonly string[];
}

/** Throws `destination_table_exists` with every difference and the SQL that mends it. Changes nothing. */
export async function requireFitting(session: PgSession, request: ExistingRequest): Promise<FittingTable> {
  const existing = await readExisting(session, request);
  const { role } = await readServerFacts(session);
  const differences = differencesOf(existing, { table: request.table, role, mustBeEmpty: request.policy === 'empty' });
  if (differences.length > 0) throw refusal('destination_table_exists', request, differences);
  return { holdsRows: existing.holdsRows === true, watchers: existing.watchers };
}

/** The same for a table that was taken into use before, whose rows are ours by now. Throws `adopted_table_unfit`. */
export async function requireStillFitting(session: PgSession, request: ExistingRequest): Promise<void> {
  const existing = await readExisting(session, request);
  const { role } = await readServerFacts(session);
  const differences = differencesOf(existing, { table: request.table, role, mustBeEmpty: false });
  if (differences.length > 0) throw refusal('adopted_table_unfit', request, differences);
}

/** Says of the object's table whether others made it. Inside the transaction that makes it the object's. */
export async function markAdopted(session: PgSession, pipeline: string, source: QualifiedName, adopted: boolean): Promise<void> {
  await session.query(sql.MARK_ADOPTED, [pipeline, source.schema, source.name, adopted]);
}

/** Whether the table was made by others, and is only used. */
export async function isAdopted(session: PgSession, oid: number): Promise<boolean> {
  const [row] = await session.query(sql.IS_ADOPTED, [oid]);
  return row?.[0] === 't';
}

/** The error of whoever wants to drop, or make anew, a table that others made. */
export function notOursToDrop(source: QualifiedName): MillraceError {
  return new MillraceError('adopted_table_unfit', {
    cause: `the destination table of ${objectLabel(source)} was there before, so it is not made anew for the source's new columns or expressions`,
    object: objectLabel(source),
    side: 'destination',
  });
}

async function readExisting(session: PgSession, { table, oid }: ExistingRequest): Promise<ExistingTable> {
  const [row] = await session.query(sql.EXISTING_TABLE, [oid]);
  const [relkind, persistence, inherits, missing, policiesApply, watchers, hasPrimaryKey] = must(row, 'the table just found');
  const missingPrivileges = list(missing);
  const mayLook = relkind === 'r' && !missingPrivileges.includes('SELECT') && policiesApply !== 't';
  const details = await session.query(sql.EXISTING_COLUMNS, [oid]);
  const columns = (await readColumns(session, oid)).map((column, index) => {
    const [, typeText, notNull, hasDefault, alwaysIdentity, expression = null] = must(details[index], 'the details of a column');
    return {
      ...column,
      typeText: typeText ?? '',
      notNull: notNull === 't',
      hasDefault: hasDefault === 't',
      alwaysIdentity: alwaysIdentity === 't',
      expression,
    };
  });
  return {
    relkind: relkind ?? '',
    persistence: persistence ?? '',
    inherits: inherits === 't',
    missingPrivileges,
    policiesApply: policiesApply === 't',
    watchers: list(watchers),
    hasPrimaryKey: hasPrimaryKey === 't',
    columns,
    keys: (await session.query(sql.EXISTING_KEYS, [oid])).map(([names]) => list(names)),
    holdsRows: mayLook ? (await session.query(sql.holdsRows(table), []))[0]?.[0] === 't' : null,
  };
}

function list(json: string | null | undefined): readonly string[] {
  return JSON.parse(json ?? '[]') as readonly string[];
}

function refusal(
  errorName: 'destination_table_exists' | 'adopted_table_unfit',
  { table, source }: ExistingRequest,
  differences: readonly Difference[],
): MillraceError {
  const verb = errorName === 'destination_table_exists' ? 'exists already and does not fit' : 'was there before, and does not fit any more';
  const statements = differences.flatMap(({ sql: statement }) => (statement === null ? [] : [statement]));
  return new MillraceError(errorName, {
    cause: `the destination table ${objectLabel(table)} ${verb}: ${differences.map(({ what }) => what).join('; ')}`,
    fix: [...statements, '-- or give the object another target, or rename or drop the table'].join('\n'),
    object: objectLabel(source),
    side: 'destination',
  });
}
