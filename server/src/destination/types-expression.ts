// Reads a generated column's expression just far enough to know which columns it names and that it is one closed expression.

/** What an expression names, or `unreadable` when it could end early and change the statement that it is put into. */
export type ExpressionReading = { readonly kind: 'closed'; readonly names: ReadonlySet<string> } | { readonly kind: 'unreadable' };

/**
 * Splits `expression` as PostgreSQL's scanner does with `standard_conforming_strings` on. Unreadable: unbalanced brackets, an open
 * quote, a comment, a dollar quote or a semicolon; `pg_get_expr` prints none of these, so such a text did not come from it.
 * Source: PostgreSQL manual, "4.1. Lexical Structure".
 */
export function readExpression(expression: string): ExpressionReading {
  const names = new Set<string>();
  const open: string[] = [];
  let end = 0;
  for (const match of expression.matchAll(TOKEN)) {
    // A gap: some text at `end` is no token.
    if (match.index !== end) return { kind: 'unreadable' };
    end = match.index + match[0].length;
    const { word, quoted, bracket } = match.groups ?? {};
    if (word !== undefined) names.add(word.toLowerCase());
    if (quoted !== undefined) names.add(quoted.slice(1, -1).replaceAll('""', '"'));
    if (bracket === '(' || bracket === '[') open.push(bracket);
    else if (bracket !== undefined && open.pop() !== OPENING[bracket]) return { kind: 'unreadable' };
  }
  return end === expression.length && open.length === 0 && expression.trim() !== '' ? { kind: 'closed', names } : { kind: 'unreadable' };
}

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
    String.raw`-(?!-)|\/(?!\*)|[+*<>=~!@#%^&|?\x60]`, // operators, but not the start of a comment
    String.raw`\s+`,
  ].join('|'),
  'gu',
);
