// Keeps one pipeline running: session after session, with a pause between that grows while nothing gets better.
import { setTimeout as delay } from 'node:timers/promises';
import { ObjectHalt } from '../../engine/assembler.ts';
import { backoffMs } from '../../lib/backoff.ts';
import { MillraceError } from '../../model/error.ts';
import { CATALOGUE } from '../../model/error-catalogue.ts';
import type { Lsn } from '../../pg/lsn.ts';
import { ProtocolError } from '../../pg/protocol-error.ts';
import type { PipelineRun } from './pipeline-run.ts';
import type { Approvals } from './schema-changes.ts';
import { runSession } from './session.ts';
import { SessionRestart } from './session-restart.ts';
import { Mends } from './mends.ts';
import type { Tenure } from './tenure.ts';

/** A wrong password is tried at most once a minute: more could lock the account. */
const SLOW_RETRY_MS = 60_000;
/** Transient errors in a row, each of a session that brought nothing to the destination, after which `once` gives up. */
const ONCE_ATTEMPTS = 6;
/** A session that lasted this long worked: what ended it is a new trouble. */
const STEADY_MS = 10_000;
/** Sessions shorter than that are begun anew at once only a few times in a row. */
const QUICK_RESTARTS = 3;

/**
 * Runs until the signal aborts or, with `once`, until the work is done. Throws a `MillraceError` when a person has to do something: at the
 * first start for whatever can't be reached, later only for what never heals by itself.
 */
export async function runPipeline(run: PipelineRun): Promise<void> {
  let hasWorked = false;
  let failures = 0;
  let restarts = 0;
  const reloaded = new Set<string>();
  const secondChances = new Map<string, Lsn>();
  const approvals: Approvals = new Map();
  const tenure: Tenure = { epoch: null, refreshed: new Set() };
  const mends = new Mends();
  while (!run.signal.aborted) {
    let hasAdvanced = false;
    const onWorking = (): void => {
      hasWorked = true;
    };
    const onAdvance = (): void => {
      hasAdvanced = true;
    };
    const startedAtMs = performance.now();
    try {
      await runSession({ ...run, onWorking, onAdvance, secondChances, approvals, tenure, mends });
      return;
    } catch (error) {
      if (run.signal.aborted) return;
      if (error instanceof SessionRestart) {
        run.log.info('starting the session anew', { why: error.message });
        if (performance.now() - startedAtMs >= STEADY_MS) {
          restarts = 0;
          reloaded.clear();
        }
        // A migration may have many objects loaded again, each by a session of its own.
        if (error.reloads === null || reloaded.has(error.reloads)) restarts++;
        else reloaded.add(error.reloads);
        // One object that fails again and again must not keep the others from streaming.
        if (restarts > QUICK_RESTARTS) await delay(backoffMs(restarts - QUICK_RESTARTS), undefined, { signal: run.signal }).catch(() => {});
        continue;
      }
      const problem = asMillraceError(error);
      // A session that only came as far as streaming has proved nothing: what breaks it may come back with the next batch.
      const wasSteady = hasWorked && !run.once && performance.now() - startedAtMs >= STEADY_MS;
      failures = wasSteady || hasAdvanced ? 1 : failures + 1;
      if (isFinal(problem, { hasWorked, once: run.once, failures })) throw problem;
      const waitMs = CATALOGUE[problem.errorName].retry === 'slow' ? SLOW_RETRY_MS : backoffMs(failures);
      run.log.warn('the session ended; trying again', { code: problem.code, cause: problem.facts.cause, waitMs });
      run.observer.pipelineState('retrying', problem);
      await delay(waitMs, undefined, { signal: run.signal }).catch(() => {});
    }
  }
}

function isFinal(error: MillraceError, facts: { readonly hasWorked: boolean; readonly once: boolean; readonly failures: number }): boolean {
  const { retry } = CATALOGUE[error.errorName];
  if (retry === 'fatal' || retry === 'decision') return true;
  if (!facts.hasWorked) return !isWorthWaiting(error) || facts.failures >= ONCE_ATTEMPTS;
  if (facts.once) return retry !== 'backoff' || facts.failures >= ONCE_ATTEMPTS;
  return false;
}

/** At the very start, a mistake in the file is far likelier than an outage; what a former run leaves behind for a moment is neither. */
function isWorthWaiting(error: MillraceError): boolean {
  return error.errorName === 'slot_in_use' || error.errorName === 'connection_lost' || error.errorName === 'destination_blocked';
}

function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  if (error instanceof ObjectHalt) return error.reason;
  if (error instanceof ProtocolError)
    return new MillraceError('protocol_violation', { cause: `source: ${error.message}`, side: 'source' }, error);
  return new MillraceError('unexpected', { cause: error instanceof Error ? error.message : String(error) }, error);
}
