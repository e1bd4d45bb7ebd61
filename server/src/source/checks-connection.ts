// Tries what a stream will need from the connection: a server process of its own, our settings in effect, and real replication.
import { connect } from '../db/connect.ts';
import type { PgSession } from '../db/session.ts';
import { must } from '../lib/assert.ts';
import type { ConnectionSettings } from '../model/connection.ts';
import { MillraceError } from '../model/error.ts';
import type { ErrorName } from '../model/error-catalogue.ts';
import { type Finding, passed, problem } from '../model/finding.ts';
import { quoteIdent } from '../pg/ident.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { boolAt, intAt } from './catalog-row.ts';
import { SESSION_FACTS_SQL } from './checks.sql.ts';
import { identifySystem } from './system.ts';

/** What one transaction after another says about the server behind a session. */
export interface DirectnessFacts {
  /** The process that the server announced when the session began. */
  readonly announcedPid: number;
  readonly pids: readonly number[];
  readonly settingsInEffect: boolean;
}

/** Whether the session reaches one server process and keeps it: a pooler neither carries replication nor session settings. */
export async function checkDirectness(session: PgSession): Promise<Finding> {
  const answers = [];
  for (let attempt = 0; attempt < DIRECTNESS_ATTEMPTS; attempt += 1) {
    const [row] = await session.query(SESSION_FACTS_SQL);
    answers.push(must(row, 'the answer about the session'));
  }
  return judgeDirectness({
    announcedPid: session.backendPid,
    pids: answers.map((row) => intAt(row, 0)),
    settingsInEffect: answers.every((row) => boolAt(row, 1)),
  });
}

/** The verdict of `checkDirectness`. */
export function judgeDirectness(facts: DirectnessFacts): Finding {
  if (facts.pids.some((pid) => pid !== facts.announcedPid)) {
    const cause = `the server announced process ${facts.announcedPid}, but process ${facts.pids.join(', ')} answers`;
    return problem('fail', 'pooler_in_between', { cause });
  }
  if (!facts.settingsInEffect) {
    return problem('fail', 'pooler_in_between', { cause: 'settings that the session asked for are not in effect' });
  }
  return passed('source_direct', 'the connection reaches the server itself');
}

/** Opens a replication connection, asks it for its system, and closes it. Takes a WAL sender for a moment. */
export async function checkReplicationConnection(settings: ConnectionSettings): Promise<Finding> {
  try {
    const session = await connect(settings, { applicationName: 'millrace check', side: 'source', replication: 'database' });
    try {
      const system = await identifySystem(session);
      return passed('source_replication', `replication works (system ${system.systemId}, timeline ${system.timeline})`);
    } finally {
      await session.close();
    }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return replicationProblem(error, settings);
  }
}

/** What a failed replication connection means, by SQLSTATE. */
export function replicationProblem(error: MillraceError, settings: Pick<ConnectionSettings, 'user' | 'database'>): Finding {
  const name = nameOf(error);
  const role = quoteIdent(settings.user);
  const fixes: Partial<Record<ErrorName, string>> = {
    replication_role_missing: `ALTER ROLE ${role} WITH REPLICATION;`,
    replication_access_denied: `GRANT CONNECT ON DATABASE ${quoteIdent(settings.database)} TO ${role};`,
  };
  return problem('fail', name, { cause: error.message, fix: fixes[name], sqlstate: error.facts.sqlstate });
}

const DIRECTNESS_ATTEMPTS = 3;

function nameOf(error: MillraceError): ErrorName {
  switch (error.facts.sqlstate) {
    case SqlState.insufficientPrivilege:
      // "permission denied for database" is about the database; the others are about the role.
      return error.errorName === 'database_missing' ? 'replication_access_denied' : 'replication_role_missing';
    case SqlState.tooManyConnections:
      return 'no_free_sender';
    case SqlState.syntaxError:
    case SqlState.featureNotSupported:
    case PROTOCOL_VIOLATION:
      // An ordinary backend answered (it does not know IDENTIFY_SYSTEM), or something refused the startup packet.
      return 'pooler_in_between';
    default:
      return error.errorName;
  }
}

/** What poolers answer to a startup parameter that they don't know. */
const PROTOCOL_VIOLATION = '08P01';
