// Turns any thrown value into the report that the command line prints: the bridge from our errors to the contract's shape.
import type { ErrorReport } from '@millrace/contract/report';
import { UsageError } from '../cli/context.ts';
import { MillraceError } from '../model/error.ts';
import { CATALOGUE } from '../model/error-catalogue.ts';

/** Code, cause and way out of `error`. What is neither ours nor a usage error is `unexpected` (2000). */
export function describeError(error: unknown): ErrorReport {
  const ours = asMillraceError(error);
  const entry = CATALOGUE[ours.errorName];
  return {
    code: entry.code,
    name: ours.errorName,
    title: entry.title,
    cause: ours.message,
    meaning: entry.meaning,
    fix: ours.fix,
    docs: ours.docs,
    sqlstate: ours.facts.sqlstate ?? null,
    object: ours.facts.object ?? null,
    exit: entry.exit,
    problems: ours.facts.problems ?? [],
  };
}

function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  if (error instanceof UsageError) return new MillraceError('usage', { cause: error.message, fix: error.hint ?? undefined }, error);
  return new MillraceError('unexpected', { cause: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }, error);
}
