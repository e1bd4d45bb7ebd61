// Says in our words what a YAML syntax error is. The parser's own messages quote the text around it, which may be a password.
import type { ErrorCode } from 'yaml';

interface Explanation {
  readonly message: string;
  readonly hint: string;
}

const QUOTE_IT = "put the value in single quotes, with '' for a quote inside it";
const LOOK_HERE = 'look at this place and the line above it: quotes, brackets and indentation';

/** What to tell the user about a parser's error code. */
export function yamlProblem(code: ErrorCode): Explanation {
  return EXPLANATIONS[code];
}

const EXPLANATIONS: Readonly<Record<ErrorCode, Explanation>> = {
  ALIAS_PROPS: { message: 'an alias has an anchor or a tag', hint: QUOTE_IT },
  BAD_ALIAS: {
    message: 'an alias (*name) has no anchor (&name) before it',
    hint: `a text that begins with * is read as an alias: ${QUOTE_IT}`,
  },
  BAD_COLLECTION_TYPE: { message: 'a YAML tag does not fit its value', hint: 'remove the tag' },
  BAD_DIRECTIVE: { message: 'a line that begins with % is read as a directive', hint: QUOTE_IT },
  BAD_DQ_ESCAPE: { message: 'a double-quoted text holds an unknown escape', hint: 'write \\\\ for a backslash, or use single quotes' },
  BAD_INDENT: { message: 'the indentation does not fit, or a bracket is not closed', hint: LOOK_HERE },
  BAD_PROP_ORDER: { message: 'an anchor or a tag stands in the wrong place', hint: QUOTE_IT },
  BAD_SCALAR_START: { message: 'a value begins with a character that YAML reserves', hint: QUOTE_IT },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'a nested mapping stands where a value should',
    hint: `indent it on a line of its own; a value that holds ": " needs quotes: ${QUOTE_IT}`,
  },
  BLOCK_IN_FLOW: { message: 'an indented block stands inside brackets', hint: 'use brackets throughout or indentation throughout' },
  DUPLICATE_KEY: { message: 'a key stands here twice', hint: 'keep one of the two' },
  IMPOSSIBLE: { message: "the YAML can't be read", hint: LOOK_HERE },
  KEY_OVER_1024_CHARS: {
    message: 'a key is longer than 1024 characters',
    hint: 'a colon may be missing its place; put long texts in quotes',
  },
  MISSING_CHAR: { message: 'a closing quote, bracket, comma or colon is missing', hint: LOOK_HERE },
  MULTILINE_IMPLICIT_KEY: {
    message: 'a key runs over several lines',
    hint: 'a colon is missing after the key, or the indentation does not fit',
  },
  MULTIPLE_ANCHORS: { message: 'a value has several anchors', hint: 'keep one' },
  MULTIPLE_DOCS: { message: 'the file holds more than one YAML document', hint: 'keep one document a file: remove the line `---`' },
  MULTIPLE_TAGS: { message: 'a value has several tags', hint: `a text that begins with ! is read as a tag: ${QUOTE_IT}` },
  NON_STRING_KEY: { message: 'a key must be plain text', hint: 'put it in double quotes' },
  RESOURCE_EXHAUSTION: { message: 'the file is nested too deeply', hint: 'write it with fewer levels' },
  TAB_AS_INDENT: { message: 'a tab is used for indentation', hint: 'indent with spaces' },
  TAG_RESOLVE_FAILED: { message: 'a value has an unknown tag', hint: `a text that begins with ! is read as a tag: ${QUOTE_IT}` },
  UNEXPECTED_TOKEN: {
    message: 'something stands here that does not belong here',
    hint: `${LOOK_HERE}; a value with special characters needs single quotes`,
  },
};
