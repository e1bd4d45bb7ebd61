import { expect, test } from 'vitest';
import type { LiveObject } from '../../engine/live-object.ts';
import { LSN_ZERO } from '../../pg/lsn.ts';
import { Loader, type LoadJob } from './loader.ts';

function object(key: string): LiveObject {
  return {
    key,
    source: { schema: 'public', name: key },
    sourceOid: 1,
    state: 'pending',
    applied: LSN_ZERO,
    handoff: null,
    expected: [],
    identity: null,
    deletes: 'hard',
    shape: null,
  };
}

function never(signal: AbortSignal): Promise<void> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

interface Rig {
  readonly loader: Loader;
  readonly events: string[];
  readonly broken: unknown[];
  readonly add: (key: string, job?: Partial<LoadJob>) => LiveObject;
}

function rig(concurrency: number): Rig {
  const events: string[] = [];
  const broken: unknown[] = [];
  const loader = new Loader(concurrency, (error) => broken.push(error));
  return {
    loader,
    events,
    broken,
    add(key, job = {}) {
      const live = object(key);
      loader.add({
        object: live,
        sizeBytes: 1,
        ready: async () => {},
        run: async () => {
          events.push(key);
        },
        failed: async () => null,
        ...job,
      });
      return live;
    },
  };
}

async function idle(loader: Loader): Promise<void> {
  while (!loader.isIdle) await new Promise((resolve) => setImmediate(resolve));
}

test('small tables go first when others wait for a turn', async () => {
  const { loader, events, add } = rig(1);
  let finish = (): void => {};
  add('running', { run: () => new Promise<void>((resolve) => (finish = resolve)) });
  add('large', { sizeBytes: 1000 });
  add('small', { sizeBytes: 1 });
  add('middle', { sizeBytes: 10 });
  await new Promise((resolve) => setImmediate(resolve));
  finish();
  await idle(loader);
  expect(events).toEqual(['small', 'middle', 'large']);
});

test('a load that waits to become ready keeps nobody from loading', async () => {
  const { loader, events, add } = rig(1);
  const blocked = add('blocked', { ready: never });
  add('free');
  await new Promise((resolve) => setImmediate(resolve));
  expect(events).toEqual(['free']);
  await loader.cancel(blocked);
  expect(loader.isIdle).toBe(true);
});

test('a load that fails is tried again for as long as its job says so', async () => {
  const { loader, add } = rig(1);
  const attempts: number[] = [];
  add('flaky', {
    run: async (_signal, attempt) => {
      attempts.push(attempt);
      throw new Error('no');
    },
    failed: async (_error, attempt) => (attempt < 3 ? 1 : null),
  });
  await idle(loader);
  expect(attempts).toEqual([1, 2, 3]);
});

test('a cancelled load is not reported as failed and gives its turn back', async () => {
  const { loader, events, add } = rig(1);
  const failures: unknown[] = [];
  const running = add('running', {
    run: never,
    failed: async (error) => {
      failures.push(error);
      return null;
    },
  });
  const waiting = add('waiting');
  add('next');
  await new Promise((resolve) => setImmediate(resolve));
  await loader.cancel(waiting);
  await loader.cancel(running);
  await idle(loader);
  expect(events).toEqual(['next']);
  expect(failures).toEqual([]);
});

test('stopping ends everything, and nothing starts any more', async () => {
  const { loader, events, add } = rig(2);
  add('a', { run: never });
  add('b', { ready: never });
  await loader.stop();
  add('late');
  expect(loader.isIdle).toBe(true);
  expect(events).toEqual([]);
});

test('an error of the error handling is not swallowed', async () => {
  const { loader, broken, add } = rig(1);
  add('a', { run: () => Promise.reject(new Error('first')), failed: () => Promise.reject(new Error('second')) });
  await idle(loader);
  expect(broken).toEqual([new Error('second')]);
});
