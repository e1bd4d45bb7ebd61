// Waits for a state instead of for a time, and says what was waited for when it does not come.
import { setTimeout as delay } from 'node:timers/promises';

/**
 * Polls `probe` until it gives something other than `false`, `null` or `undefined`, and returns that. An error of the
 * probe counts as "not yet". Throws after `timeoutMs` with `what`, and with the last error as cause.
 */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | false | null | undefined> | T | false | null | undefined,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let lastError: unknown;
  for (let intervalMs = FIRST_INTERVAL_MS; ; intervalMs = Math.min(2 * intervalMs, LAST_INTERVAL_MS)) {
    try {
      const value = await probe();
      if (value !== false && value !== null && value !== undefined) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause: lastError });
    await delay(intervalMs);
  }
}

const DEFAULT_TIMEOUT_MS = 10_000;
const FIRST_INTERVAL_MS = 5;
const LAST_INTERVAL_MS = 100;
