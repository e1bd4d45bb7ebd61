// Reads the configuration file's text: bounded, UTF-8, and with the place of the first byte that is not.
import { readFile, stat } from 'node:fs/promises';
import { MillraceError } from '../../model/error.ts';
import { reasonOf } from './named-files.ts';
import { ProblemList } from './problem.ts';

/** Far beyond ten thousand objects with all their keys. */
const MAX_FILE_SIZE_BYTES = 16 * 1024 * 1024;

/** The text of the file at `path`. Throws `config_unreadable`, or `config_invalid` when it is no text. */
export async function readConfigText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const problems = new ProblemList();
    const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    problems.add(
      firstInvalid(bytes),
      isUtf16 ? 'the file is UTF-16' : 'the file is not valid UTF-8',
      isUtf16 ? 'save it as UTF-8' : 'save it as UTF-8; iconv -f latin1 -t utf-8 converts a Latin-1 file',
    );
    problems.throwIfAny(path);
    throw new Error('unreachable: a problem was just added');
  }
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size <= MAX_FILE_SIZE_BYTES) return await readFile(path);
  } catch (error) {
    throw new MillraceError(
      'config_unreadable',
      { cause: `${path} can't be read: ${reasonOf(error)}`, fix: "Check the path after -f and the file's permissions." },
      error,
    );
  }
  throw new MillraceError('config_unreadable', {
    cause: `${path} is larger than ${MAX_FILE_SIZE_BYTES / 1024 / 1024} MiB`,
    fix: 'Check the path after -f.',
  });
}

function firstInvalid(bytes: Buffer): { line: number; column: number } {
  let line = 1;
  for (let start = 0; start <= bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline === -1 ? bytes.length : newline;
    const valid = validPrefix(bytes.subarray(start, end));
    if (valid !== null) return { line, column: valid.length + 1 };
    start = end + 1;
  }
  return { line: 1, column: 1 };
}

/** The characters before the first invalid byte of a line; null when the whole line is valid. */
function validPrefix(bytes: Buffer): string | null {
  const text = bytes.toString('utf8');
  if (Buffer.from(text).equals(bytes)) return null;
  let size = 0;
  let prefix = '';
  for (const char of text) {
    const expected = Buffer.from(char);
    if (!bytes.subarray(size, size + expected.length).equals(expected)) return prefix;
    size += expected.length;
    prefix += char;
  }
  return prefix;
}
