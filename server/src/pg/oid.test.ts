// OIDs decide what may travel in binary form; a wrong answer would turn a name into a meaningless number.
import { describe, expect, it } from 'vitest';
import { isRegType, isSameOnEveryServer, isUserDefined, TypeOid } from './oid.ts';

describe('type OIDs', () => {
  it('are told apart by who gave them', () => {
    expect([0, 1, 9_999, 10_000, 16_383, 16_384].map(isSameOnEveryServer)).toEqual([false, true, true, false, false, false]);
    expect([25, 16_383, 16_384].map(isUserDefined)).toEqual([false, false, true]);
  });

  it('of reg types are all known', () => {
    const byName = Object.entries(TypeOid).filter(([name]) => name.startsWith('reg'));
    expect(byName).toHaveLength(11);
    expect(byName.every(([, oid]) => isRegType(oid))).toBe(true);
    expect(isRegType(TypeOid.oid)).toBe(false);
  });
});
