// A clean stop on Ctrl-C or SIGTERM: asked for once, insisted on at the second signal, never longer than promised.
import type { CliContext } from './context.ts';

/** A clean stop takes at most this long; then the process ends anyway. Nothing is lost: what was not committed is sent again. */
const STOP_GRACE_MS = 10_000;

const SIGNAL_EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Runs `work` with a signal that aborts when the process is asked to stop. `say` tells the user. */
export async function withStop<T>(context: CliContext, say: (line: string) => void, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const unsubscribe = context.onStopSignal((signal) => {
    if (controller.signal.aborted) {
      context.exitNow(SIGNAL_EXIT_CODES[signal]);
      return;
    }
    say('stopping; once more stops at once');
    timer = setTimeout(() => {
      say(`still not stopped after ${STOP_GRACE_MS / 1_000} s; ending now`);
      context.exitNow(1);
    }, STOP_GRACE_MS);
    timer.unref();
    controller.abort(new Error(`stopped by ${signal}`));
  });
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}
