import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderTable } from './table.ts';
import { createPaint, displayWidth, fit, pad, printable } from './terminal-text.ts';

describe('text on its way to a terminal', () => {
  test.each([
    ['\u001b]0;owned\u0007', '\\x1b]0;owned\\x07'],
    ['a\r\nb\tc', 'a\\r\\nb\\tc'],
    ['\u009b2J', '\\x9b2J'],
    ['abc\u202edcba', 'abc\\u{202e}dcba'],
    ['zero\u200bwidth', 'zero\\u{200b}width'],
    ['lone \ud800 surrogate', 'lone \\u{d800} surrogate'],
    ['naïve 🚂 表', 'naïve 🚂 表'],
  ])('%j loses what would act on the terminal', (text, expected) => expect(printable(text)).toBe(expected));

  test('holds no control character and no line break, whatever it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cs}\u2028\u2029]/u);
      }),
    );
  });

  test('is cut and filled to columns, not to characters', () => {
    expect(displayWidth('表')).toBe(2);
    expect(fit('表表表', 5)).toBe('表表…');
    expect(fit('orders', 6)).toBe('orders');
    expect(fit('orders', 4)).toBe('ord…');
    expect(pad('表', 4)).toBe('表  ');
    expect(pad('7', 3, 'right')).toBe('  7');
  });

  test('never gets wider than asked', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(30), (text, columns) => {
        expect(displayWidth(fit(printable(text), columns))).toBeLessThanOrEqual(columns);
      }),
    );
  });

  test('stands in aligned columns, with hostile cells escaped', () => {
    const lines = renderTable(
      [{ title: 'object' }, { title: 'rows', align: 'right' }],
      [
        ['a\u001b[2Jb', '1'],
        ['表', { text: '1,000', tone: 'bad' }],
      ],
      createPaint(false),
    );
    expect(lines).toEqual(['OBJECT      ROWS', 'a\\x1b[2Jb      1', '表         1,000']);
  });

  test('has colours only where they are wanted', () => {
    expect(createPaint(true)('x', 'bad')).toBe('\u001b[31mx\u001b[0m');
    expect(createPaint(false)('x', 'bad')).toBe('x');
  });
});
