// Reads YAML into plain values that still know their place in the file, so that every later complaint can name line and column.
import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseAllDocuments } from 'yaml';
import type { Position, ProblemList } from './problem.ts';
import { yamlProblem } from './yaml-problem.ts';

/** A value of the file with the places of its parts. `keyAt` is where its key stands (the value itself in lists and at the top). */
export interface Tree {
  readonly at: Position;
  readonly keyAt: Position;
  /** Children by key or list index; empty for scalars. */
  readonly children: ReadonlyMap<string, Tree>;
  /** Null-prototype objects, arrays, strings, numbers, booleans and null. */
  readonly value: unknown;
}

/** Gives the value of a scalar text: the place for `${ENV}`. */
export type TextReader = (text: string, at: Position) => string;

const MAX_DEPTH = 32;
/** Aliases can repeat a part; this bounds what a small file can grow into. */
const MAX_NODES = 200_000;
/** Names that JavaScript objects treat specially; refused as keys so that no lookup can be led astray. */
const REFUSED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Parses `text` as one YAML document. Adds every mistake to `problems`; gives null when the syntax itself is broken. */
export function readTree(text: string, problems: ProblemList, readText: TextReader): Tree | null {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: 'silent' });
  if (!Array.isArray(documents) || documents.length === 0) {
    problems.add({ line: 1, column: 1 }, 'the file is empty', 'start with `version: 1`, then sources, destinations and pipelines');
    return null;
  }
  const [document, second] = documents as Document.Parsed[];
  if (document === undefined) return null;
  if (second !== undefined) {
    problems.add(
      positionOf(lines, second.range[0]),
      'the file holds more than one YAML document',
      'keep one document a file: remove the line `---`',
    );
    return null;
  }
  for (const mistake of [...document.errors, ...document.warnings]) {
    const { message, hint } = yamlProblem(mistake.code);
    problems.add(positionOf(lines, mistake.pos[0]), message, hint);
  }
  if (!problems.isEmpty) return null;
  if (document.contents === null) {
    problems.add({ line: 1, column: 1 }, 'the file is empty', 'start with `version: 1`, then sources, destinations and pipelines');
    return null;
  }
  const reader = new TreeReader(document, lines, problems, readText);
  const tree = reader.read(document.contents, null, 0);
  return reader.isBroken ? null : tree;
}

/** The tree at `path`, or the deepest one on the way to it with `missing` naming what is not there. */
export function walk(tree: Tree, path: readonly PropertyKey[]): { readonly tree: Tree; readonly missing: boolean } {
  let current = tree;
  for (const key of path) {
    const child = current.children.get(String(key));
    if (child === undefined) return { tree: current, missing: true };
    current = child;
  }
  return { tree: current, missing: false };
}

function positionOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

class TreeReader {
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #problems: ProblemList;
  readonly #readText: TextReader;
  readonly #open = new Set<Node>();
  readonly #targets = new Map<Alias, Node | undefined>();
  #nodes = 0;
  #isBroken = false;
  #hasOverflowed = false;

  constructor(document: Document.Parsed, lines: LineCounter, problems: ProblemList, readText: TextReader) {
    this.#document = document;
    this.#lines = lines;
    this.#problems = problems;
    this.#readText = readText;
  }

  /** Whether parts are missing from the tree, so that checking it further would only produce noise. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  read(node: Node | null, keyAt: Position | null, depth: number): Tree {
    const at = this.#at(node, keyAt);
    const place = { at, keyAt: keyAt ?? at };
    this.#nodes += 1;
    if (node === null || this.#isTooMuch(at, depth)) return { ...place, children: new Map(), value: null };
    if (isAlias(node)) return this.#readAlias(this.#targetOf(node), place, depth);
    if (isMap(node)) return this.#readMap(node.items as Pair<Node, Node | null>[], place, depth);
    if (isSeq(node)) return this.#readList(node.items as (Node | null)[], place, depth);
    return { ...place, children: new Map(), value: isScalar(node) ? this.#readScalar(node.value, at) : null };
  }

  /** Finding an anchor reads the whole document, and one alias may be met a hundred thousand times. */
  #targetOf(alias: Alias): Node | undefined {
    if (!this.#targets.has(alias)) this.#targets.set(alias, alias.resolve(this.#document));
    return this.#targets.get(alias);
  }

