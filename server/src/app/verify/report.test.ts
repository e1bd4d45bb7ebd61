import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../model/error.ts';
import type { VerifyResult } from '../../model/verify.ts';
import { parseLsn } from '../../pg/lsn.ts';
import { isClean, unverifiedReport, verifyReport } from './report.ts';

const ORDERS = { schema: 'shop', name: 'my.orders' };
const RESULT: VerifyResult = {
  sourceRows: 5,
  destinationRows: 4,
  missing: 0,
  extra: 0,
  different: 0,
  unverifiedRows: 0,
  unverifiedReason: null,
  sampleKeys: ['42'],
  position: parseLsn('16/B374D848'),
};

describe('verifyReport', () => {
  test('is clean when nothing is wrong and nothing in doubt', () => {
    expect(isClean(verifyReport(ORDERS, RESULT))).toBe(true);
    expect(isClean(verifyReport(ORDERS, { ...RESULT, different: 1 }))).toBe(false);
    expect(isClean(verifyReport(ORDERS, { ...RESULT, unverifiedRows: 1, unverifiedReason: 'why' }))).toBe(false);
  });

  test('quotes the name, prints the position and says how many rows are in doubt', () => {
    const report = verifyReport(ORDERS, { ...RESULT, unverifiedRows: 2, unverifiedReason: 'the pipeline does not run' });
    expect(report).toMatchObject({ object: 'shop."my.orders"', position: '16/B374D848', unverified: '2 rows: the pipeline does not run' });
    expect(verifyReport(ORDERS, RESULT).unverified).toBeNull();
  });
});

describe('unverifiedReport', () => {
  test('tells why one object could not be compared', () => {
    const error = new MillraceError('object_schema_changed', { cause: 'the column is gone' });
    const report = unverifiedReport(ORDERS, error, RESULT.position);
    expect(report.unverified).toBe('the column is gone');
    expect(isClean(report)).toBe(false);
  });

  test('leaves a lost connection and our own mistakes to the caller', () => {
    const lost = new MillraceError('connection_lost', { cause: 'gone' });
    expect(() => unverifiedReport(ORDERS, lost, RESULT.position)).toThrow(lost);
    expect(() => unverifiedReport(ORDERS, new TypeError('a bug'), RESULT.position)).toThrow('a bug');
  });
});
