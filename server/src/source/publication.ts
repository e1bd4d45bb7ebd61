// Makes and keeps the two publications of a pipeline, or says exactly what somebody with the rights must run.
import type { PgSession } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel } from '../model/table.ts';
import { hasFeature, parseServerVersion } from '../pg/version.ts';
import { must } from '../lib/assert.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { SERVER_VERSION_SQL } from './catalog.sql.ts';
import { boolAt, groupRows, intAt, optionalTextAt, textAt } from './catalog-row.ts';
import {
  BLOCKERS_SQL,
  dropPublicationSql,
  PUBLICATION_SCHEMAS_SQL,
  type PublicationColumns,
  publicationsSql,
  publicationTablesSql,
  touchPublicationSql,
} from './publication.sql.ts';
import {
  type ExistingPublications,
  type PublicationPlan,
  type PublicationState,
  planPublications,
  type WantedTables,
} from './publication-plan.ts';
import type { PublicationNames } from './slot-name.ts';

export interface EnsureOptions {
  /**
   * How long to wait for tables that VACUUM, CREATE INDEX or ALTER TABLE holds. Writers neither block us nor are blocked:
   * a publication takes SHARE UPDATE EXCLUSIVE on its tables.
   */
  readonly lockTimeoutMs?: number | undefined;
}

/**
 * Brings both publications to what is wanted, in one transaction, and says what changed. Throws `publication_not_allowed` with
 * the SQL to paste when the role may not, and `source_blocked` when a table stays locked. The session must be idle.
 */
export async function ensurePublications(
  session: PgSession,
  names: PublicationNames,
  wanted: WantedTables,
  options: EnsureOptions = {},
): Promise<PublicationPlan> {
  const columns = await publicationColumns(session);
  const plan = planPublications(names, await existingPublications(session, names, columns), wanted, columns);
  if (plan.statements.length === 0) return plan;
  try {
    await session.transaction('BEGIN', async () => {
      await session.query(`SET LOCAL lock_timeout = ${options.lockTimeoutMs ?? DEFAULT_LOCK_TIMEOUT_MS}`);
      for (const statement of plan.statements) await session.query(statement);
    });
  } catch (error) {
    throw await explain(error, session, plan);
  }
  return plan;
}

/** The publications of these names that exist. */
export async function readPublications(session: PgSession, names: readonly string[]): Promise<readonly PublicationState[]> {
  return readStates(session, names, await publicationColumns(session));
}

/** What `ensurePublications` would do, without doing it: for the preflight. */
export async function previewPublications(session: PgSession, names: PublicationNames, wanted: WantedTables): Promise<PublicationPlan> {
  const columns = await publicationColumns(session);
  return planPublications(names, await existingPublications(session, names, columns), wanted, columns);
}

/**
 * Touches our publications without changing them, so that a decoding server forgets what it remembers about their tables.
 * Call it after `waitForWriters`: before 13.21, 14.18, 15.13, 16.9 and 17.5 a transaction that was open while a table was added
 * leaves the server believing that the table is not published, and every later change of it would be lost.
 */
export async function refreshPublications(session: PgSession, names: PublicationNames): Promise<void> {
  const states = await readPublications(session, [names.full, names.insertOnly]);
  for (const state of states.filter((candidate) => candidate.owned)) {
    await session.query(touchPublicationSql(state.name, state.viaRoot));
  }
}

/** Drops those of our publications that our role owns; an administrator's stay and are named in `kept`. */
export async function dropPublications(
  session: PgSession,
  names: PublicationNames,
): Promise<{ readonly dropped: readonly string[]; readonly kept: readonly string[] }> {
  const states = await readPublications(session, [names.full, names.insertOnly]);
  const owned = states.filter((state) => state.owned).map((state) => state.name);
  for (const name of owned) await session.query(dropPublicationSql(name));
  return { dropped: owned, kept: states.filter((state) => !state.owned).map((state) => state.name) };
}

const DEFAULT_LOCK_TIMEOUT_MS = 10_000;

async function publicationColumns(session: PgSession): Promise<PublicationColumns> {
  const [row] = await session.query(SERVER_VERSION_SQL);
  const version = parseServerVersion(textAt(must(row, 'the server version'), 0));
  return { filters: hasFeature(version, 'publicationFilters'), generated: hasFeature(version, 'publishGeneratedColumns') };
}

async function existingPublications(
  session: PgSession,
  names: PublicationNames,
  columns: PublicationColumns,
): Promise<ExistingPublications> {
  const states = await readStates(session, [names.full, names.insertOnly], columns);
  const named = (name: string): PublicationState | null => states.find((state) => state.name === name) ?? null;
  return { full: named(names.full), insertOnly: named(names.insertOnly) };
}

async function readStates(session: PgSession, names: readonly string[], columns: PublicationColumns): Promise<readonly PublicationState[]> {
  const rows = await session.query(publicationsSql(columns), [names]);
  const oids = rows.map((row) => textAt(row, 0));
  const members = groupRows(await session.query(publicationTablesSql(columns), [oids]), 0);
  const schemas = groupRows(columns.filters ? await session.query(PUBLICATION_SCHEMAS_SQL, [oids]) : [], 0);
  return rows.map((row) => ({
    oid: intAt(row, 0),
    name: textAt(row, 1),
    owned: boolAt(row, 2),
    allTables: boolAt(row, 3),
    actions: { insert: boolAt(row, 4), update: boolAt(row, 5), delete: boolAt(row, 6), truncate: boolAt(row, 7) },
    viaRoot: boolAt(row, 8),
    publishesGenerated: boolAt(row, 9),
    members: (members.get(intAt(row, 0)) ?? []).map((member) => ({
      membershipOid: intAt(member, 1),
      oid: intAt(member, 2),
      schema: textAt(member, 3),
      name: textAt(member, 4),
      filtered: boolAt(member, 5),
      condition: optionalTextAt(member, 6),
    })),
    schemas: (schemas.get(intAt(row, 0)) ?? []).map((schema) => ({ schema: textAt(schema, 1), membershipOid: intAt(schema, 2) })),
  }));
}

/** The error that tells what to do, where the server's own does not. */
async function explain(error: unknown, session: PgSession, plan: PublicationPlan): Promise<unknown> {
  if (!(error instanceof MillraceError)) return error;
  const { sqlstate } = error.facts;
  if (sqlstate === SqlState.insufficientPrivilege) {
    const fix = plan.statements.map((statement) => `${statement};`).join('\n');
    return new MillraceError('publication_not_allowed', { cause: error.message, fix, sqlstate, side: 'source' }, error);
  }
  if (sqlstate === SqlState.lockNotAvailable) {
    return new MillraceError('source_blocked', { cause: await blockedBy(session, plan), sqlstate, side: 'source' }, error);
  }
  return error;
}

async function blockedBy(session: PgSession, plan: PublicationPlan): Promise<string> {
  const [row] = await session.query(BLOCKERS_SQL, [plan.added.map((table) => String(table.oid))]);
  if (row === undefined) return 'a table that the publication needs is locked';
  const table = objectLabel({ schema: textAt(row, 1), name: textAt(row, 2) });
  return `${table} is locked (${textAt(row, 3)}) by process ${row[0] ?? 'of a prepared transaction'}`;
}
