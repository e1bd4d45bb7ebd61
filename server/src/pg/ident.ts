// The one place where names and literals become SQL text. Everything that reaches SQL as text passes through here.

const MAX_IDENTIFIER_BYTES = 63;

/**
 * Quotes one identifier, keeping it exactly. Throws on NUL, which no identifier can hold, and on the empty name.
 * Source: PostgreSQL manual, "4.1.1. Identifiers and Key Words".
 */
export function quoteIdent(name: string): string {
  if (name === '') throw new TypeError('an identifier is empty');
  if (name.includes('\0')) throw new TypeError('an identifier holds a NUL character');
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a schema-qualified name. */
export function quoteName(name: QualifiedName): string {
  return `${quoteIdent(name.schema)}.${quoteIdent(name.name)}`;
}

/**
 * Quotes a string as a literal that is read the same whatever `standard_conforming_strings` says. Throws on NUL.
 * Use it only where a parameter can't stand (DDL, COPY options, replication commands).
 */
export function quoteLiteral(text: string): string {
  if (text.includes('\0')) throw new TypeError('a literal holds a NUL character');
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

/** Whether Postgres keeps `name` whole: at most 63 bytes of UTF-8. */
export function fitsIdentifier(name: string): boolean {
  return Buffer.byteLength(name) <= MAX_IDENTIFIER_BYTES;
}

/** The longest prefix of `name` of at most `sizeBytes` bytes that does not split a character. */
export function truncateUtf8(name: string, sizeBytes: number): string {
  let end = 0;
  let size = 0;
  for (const char of name) {
    size += Buffer.byteLength(char);
    if (size > sizeBytes) break;
    end += char.length;
  }
  return name.slice(0, end);
}
