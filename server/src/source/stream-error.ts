// Says where in the stream the source gave up, and what helps: the log can't be changed, so waiting would be for nothing.
import { MillraceError } from '../model/error.ts';
import { SqlState } from '../pg/sqlstate.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';

/**
 * The error that ended a stream. `received`: how far it had come. All but two keep their own words: a row that is too large, and a
 * publication that was missing when a change was written, which servers before 18 refuse to decode even when it is there again.
 */
export function streamError(error: unknown, slotName: string, received: Lsn): unknown {
  if (!(error instanceof MillraceError)) return error;
  const place = associatedLsn(error.cause);
  const where = place === null ? `after ${formatLsn(received)}` : `at ${place}`;
  const behindNewSlot = `SELECT pg_catalog.pg_drop_replication_slot('${slotName}'); at the source, and millrace objects restart -f FILE --pipeline NAME loads everything behind a new slot.`;
  if (error.errorName === 'value_too_large') {
    const cause = `the source can't send a change ${where} of its log: the row exceeds the server's 1 GB limit (${error.facts.cause})`;
    const fix = `The change stays in the log, so the stream can't pass it. Shrink the value at the source, or skip its table (millrace objects skip); then ${behindNewSlot}`;
    return new MillraceError('value_too_large', { ...error.facts, cause, fix }, error);
  }
  if (error.facts.sqlstate === SqlState.undefinedObject) {
    const cause = `a publication did not exist when a change ${where} of the source's log was written (${error.facts.cause})`;
    const fix = `The log can't be changed, so the stream can't pass this change: ${behindNewSlot}`;
    return new MillraceError('publication_lost', { ...error.facts, cause, fix }, error);
  }
  return error;
}

/** The server's CONTEXT ends with "associated LSN 0/1A2B3C4"; its words may be translated. */
function associatedLsn(underlying: unknown): string | null {
  const { where } = (underlying ?? {}) as { where?: unknown };
  return typeof where === 'string' ? (/\b[0-9A-F]{1,8}\/[0-9A-F]{1,8}\b/.exec(where)?.[0] ?? null) : null;
}
