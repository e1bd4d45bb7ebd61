import { expect, test } from 'vitest';
import { parseLsn } from '../pg/lsn.ts';
import { parseTimelineHistory } from './system.ts';

test('a timeline history is read line by line, reasons and comments left out', () => {
  const text = '1\t0/3000000\tno recovery target specified\n\n# made by hand\n2\t1/A000060\tbefore 2026-01-01 00:00:00+00\n';
  expect(parseTimelineHistory(text)).toEqual([
    { timeline: 1, endLsn: parseLsn('0/3000000') },
    { timeline: 2, endLsn: parseLsn('1/A000060') },
  ]);
  expect(parseTimelineHistory('')).toEqual([]);
});
