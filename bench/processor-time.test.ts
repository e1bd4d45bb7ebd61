import { expect, test } from 'vitest';
import { parseBusyTicks, parseProcessStat, processorUse } from './processor-time.ts';

test('a command with spaces and parentheses does not shift the fields of a process', () => {
  const text = '42 (post (gres) x) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 300 40 20 0 1 0 5 6 7';
  expect(parseProcessStat(text)).toEqual({ parentPid: 7, ownTicks: 120, reapedTicks: 340 });
});

test('idle and iowait are not busy, stolen time is', () => {
  expect(parseBusyTicks('cpu  1 2 4 1000 1000 8 16 32 64 64\ncpu0 9 9 9 9\n')).toBe(63);
});

test('what nobody of us used was used by others, and never less than nothing', () => {
  const before = { source: 1, destination: 1, bench: 1, machine: 10 };
  const after = { source: 2, destination: 3, bench: 1.5, machine: 15 };
  expect(processorUse(before, after)).toEqual({ sourceCpuSeconds: 1, destinationCpuSeconds: 2, othersCpuSeconds: 1.5 });
  expect(processorUse(before, { ...after, machine: 11 })?.othersCpuSeconds).toBe(0);
  expect(processorUse(null, after)).toBeNull();
});
