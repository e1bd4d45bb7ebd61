// Has the server judge a row condition before anything is published with it: a wrong one would make the application's own UPDATE fail.
import type { PgSession } from '../db/session.ts';
import { MillraceError } from '../model/error.ts';
import { objectLabel, type SourceTable } from '../model/table.ts';
import { quoteIdent, quoteName } from '../pg/ident.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { firstMajorWith, formatServerVersion, hasFeature, type ServerVersion } from '../pg/version.ts';
import { intAt, optionalTextAt, textAt } from './catalog-row.ts';
import type { PublicationState } from './publication-plan.ts';
import { alterProbeSql, CONDITION_COLUMNS_SQL, createProbeSql, GRANT_NAMES_SQL, PROBE_MEMBERS_SQL } from './row-condition.sql.ts';

export interface ConditionRequest {
  readonly table: SourceTable;
  /** One closed expression, as the file writes it. */
  readonly where: string;
  /** `membershipOf()` when rows were loaded with this very text; null: they never were. */
  readonly loadedAs: string | null;
}

export interface SourceServer {
  readonly version: ServerVersion;
  /** The pipeline's publications. */
  readonly states: readonly PublicationState[];
}

export type ConditionVerdict =
  /** `condition`: what the server prints when it has read the condition, and prints again when it has read that. */
  { readonly kind: 'sound'; readonly condition: string } | { readonly kind: 'refused'; readonly error: MillraceError };

/**
 * The condition as publications and loads may use it, or why there can be none. A condition that is published already, as it was judged
 * before, costs no lock; a new one takes SHARE UPDATE EXCLUSIVE on the table for a moment, as publishing it will. Throws `source_blocked`
 * when the table stays locked. The session must be idle.
 */
export async function judgeCondition(session: PgSession, server: SourceServer, request: ConditionRequest): Promise<ConditionVerdict> {
  if (!hasFeature(server.version, 'publicationFilters')) return { kind: 'refused', error: tooOld(server.version, request.table) };
  try {
    const judged = (await published(session, server, request)) ?? (await probe(session, request));
    const hidden = judged.columns.filter((name) => !isLogged(request.table, name));
    return hidden.length === 0
      ? { kind: 'sound', condition: judged.condition }
      : { kind: 'refused', error: notLogged(request.table, hidden) };
  } catch (error) {
    return { kind: 'refused', error: isDenied(error) ? await denied(session, request.table, error) : refusalOf(error, request) };
  }
}

interface Judged {
  readonly condition: string;
  readonly columns: readonly string[];
}

/** The condition as it is published, where it was this text that was published. */
async function published(session: PgSession, { states }: SourceServer, { table, loadedAs }: ConditionRequest): Promise<Judged | null> {
  if (loadedAs === null) return null;
  for (const state of states) {
    const member = state.members.find((candidate) => candidate.oid === table.oid);
    if (member === undefined || !member.condition || loadedAs !== `${state.oid}/${member.membershipOid}`) continue;
    return { condition: member.condition, columns: await columnsOf(session, table, member.membershipOid) };
  }
  return null;
}

const LOCK_TIMEOUT_MS = 10_000;
const MAX_READINGS = 4;

/** Carries the outcome out of a transaction that must not be committed. */
class Undo extends Error {
  override readonly name = 'Undo';
  readonly judged: Judged;

  constructor(judged: Judged) {
    super('rolled back on purpose');
    this.judged = judged;
  }
}

async function probe(session: PgSession, { table, where }: ConditionRequest): Promise<Judged> {
  const name = `millrace_probe_${session.backendPid}`;
  try {
    await session.transaction('BEGIN', async () => {
      await session.query(`SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`);
      throw new Undo(await readUntilStable(session, name, table, where));
    });
  } catch (error) {
    if (error instanceof Undo) return error.judged;
    throw error;
  }
  throw new Error('expected the transaction to be rolled back');
}

/** What the server prints of a text is not always what it prints of that: only a fixed point can be recognised later. */
async function readUntilStable(session: PgSession, name: string, table: SourceTable, where: string): Promise<Judged> {
  let text = where;
  for (let reading = 0; reading < MAX_READINGS; reading++) {
    const statement = reading === 0 ? createProbeSql : alterProbeSql;
    // With an (empty) list of values, the server takes exactly one statement.
    await session.query(statement(name, { schema: table.schema, name: table.name, condition: text }), []);
    const [member, ...others] = await session.query(PROBE_MEMBERS_SQL, [name]);
    const printed = member === undefined ? null : optionalTextAt(member, 2);
    if (member === undefined || printed === null || others.length > 0 || intAt(member, 1) !== table.oid)
      throw impossible(table, 'the condition is not a single expression about this table', 'Write one expression under `where`.');
    if (printed === text) return { condition: printed, columns: await columnsOf(session, table, intAt(member, 0)) };
    text = printed;
  }
  throw impossible(table, 'the server prints the condition differently each time', 'Write the condition in another way.');
}

