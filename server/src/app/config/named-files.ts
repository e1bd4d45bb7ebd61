// Reads the files that the configuration file names (passwords, certificates, keys), with bounds and with what went wrong in plain words.
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';

export type NamedFile =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'problem'; readonly message: string; readonly hint: string };

/** No password, key or bundle of certificates is larger; a wrong path must not fill the memory. */
const MAX_SIZE_BYTES = 4 * 1024 * 1024;

/** Reads a text file; `path` is relative to `directory`, the configuration file's own. `what` names it in messages. */
export async function readNamedFile(directory: string, path: string, what: string): Promise<NamedFile> {
  const full = resolve(directory, path);
  try {
    const { size } = await stat(full);
    if (size > MAX_SIZE_BYTES) return unreadable(what, full, `it is larger than ${MAX_SIZE_BYTES / 1024 / 1024} MiB`);
    const bytes = await readFile(full);
    if (bytes.length > MAX_SIZE_BYTES) return unreadable(what, full, `it is larger than ${MAX_SIZE_BYTES / 1024 / 1024} MiB`);
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (error) {
    return unreadable(what, full, reasonOf(error));
  }
}

/** Why a file can't be read, for people. */
export function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  switch (code) {
    case 'ENOENT':
      return 'it does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'its permissions do not let this user read it';
    case 'EISDIR':
      return 'it is a directory';
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return 'it is not valid UTF-8';
    default:
      return typeof code === 'string' ? code : "it can't be read";
  }
}

function unreadable(what: string, path: string, reason: string): NamedFile {
  return {
    kind: 'problem',
    message: `${what} ${JSON.stringify(path)} can't be read: ${reason}`,
    hint: "a relative path starts at the configuration file's directory",
  };
}
