// Reads a destination's `url_params`, the `k=v&k=v` that people bring from connection URLs.
import { didYouMean } from '@millrace/contract/did-you-mean';

/** What the parameters say, and what is wrong with them. Messages never repeat a value. */
export interface UrlParams {
  readonly connectTimeoutMs: number;
  readonly problems: readonly { readonly message: string; readonly hint: string }[];
  readonly warnings: readonly { readonly message: string; readonly hint: string }[];
}

export const DEFAULT_CONNECT_TIMEOUT_MS = 60_000;

/** The longest that a timer can wait (24.8 days): what `connectTimeout=0` asks for. */
const LONGEST_TIMEOUT_MS = 2_147_483_647;

const RESERVED = new Map([
  ['currentschema', 'schema'],
  ['user', 'user'],
  ['password', 'password or password_file'],
  ['ssl', 'ssl'],
  ['sslmode', 'ssl.mode'],
]);

/** Reads `text`. `connectTimeout` is in seconds, 0 for the longest; reserved keys are ignored with a warning, others are refused. */
export function parseUrlParams(text: string): UrlParams {
  let connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS;
  const problems: { message: string; hint: string }[] = [];
  const warnings: { message: string; hint: string }[] = [];
  for (const [key, value] of new URLSearchParams(text)) {
    const own = RESERVED.get(key.toLowerCase());
    if (own !== undefined) {
      warnings.push({ message: `url_params: ${key} is ignored`, hint: `set ${own} instead` });
    } else if (key !== 'connectTimeout') {
      const near = didYouMean(key, ['connectTimeout']);
      const message = `url_params: ${JSON.stringify(key)} is not a known parameter`;
      problems.push({ message, hint: near === null ? 'known: connectTimeout; remove the others' : `did you mean ${near}?` });
    } else if (!/^\d{1,7}$/.test(value) || Number(value) * 1_000 > LONGEST_TIMEOUT_MS) {
      problems.push({
        message: 'url_params: connectTimeout must be a whole number of seconds',
        hint: 'such as connectTimeout=60; 0 waits as long as possible',
      });
    } else {
      connectTimeoutMs = Number(value) === 0 ? LONGEST_TIMEOUT_MS : Number(value) * 1_000;
    }
  }
  return { connectTimeoutMs, problems, warnings };
}
