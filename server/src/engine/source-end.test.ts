import { expect, test } from 'vitest';
import { parseLsn } from '../pg/lsn.ts';
import { SourceEnd } from './source-end.ts';

const at = (text: string) => parseLsn(`0/${text}`);

test('a time is reached once its end is received, and a later note does not take it back', () => {
  const source = new SourceEnd();
  expect(source.reachedAtMicros(at('100'))).toBe(0n);
  source.note({ end: at('200'), atMicros: 20n }, at('100'));
  expect(source.reachedAtMicros(at('1FF'))).toBe(0n);
  expect(source.reachedAtMicros(at('200'))).toBe(20n);
  source.note({ end: at('300'), atMicros: 30n }, at('250'));
  expect([source.lsn, source.reachedAtMicros(at('250'))]).toEqual([at('300'), 20n]);
  source.note({ end: at('400'), atMicros: 40n }, at('300'));
  expect(source.reachedAtMicros(at('300'))).toBe(30n);
});
