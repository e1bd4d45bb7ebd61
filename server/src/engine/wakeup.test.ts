// A loop that misses a wake sleeps on work that is there; one that keeps too many never sleeps.
import { expect, test, vi } from 'vitest';
import { Wakeup } from './wakeup.ts';

test('a wake while nobody sleeps is kept for one sleep, however many there were', async () => {
  vi.useFakeTimers();
  try {
    const wakeup = new Wakeup();
    wakeup.wake();
    wakeup.wake();
    await wakeup.wait(1_000);
    let slept = false;
    const second = wakeup.wait(1_000).then(() => {
      slept = true;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(slept).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    await second;
  } finally {
    vi.useRealTimers();
  }
});

test('a sleeper wakes at once, and leaves no timer', async () => {
  vi.useFakeTimers();
  try {
    const wakeup = new Wakeup();
    const sleeping = wakeup.wait(60_000);
    wakeup.wake();
    await sleeping;
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
