// How people write an object's name, `schema.table`, in the file, on the command line and in reports; one reading and one writing of it.

/** A table's name in its two parts, exactly as the catalogue has them. */
export interface ObjectName {
  readonly schema: string;
  readonly name: string;
}

/** What `parseObjectName` gives for a text that names no object. */
export interface ObjectNameProblem {
  readonly message: string;
  readonly hint: string;
}

/**
 * Reads `schema.table`. A part may stand in double quotes (`"My.Schema"."a ""b"""`), which it must when it holds a dot or a quote.
 * Case is kept as written, quoted or not: a name here is data, not SQL.
 */
export function parseObjectName(text: string): ObjectName | ObjectNameProblem {
  const parts = splitParts(text);
  if (parts === null) {
    return {
      message: `${JSON.stringify(text)} has unbalanced double quotes`,
      hint: 'write "schema"."table", with "" for a quote inside a name',
    };
  }
  if (parts.some((part) => part === '')) {
    return { message: `${JSON.stringify(text)} has an empty part`, hint: 'write schema.table' };
  }
  const [schema, name, ...more] = parts;
  if (schema === undefined || name === undefined) {
    return {
      message: `${JSON.stringify(text)} names no schema`,
      hint: `write schema.table, such as ${formatObjectName({ schema: 'public', name: parts[0] ?? 'orders' })}`,
    };
  }
  if (more.length > 0) {
    const quoted = formatObjectName({ schema, name: [name, ...more].join('.') });
    return {
      message: `${JSON.stringify(text)} has more than two parts`,
      hint: `put a name with a dot in double quotes, such as ${quoted}`,
    };
  }
  if (parts.some((part) => part.includes('\0')))
    return { message: 'a name holds a NUL character', hint: 'no Postgres name can; write schema.table' };
  return { schema, name };
}

/** Whether `parseObjectName` found no name. */
export function isObjectNameProblem(parsed: ObjectName | ObjectNameProblem): parsed is ObjectNameProblem {
  return 'message' in parsed;
}

/** Writes a name so that `parseObjectName` reads it back; quotes only what needs it. */
export function formatObjectName(name: ObjectName): string {
  return `${formatPart(name.schema)}.${formatPart(name.name)}`;
}

const NEEDS_QUOTES = /[."\s\p{Cc}]/u;

function formatPart(part: string): string {
  return part === '' || NEEDS_QUOTES.test(part) ? `"${part.replaceAll('"', '""')}"` : part;
}

const PART = /"((?:[^"]|"")*)"|([^".]*)/y;

function splitParts(text: string): string[] | null {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    PART.lastIndex = at;
    const match = PART.exec(text);
    if (match === null) return null;
    parts.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
    at = PART.lastIndex;
    if (at === text.length) return parts;
    if (text[at] !== '.') return null;
    at += 1;
  }
}
