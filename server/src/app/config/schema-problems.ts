// Turns the schema's complaints into problems that name line, column and the way out.
import { didYouMean } from '@millrace/contract/did-you-mean';
import { FILE_SCHEMA, type File } from '@millrace/contract/file';
import type { z } from 'zod';
import type { ProblemList } from './problem.ts';
import { type Tree, walk } from './yaml-tree.ts';

type Issue = z.core.$ZodIssue;

/** Checks the tree against the schema; gives null and adds problems when it does not fit. */
export function readFileShape(tree: Tree, problems: ProblemList): File | null {
  const result = FILE_SCHEMA.safeParse(tree.value, { reportInput: true });
  if (result.success) return result.data;
  for (const issue of result.error.issues) addIssue(issue, tree, problems);
  return null;
}

function addIssue(issue: Issue, root: Tree, problems: ProblemList): void {
  const { tree, missing } = walk(root, issue.path);
  const key = String(issue.path.at(-1) ?? 'the file');
  if (issue.code === 'unrecognized_keys') return addUnknownKeys(issue, tree, problems);
  if (issue.code === 'invalid_key') {
    for (const inner of issue.issues) problems.add(tree.keyAt, textOf(inner, key), hintOf(inner));
    return;
  }
  if (missing) return problems.add(tree.keyAt, `${key} is missing`, missingHint(issue.path));
  const label = issue.code === 'custom' ? '' : labelOf(issue.path);
  problems.add(tree.at, `${label}${textOf(issue, key)}`, hintOf(issue));
}

function addUnknownKeys(issue: z.core.$ZodIssueUnrecognizedKeys, tree: Tree, problems: ProblemList): void {
  const known = knownKeys(issue.path);
  for (const key of issue.keys) {
    const near = didYouMean(key, known);
    const at = tree.children.get(key)?.keyAt ?? tree.at;
    problems.add(
      at,
      `${JSON.stringify(key)} is not a key of ${placeName(issue.path)}`,
      near === null ? `known keys: ${known.join(', ')}` : `did you mean ${near}?`,
    );
  }
}

/** What is wrong, without repeating the value: it may be a secret. */
function textOf(issue: Issue, key: string): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'record' || issue.expected === 'object'
        ? 'must be a mapping (key: value)'
        : `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return issue.values.length === 1 ? `must be ${String(issue.values[0])}` : `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return issue.origin === 'string'
        ? 'is empty'
        : issue.origin === 'array'
          ? 'is an empty list'
          : `must be at least ${String(issue.minimum)}`;
    case 'too_big':
      return `must be at most ${String(issue.maximum)}`;
    case 'invalid_format':
      return key === 'every' ? 'must be a number with s, m, h or d, such as 30m' : 'has a wrong form';
    default:
      return issue.message;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
};

function hintOf(issue: Issue): string | null {
  if (issue.code === 'custom') {
    const hint: unknown = issue.params?.['hint'];
    return typeof hint === 'string' ? hint : null;
  }
  if (issue.code === 'invalid_type' && issue.expected === 'string')
    return 'put the value in quotes if it looks like a number, a date, true, false or null';
  if (issue.code === 'invalid_value' && typeof issue.input === 'string') {
    const near = didYouMean(issue.input, issue.values.map(String));
    return near === null ? null : `did you mean ${near}?`;
  }
  return null;
}

/** `port ` for a key, nothing at the top: what the message begins with. */
function labelOf(path: readonly PropertyKey[]): string {
  const key = path.at(-1);
  if (key === undefined) return 'the file ';
  return typeof key === 'number' ? `an item of ${String(path.at(-2) ?? 'the list')} ` : `${String(key)} `;
}

function missingHint(path: readonly PropertyKey[]): string | null {
  const example = EXAMPLES[String(path.at(-1))];
  return example === undefined ? null : `add a line such as \`${example}\``;
}

const EXAMPLES: Readonly<Record<string, string>> = {
  version: 'version: 1',
  sources: 'sources: {shop: {type: generic, host: …}}',
  destinations: 'destinations: {warehouse: {type: postgres, host: …}}',
  pipelines: 'pipelines: {shop_to_warehouse: {source: shop, destination: warehouse}}',
  type: 'type: generic (a source) or type: postgres (a destination)',
  host: 'host: db.example.com',
  database: 'database: shop',
  user: 'user: millrace',
  source: 'source: shop',
  destination: 'destination: warehouse',
  mode: 'mode: verify-full',
  host_key: 'host_key: SHA256:…',
};

function placeName(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file';
  const [section, name, ...rest] = path.map(String);
  const thing = `${SECTION_NAMES[section ?? ''] ?? 'the file'}${name === undefined ? '' : ` ${JSON.stringify(name)}`}`;
  return rest.length === 0 ? thing : `${rest[0] === 'objects' ? 'an object' : rest.join('.')} of ${thing}`;
}

const SECTION_NAMES: Readonly<Record<string, string>> = { sources: 'source', destinations: 'destination', pipelines: 'pipeline' };

/** The keys that the schema knows at `path`, read from the schema itself so that this never grows stale. */
function knownKeys(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = FILE_SCHEMA;
  for (const key of path) schema = childSchema(unwrap(schema), key);
  const shape = shapeOf(unwrap(schema));
  return shape === null ? [] : Object.keys(shape);
}

interface Definition {
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly innerType?: unknown;
  readonly out?: unknown;
  readonly valueType?: unknown;
}

function definitionOf(schema: unknown): Definition {
  return (schema as { _zod?: { def: Definition } } | undefined)?._zod?.def ?? {};
}

/** Steps inside defaults, optionals and preprocessing. */
function unwrap(schema: unknown): unknown {
  const definition = definitionOf(schema);
  const inner = definition.innerType ?? definition.out;
  return inner === undefined ? schema : unwrap(inner);
}

function childSchema(schema: unknown, key: PropertyKey): unknown {
  return shapeOf(schema)?.[String(key)] ?? definitionOf(schema).valueType;
}

function shapeOf(schema: unknown): Readonly<Record<string, unknown>> | null {
  return definitionOf(schema).shape ?? null;
}