async function columnsOf(session: PgSession, table: SourceTable, membershipOid: number): Promise<readonly string[]> {
  const used = new Set((await session.query(CONDITION_COLUMNS_SQL, [membershipOid])).map((row) => Number(textAt(row, 0))));
  return table.columns.filter((column) => used.has(column.attnum)).map((column) => column.name);
}

/**
 * Whether updates and deletes log the column's former value. The server refuses the application's own UPDATE where a condition needs one
 * that they do not. Where only inserts are published, no former value is needed.
 */
function isLogged(table: SourceTable, column: string): boolean {
  if (table.identity.kind === 'none') return true;
  if (table.relkind === 'r' && table.replicaIdentity === 'full') return true;
  return table.identity.kind === 'key' && table.identity.columns.includes(column);
}

function notLogged(table: SourceTable, columns: readonly string[]): MillraceError {
  const key = table.identity.kind === 'key' ? table.identity.columns.join(', ') : '';
  const cause = `the condition looks at ${columns.join(', ')}, which updates and deletes do not log: with it, the application's UPDATE would fail`;
  const fix =
    table.relkind === 'p'
      ? `Write the condition with columns of the key alone (${key}).`
      : `ALTER TABLE ${quoteName(table)} REPLICA IDENTITY FULL;\n-- or write the condition with columns of the key alone (${key}).`;
  return impossible(table, cause, fix);
}

function tooOld(version: ServerVersion, table: SourceTable): MillraceError {
  const first = firstMajorWith('publicationFilters');
  const cause = `rows can be left out from PostgreSQL ${first} on, and the source is ${formatServerVersion(version)}`;
  return impossible(table, cause, 'Remove `where` from the object, or upgrade the source.');
}

function isDenied(error: unknown): error is MillraceError {
  return error instanceof MillraceError && error.facts.sqlstate === SqlState.insufficientPrivilege;
}

async function denied(session: PgSession, table: SourceTable, error: MillraceError): Promise<MillraceError> {
  const object = objectLabel(table);
  const [names] = await session.query(GRANT_NAMES_SQL, [table.oid]);
  const [database, role, owner] = [0, 1, 2].map((index) => quoteIdent(names?.[index] ?? '?'));
  const cause = `the condition of ${object} can only be judged by a publication of our own, which our role may not make: ${error.message}`;
  const fix = `GRANT CREATE ON DATABASE ${database} TO ${role}; GRANT ${owner} TO ${role};\n-- or remove \`where\` from the object`;
  return new MillraceError(
    'publication_not_allowed',
    { cause, fix, object, sqlstate: SqlState.insufficientPrivilege, side: 'source' },
    error,
  );
}

/** Only what the server says of the condition itself is a refusal; anything else may be gone in a moment. */
function refusalOf(error: unknown, { table }: ConditionRequest): MillraceError {
  if (!(error instanceof MillraceError)) throw error;
  if (error.errorName === 'filter_impossible') return error;
  const { sqlstate = '' } = error.facts;
  const label = objectLabel(table);
  if (sqlstate === SqlState.lockNotAvailable) {
    const cause = `${label} is locked, and its row condition can't be judged meanwhile`;
    throw new MillraceError('source_blocked', { cause, object: label, sqlstate, side: 'source' }, error);
  }
  if (!ABOUT_THE_CONDITION.test(sqlstate)) throw error;
  const hint = `Mend the condition: it may use columns of ${quoteIdent(table.name)} and built-in, immutable functions and operators; no subqueries, no system columns.`;
  return impossible(table, `the server refuses the condition: ${error.message}`, hint, sqlstate);
}

/** Syntax and names, what is not supported, and values that can't be read. Source: manual, "Appendix A. PostgreSQL Error Codes". */
const ABOUT_THE_CONDITION = /^(?:42|0A|22|54)/;

function impossible(table: SourceTable, cause: string, fix: string, sqlstate?: string): MillraceError {
  return new MillraceError('filter_impossible', { cause, fix, sqlstate, object: objectLabel(table), side: 'source' });
}
