// Named places where a test may kill the process, to prove that a crash there loses and doubles nothing.

/** Every crash point of the product, so that a test can visit each. */
export const FAILPOINTS = [
  'copy.after_snapshot',
  'copy.after_begin',
  'copy.mid_chunk',
  'copy.before_chunk_commit',
  'copy.after_chunk_commit',
  'copy.after_last_chunk',
  'copy.after_keys',
  'copy.before_finish_commit',
  'copy.after_finish_commit',
  'session.after_take_over',
  'session.after_publications',
  'session.after_slot',
  'session.after_first_state',
  'apply.before_flush',
  'apply.after_flush',
  'apply.before_alter',
  'apply.after_alter',
  'apply.before_commit',
  'apply.after_commit',
] as const;

export type FailpointName = (typeof FAILPOINTS)[number];

/**
 * Kills this process, as `kill -9` would, when `MILLRACE_FAILPOINT` names this point: `name` or `name:nth`, where `nth` counts the passes
 * from 1. Does nothing otherwise.
 */
export function failpoint(name: FailpointName): void {
  if (armed === null || armed.name !== name) return;
  armed.passesLeft -= 1;
  if (armed.passesLeft > 0) return;
  process.kill(process.pid, 'SIGKILL');
  // The signal may take effect a moment later on another thread; nothing may run in between.
  process.exit(KILLED_EXIT_CODE);
}

/** What `MILLRACE_FAILPOINT` asks for; null when it asks for nothing. Throws a `TypeError` on a name that is not a crash point. */
export function parseFailpoint(text: string | undefined): { readonly name: FailpointName; readonly nth: number } | null {
  if (text === undefined || text === '') return null;
  const [, wanted = '', nth] = /^([^:]*)(?::([1-9]\d{0,8}))?$/.exec(text) ?? [];
  const name = FAILPOINTS.find((known) => known === wanted);
  if (name === undefined) throw new TypeError(`MILLRACE_FAILPOINT must be one of ${FAILPOINTS.join(', ')}, and is ${JSON.stringify(text)}`);
  return { name, nth: Number(nth ?? 1) };
}

const KILLED_EXIT_CODE = 137;

const armed = arm();

function arm(): { readonly name: FailpointName; passesLeft: number } | null {
  const wanted = parseFailpoint(process.env['MILLRACE_FAILPOINT']);
  return wanted === null ? null : { name: wanted.name, passesLeft: wanted.nth };
}
