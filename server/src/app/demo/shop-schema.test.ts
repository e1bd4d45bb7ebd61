import { expect, test } from 'vitest';
import { eventPartitionsSql } from './shop-schema.sql.ts';

test('partitions of events follow each other without a gap, over the end of a year too', () => {
  const sql = eventPartitionsSql(new Date('2024-11-30T23:59:59Z'), 3);
  const bounds = [...sql.matchAll(/"(events_\d+_\d+)".*FROM \('([^']+)'\) TO \('([^']+)'\)/g)].map(([, ...found]) => found);
  expect(bounds).toEqual([
    ['events_2024_11', '2024-11-01 00:00:00+00', '2024-12-01 00:00:00+00'],
    ['events_2024_12', '2024-12-01 00:00:00+00', '2025-01-01 00:00:00+00'],
    ['events_2025_01', '2025-01-01 00:00:00+00', '2025-02-01 00:00:00+00'],
  ]);
  expect(sql).toContain('events_rest PARTITION OF shop.events DEFAULT');
});
