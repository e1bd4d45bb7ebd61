// Whose fault a failed flush is: one object's, the moment's, or the session's. Only the first halts an object.
import { MillraceError } from '../model/error.ts';
import { CATALOGUE } from '../model/error-catalogue.ts';
import { isTransientSqlState, SqlState, sqlStateClass } from '../pg/sqlstate.ts';

/**
 * - `object`: the server refused what the object's rows or its table are; trying again changes nothing.
 * - `moment`: a lock, a full disk, a deadlock, a cancelled statement: the whole batch is to be tried again later.
 * - `session`: the connection is gone or can't be trusted any more, or another process has taken over.
 */
export type Fault = 'object' | 'moment' | 'session';

export function faultOf(error: unknown): Fault {
  if (!(error instanceof MillraceError)) return 'session';
  const { errorName, facts } = error;
  if (errorName === 'connection_lost' || errorName === 'protocol_violation' || errorName === 'fenced') return 'session';
  if (errorName !== 'unexpected') return CATALOGUE[errorName].retry === 'backoff' ? 'moment' : 'object';
  if (facts.sqlstate === undefined) return 'session';
  return isOfTheMoment(facts.sqlstate) ? 'moment' : 'object';
}

function isOfTheMoment(sqlstate: string): boolean {
  return isTransientSqlState(sqlstate) || sqlstate === SqlState.queryCanceled || sqlStateClass(sqlstate) === SYSTEM_ERROR;
}

const SYSTEM_ERROR = '58';
