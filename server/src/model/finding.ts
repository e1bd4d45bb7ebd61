// What a preflight check reports: not an exception, but a row of a list, with the way out.
import { CATALOGUE, type ErrorName } from './error-catalogue.ts';

export type FindingStatus = 'pass' | 'warn' | 'fail';

/** One row of `millrace check`; the shape is part of the public interface. */
export interface Finding {
  readonly status: FindingStatus;
  readonly code: string;
  readonly name: string;
  readonly title: string;
  readonly cause: string;
  readonly fix: string;
  readonly docs: string;
  readonly sqlstate: string | null;
  /** `schema.table`, or null when the finding is about the server or the pipeline. */
  readonly object: string | null;
}

/** A finding that something is as it should be. `name` is the check's own stable name, `title` says what holds. */
export function passed(name: string, title: string): Finding {
  return { status: 'pass', code: '0', name, title, cause: '', fix: '', docs: '', sqlstate: null, object: null };
}

/** A finding with a code of the catalogue. */
export function problem(status: 'warn' | 'fail', name: ErrorName, facts: FindingFacts): Finding {
  const entry = CATALOGUE[name];
  return {
    status,
    code: entry.code,
    name,
    title: entry.title,
    cause: facts.cause,
    fix: facts.fix ?? entry.fix,
    docs: `docs/errors.md#${entry.code}`,
    sqlstate: facts.sqlstate ?? null,
    object: facts.object ?? null,
  };
}

export interface FindingFacts {
  readonly cause: string;
  readonly fix?: string | undefined;
  readonly sqlstate?: string | undefined;
  readonly object?: string | undefined;
}