  #readAlias(target: Node | undefined, place: Place, depth: number): Tree {
    if (target === undefined) {
      const { message, hint } = yamlProblem('BAD_ALIAS');
      return this.#break(place, message, hint);
    }
    if (this.#open.has(target)) return this.#break(place, 'an alias points at itself', 'write the value out');
    this.#open.add(target);
    const tree = this.read(target, place.keyAt, depth + 1);
    this.#open.delete(target);
    return tree;
  }

  #readMap(items: readonly Pair<Node, Node | null>[], place: Place, depth: number): Tree {
    const children = new Map<string, Tree>();
    const value = Object.create(null) as Record<string, unknown>;
    for (const pair of items) {
      const keyAt = this.#at(pair.key, place.at);
      const key = this.#readKey(pair.key, keyAt);
      if (key === null) continue;
      const first = children.get(key);
      if (first) {
        this.#problems.add(
          keyAt,
          `the key ${quoted(key)} stands here twice`,
          `it stands at line ${first.keyAt.line} already; keep one of the two`,
        );
        continue;
      }
      const child = this.read(pair.value, keyAt, depth + 1);
      children.set(key, child);
      value[key] = child.value;
    }
    return { ...place, children, value };
  }

  #readList(items: readonly (Node | null)[], place: Place, depth: number): Tree {
    const trees = items.map((item) => this.read(item, null, depth + 1));
    return { ...place, children: new Map(trees.map((tree, index) => [String(index), tree])), value: trees.map((tree) => tree.value) };
  }

  /** A key is always text: `2024:` and `yes:` mean what is written. */
  #readKey(node: Node, at: Position): string | null {
    const key = isScalar(node) ? (typeof node.value === 'string' ? node.value : (node.source ?? String(node.value))) : null;
    const place = { at, keyAt: at };
    if (key === null) this.#break(place, 'a key must be plain text', 'put a key with special characters in double quotes');
    else if (key === '<<') this.#break(place, 'merge keys (<<) are not supported', 'write the keys out, or use an alias for a whole value');
    else if (REFUSED_KEYS.has(key)) this.#break(place, `${quoted(key)} can't be used as a name`, 'choose another name');
    else return key;
    return null;
  }

  #readScalar(value: unknown, at: Position): unknown {
    if (typeof value === 'string') return this.#readText(value, at);
    if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
    this.#problems.add(at, 'a value of this YAML type is not supported', 'write it as text in double quotes');
    return null;
  }

  #isTooMuch(at: Position, depth: number): boolean {
    if (depth <= MAX_DEPTH && this.#nodes <= MAX_NODES) return false;
    // One complaint is enough: every further node would only repeat it.
    if (!this.#hasOverflowed)
      this.#break(
        { at, keyAt: at },
        'the file is nested too deeply or grows too large through aliases',
        'write the values out instead of repeating aliases',
      );
    this.#hasOverflowed = true;
    return true;
  }

  #break(place: Place, message: string, hint: string): Tree {
    this.#problems.add(place.at, message, hint);
    this.#isBroken = true;
    return { ...place, children: new Map(), value: null };
  }

  #at(node: Node | null, fallback: Position | null): Position {
    // A key without a value has an empty one somewhere behind it; the key is the place to look at.
    const isAbsent = isScalar(node) && node.value === null && node.range?.[0] === node.range?.[1];
    const offset = isAbsent && fallback !== null ? undefined : node?.range?.[0];
    return offset === undefined ? (fallback ?? { line: 1, column: 1 }) : positionOf(this.#lines, offset);
  }
}

type Place = Pick<Tree, 'at' | 'keyAt'>;

function quoted(text: string): string {
  return JSON.stringify(text);
}
