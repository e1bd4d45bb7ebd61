// What is wrong with the configuration file, and where: collected while reading, so that one run shows every mistake.
import { MillraceError } from '../../model/error.ts';

/** A place in the file, counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** One mistake. The message never repeats a value that may be a secret. */
export interface Problem extends Position {
  readonly message: string;
  readonly hint: string | null;
}

/** Problems end the reading; warnings go with the settings. */
export class ProblemList {
  readonly #problems: Problem[] = [];
  readonly #warnings: Problem[] = [];
  readonly #settled = new Set<string>();

  add(at: Position, message: string, hint: string | null = null): void {
    if (this.#settled.has(`${at.line}:${at.column}`)) return;
    this.#problems.push({ line: at.line, column: at.column, message, hint });
  }

  /** Adds a problem that explains every later one at the same place (a missing variable leaves an empty value behind). */
  settle(at: Position, message: string, hint: string | null = null): void {
    this.add(at, message, hint);
    this.#settled.add(`${at.line}:${at.column}`);
  }

  warn(at: Position, message: string, hint: string | null = null): void {
    this.#warnings.push({ line: at.line, column: at.column, message, hint });
  }

  get isEmpty(): boolean {
    return this.#problems.length === 0;
  }

  /** Warnings in the file's order. */
  get warnings(): readonly Problem[] {
    return inOrder(this.#warnings);
  }

  /** Throws `config_invalid` with all problems, in the file's order, when there are any. */
  throwIfAny(path: string): void {
    if (this.isEmpty) return;
    const problems = inOrder(this.#problems).map((problem) => ({ path, ...problem }));
    throw new MillraceError('config_invalid', {
      cause: problems.map((p) => `${p.path}:${p.line}:${p.column}: ${p.message}`).join('\n'),
      fix: problems.map((p) => p.hint).find((hint) => hint !== null),
      problems,
    });
  }
}

function inOrder(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return [...problems]
    .sort((a, b) => a.line - b.line || a.column - b.column)
    .filter((problem) => {
      const key = JSON.stringify(problem);
      return seen.has(key) ? false : seen.add(key);
    });
}
