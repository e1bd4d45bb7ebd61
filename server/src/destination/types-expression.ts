// Reads a generated column's expression just far enough to know which columns it names and that it is one closed expression.

/** The names and operators of an expression, or `unreadable` when it could end early and change the statement that it is put into. */
export type ExpressionReading = ClosedExpression | { readonly kind: 'unreadable' };

export interface ClosedExpression {
  readonly kind: 'closed';
  /** Columns, functions, types and keywords alike; unquoted ones in lower case. */
  readonly names: ReadonlySet<string>;
  readonly operators: ReadonlySet<string>;
}

/**
 * Splits `expression` as PostgreSQL's scanner does with `standard_conforming_strings` on. Unreadable: unbalanced brackets, an open
 * quote, a comment, a dollar quote or a semicolon; `pg_get_expr` prints none of these, so such a text did not come from it.
 * Source: PostgreSQL manual, "4.1. Lexical Structure".
 */
export function readExpression(expression: string): ExpressionReading {
  const names = new Set<string>();
  const operators = new Set<string>();
  const open: string[] = [];
  let end = 0;
  for (const match of expression.matchAll(TOKEN)) {
    // A gap: some text at `end` is no token.
    if (match.index !== end) return { kind: 'unreadable' };
    end = match.index + match[0].length;
    const { word, quoted, bracket, operator } = match.groups ?? {};
    if (word !== undefined) names.add(word.toLowerCase());
    if (quoted !== undefined) names.add(quoted.slice(1, -1).replaceAll('""', '"'));
    if (operator !== undefined) operators.add(operator);
    if (bracket === '(' || bracket === '[') open.push(bracket);
    else if (bracket !== undefined && open.pop() !== OPENING[bracket]) return { kind: 'unreadable' };
  }
  return end === expression.length && open.length === 0 && expression.trim() !== ''
    ? { kind: 'closed', names, operators }
    : { kind: 'unreadable' };
}

/**
 * Whether the expression could give another value under another collation: it calls anything, or compares with anything, that is not
 * known to look at the bytes of text only. Equality does, since a database's default collation is always deterministic.
 */
export function dependsOnCollation(expression: ClosedExpression, columns: ReadonlySet<string>): boolean {
  const unknown = [...expression.names].some((name) => !columns.has(name) && !BYTEWISE_NAMES.has(name));
  return unknown || [...expression.operators].some((operator) => !BYTEWISE_OPERATORS.has(operator));
}

const BYTEWISE_OPERATORS = new Set(['||', '->', '->>', '#>', '#>>', '+', '-', '*', '/', '%', '=', '<>']);

const KEYWORDS = 'and case coalesce else end false is not null nullif or then true when';
const TYPES = 'bigint boolean bpchar bytea character date double integer json jsonb name numeric precision real smallint text uuid varying';
const FUNCTIONS =
  'btrim char_length left length ltrim md5 octet_length repeat replace reverse right rtrim sha256 split_part substr substring';

const BYTEWISE_NAMES = new Set(`${KEYWORDS} ${TYPES} ${FUNCTIONS}`.split(' '));

const OPENING: Readonly<Record<string, string>> = { ')': '(', ']': '[' };

const TOKEN = new RegExp(
  [
    String.raw`[eE]'(?:[^'\\]|\\[^]|'')*'`, // a string with escapes
    String.raw`'(?:[^']|'')*'`, // a string without
    String.raw`(?<quoted>"(?:[^"]|"")*")`,
    String.raw`(?<word>[A-Za-z_\u0080-\u{10ffff}][A-Za-z0-9_\u0080-\u{10ffff}]*)`,
    String.raw`[0-9.]+(?:[eE][+-]?[0-9]+)?`,
    String.raw`(?<bracket>[()[\]])`,
    '::?|,', // casts, slices, lists
    String.raw`(?<operator>(?:-(?!-)|\/(?!\*)|[+*<>=~!@#%^&|?\x60])+)`, // but not the start of a comment
    String.raw`\s+`,
  ].join('|'),
  'gu',
);
