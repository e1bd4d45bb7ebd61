import { expect, test } from 'vitest';
import type { PipelineRecord } from '../../destination/state-records.ts';
import { requireStillOurs } from './tenure.ts';

test('a process that has not begun may take over from anybody', () => {
  requireStillOurs({ epoch: null }, 'p', null);
  requireStillOurs({ epoch: null }, 'p', recordOf(7n));
});

test('a process that nobody replaced goes on, also when the destination was set back', () => {
  requireStillOurs({ epoch: 7n }, 'p', recordOf(7n));
  requireStillOurs({ epoch: 7n }, 'p', recordOf(6n));
});

test('a process that was replaced, or whose pipeline was dropped, stops', () => {
  expect(() => requireStillOurs({ epoch: 7n }, 'p', recordOf(8n))).toThrow(expect.objectContaining({ errorName: 'fenced' }));
  expect(() => requireStillOurs({ epoch: 7n }, 'p', null)).toThrow(expect.objectContaining({ errorName: 'fenced' }));
});

function recordOf(epoch: bigint): PipelineRecord {
  return { epoch } as PipelineRecord;
}
