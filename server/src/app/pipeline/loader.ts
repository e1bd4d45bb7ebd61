// Runs the historical loads that are due, a few at a time, while the stream goes on for everybody else.
import { setTimeout as delay } from 'node:timers/promises';
import type { LiveObject } from '../../engine/live-object.ts';

/** One load that is due. */
export interface LoadJob {
  readonly object: LiveObject;
  /** Of the table at the source: small ones go first, so that most tables are there early. */
  readonly sizeBytes: number;
  /** What has to be waited for before each attempt, without keeping others from loading. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** Resolves when the object has been handed over to the stream. `attempt` counts from 1. */
  readonly run: (signal: AbortSignal, attempt: number) => Promise<void>;
  /** Says after how many milliseconds to try again; null: not at all. */
  readonly failed: (error: unknown, attempt: number) => Promise<number | null>;
}

/** Loads wait for each other; what goes wrong with one is told to its job alone. */
export class Loader {
  readonly #turns: Turns;
  readonly #jobs = new Map<LiveObject, { readonly controller: AbortController; readonly done: Promise<void> }>();
  readonly #broken: (error: unknown) => void;
  #stopped = false;

  /** `broken` is called when a job's own `failed` throws. */
  constructor(concurrency: number, broken: (error: unknown) => void) {
    this.#turns = new Turns(concurrency);
    this.#broken = broken;
  }

  /** No load is due, running, or waiting for another attempt. */
  get isIdle(): boolean {
    return this.#jobs.size === 0;
  }

  add(job: LoadJob): void {
    if (this.#stopped) return;
    const controller = new AbortController();
    const done = this.#work(job, controller.signal).finally(() => this.#jobs.delete(job.object));
    this.#jobs.set(job.object, { controller, done });
  }

  /** Gives up the load of `object`; resolves when nothing of it runs any more. */
  async cancel(object: LiveObject): Promise<void> {
    const job = this.#jobs.get(object);
    job?.controller.abort();
    await job?.done;
  }

  /** Gives up all loads; resolves when none runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const jobs = [...this.#jobs.values()];
    for (const { controller } of jobs) controller.abort();
    await Promise.all(jobs.map(({ done }) => done));
  }

  /** Never rejects. */
  async #work(job: LoadJob, signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await job.ready(signal);
        await this.#turns.take(job.sizeBytes, signal);
        try {
          return await job.run(signal, attempt);
        } finally {
          this.#turns.give();
        }
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = await job.failed(error, attempt).catch((broken: unknown) => {
          this.#broken(broken);
          return null;
        });
        if (waitMs === null) return;
        await delay(waitMs, undefined, { signal }).catch(() => {});
        if (signal.aborted) return;
      }
    }
  }
}

interface Waiter {
  readonly size: number;
  readonly start: () => void;
}

/** A fixed number of turns; when one is given back, the smallest of those who wait gets it. */
class Turns {
  #free: number;
  readonly #waiting = new Set<Waiter>();

  constructor(count: number) {
    this.#free = count;
  }

  async take(size: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const waiter = {
        size,
        start: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiter);
    });
  }

  give(): void {
    const [first, ...others] = this.#waiting;
    if (first === undefined) {
      this.#free++;
      return;
    }
    const next = others.reduce((smallest, waiter) => (waiter.size < smallest.size ? waiter : smallest), first);
    this.#waiting.delete(next);
    next.start();
  }
}
