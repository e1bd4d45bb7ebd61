import { describe, expect, test } from 'vitest';
import { readExpression } from './types-expression.ts';

describe('readExpression', () => {
  test('finds the columns of what pg_get_expr prints', () => {
    const reading = readExpression(`((price * (quantity)::numeric) || lower("Odd ""Name""")::text) || E'it''s \\\\ ' || 'a"b(' `);
    expect(reading).toMatchObject({ kind: 'closed' });
    const names = reading.kind === 'closed' ? [...reading.names] : [];
    expect(names).toEqual(expect.arrayContaining(['price', 'quantity', 'Odd "Name"']));
    expect(names).not.toContain('b');
  });

  test.each([
    '((a + 1)',
    'a) STORED, b int DEFAULT (1',
    '1); DROP TABLE x; --',
    'a -- comment',
    'a /* comment */',
    "'open",
    "nameE'\\') , evil int DEFAULT ('",
    '$$x$$',
    '(a[1)]',
    '',
    '"open',
  ])('refuses %s', (expression) => {
    expect(readExpression(expression)).toEqual({ kind: 'unreadable' });
  });
});
