import { describe, expect, test } from 'vitest';
import { formatLsn, parseLsn } from '../pg/lsn.ts';
import { endOfRecords } from './verify-position.ts';

const BLOCK_BYTES = 8192;
const SEGMENT_BYTES = 16 * 1024 * 1024;

describe('endOfRecords', () => {
  test.each([
    ['leaves a position within a page', '0/1000150', '0/1000150'],
    ['goes back over the header of a page without records', '0/1002018', '0/1002000'],
    ['goes back over the longer header of a segment without records', '0/1000028', '0/1000000'],
    ['leaves a record that ends where the longer header would', '0/1002028', '0/1002028'],
    ['leaves a position that no header of a segment has', '0/1000018', '0/1000018'],
    ['leaves the begin of a page', '0/1002000', '0/1002000'],
  ])('%s', (_, insert, expected) => {
    expect(formatLsn(endOfRecords(parseLsn(insert), BLOCK_BYTES, SEGMENT_BYTES))).toBe(expected);
  });
});
