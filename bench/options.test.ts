import { expect, test } from 'vitest';
import { parseOptions } from './options.ts';

test('without options everything runs at the published size on version 17', () => {
  expect(parseOptions([])).toMatchObject({
    version: 17,
    scenarios: ['a', 'b', 'c', 'd', 'lag', 'e'],
    rounds: 3,
    rowsScale: 1,
    durable: false,
  });
});

test('scenarios run in their own order, once each, however they are listed', () => {
  expect(parseOptions(['--scenario', 'd,a, d'])).toMatchObject({ scenarios: ['a', 'd'] });
});

test('the contenders can be narrowed', () => {
  expect(parseOptions(['--only', 'native'])).toMatchObject({ contenders: ['native'] });
});

test.each([
  [['--scenario', 'z'], '--scenario'],
  [['--only', 'other'], '--only'],
  [['--version', '12'], '--version'],
  [['--rounds', '1.5'], '--rounds'],
  [['--rows-scale', '0'], '--rows-scale'],
  [['--lag-seconds', 'x'], '--lag-seconds'],
])('a wrong value is refused with the name of its option: %j', (argv, option) => {
  expect(() => parseOptions(argv)).toThrow(option);
});
