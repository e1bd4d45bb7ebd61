// A mapping of the file as the checks see it: they complain about its keys by name and never handle positions.
import type { ProblemList } from './problem.ts';
import { type Tree, walk } from './yaml-tree.ts';

export class Place {
  readonly #root: Tree;
  readonly #path: readonly string[];
  readonly #problems: ProblemList;

  constructor(root: Tree, path: readonly string[], problems: ProblemList) {
    this.#root = root;
    this.#path = path;
    this.#problems = problems;
  }

  /** The mapping (or list item) below. */
  inside(...path: readonly string[]): Place {
    return new Place(this.#root, [...this.#path, ...path], this.#problems);
  }

  /** A problem at the key, or at this mapping when the key is absent. */
  problem(key: string, message: string, hint: string): void {
    this.#problems.add(this.#at(key), message, hint);
  }

  warn(key: string, message: string, hint: string): void {
    this.#problems.warn(this.#at(key), message, hint);
  }

  /** A problem for a setting that a later version will have. */
  refuse(key: string, what: string, hint: string): void {
    this.problem(key, `${what} is not available in this version yet`, hint);
  }

  #at(key: string) {
    return walk(this.#root, [...this.#path, key]).tree.keyAt;
  }
}
