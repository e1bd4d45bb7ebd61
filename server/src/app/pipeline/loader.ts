// Runs the historical loads that are due, a few at a time, while the stream goes on for everybody else.
import type { LiveObject } from '../../engine/live-object.ts';

/** One load that is due. */
export interface LoadJob {
  readonly object: LiveObject;
  /** Resolves when the object has been handed over to the stream. Throws what went wrong with this object. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** A queue of loads, largest last, so that most tables are there early. `failed` is called for each that throws. */
export class Loader {
  readonly #concurrency: number;
  readonly #failed: (object: LiveObject, error: unknown) => void;
  readonly #queue: LoadJob[] = [];
  readonly #running = new Map<LiveObject, { controller: AbortController; done: Promise<void> }>();
  #stopped = false;

  constructor(concurrency: number, failed: (object: LiveObject, error: unknown) => void) {
    this.#concurrency = concurrency;
    this.#failed = failed;
  }

  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#running.size === 0;
  }

  add(job: LoadJob): void {
    this.#queue.push(job);
    this.#pump();
  }

  /** Gives up the load of `object`, running or not; resolves when nothing of it runs any more. */
  async cancel(object: LiveObject): Promise<void> {
    const queued = this.#queue.findIndex((job) => job.object === object);
    if (queued >= 0) this.#queue.splice(queued, 1);
    const running = this.#running.get(object);
    running?.controller.abort();
    await running?.done;
  }

  /** Gives up all loads; resolves when none runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue.length = 0;
    for (const { controller } of this.#running.values()) controller.abort();
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  #pump(): void {
    while (!this.#stopped && this.#running.size < this.#concurrency) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      const controller = new AbortController();
      this.#running.set(job.object, { controller, done: this.#run(job, controller) });
    }
  }

  async #run(job: LoadJob, controller: AbortController): Promise<void> {
    try {
      await job.run(controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) this.#failed(job.object, error);
    } finally {
      this.#running.delete(job.object);
      this.#pump();
    }
  }
}
