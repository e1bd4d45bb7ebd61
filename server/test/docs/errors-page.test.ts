import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CATALOGUE, type CatalogueEntry } from '../../src/model/error-catalogue.ts';
import { renderErrorsPage } from './errors-page.ts';

const entries = Object.entries(CATALOGUE as Readonly<Record<string, CatalogueEntry>>);

describe('the error catalogue', () => {
  test('is what docs/errors.md says (node scripts/gen-errors-doc.mjs writes the page)', () => {
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
    expect(page).toBe(renderErrorsPage());
  });

  test('gives every error a code of its own', () => {
    const codes = entries.map(([, entry]) => entry.code);
    expect(new Set(codes).size).toBe(codes.length);
  });

  test('keeps the codes and titles that users know from elsewhere', () => {
    const known = entries.filter(([, entry]) => Number(entry.code) < 2000).map(([, entry]) => `${entry.code} ${entry.title}`);
    expect(known.toSorted()).toEqual([
      '1003 Authentication failure',
      '1006 Connection settings errors',
      '1011 Connection settings errors',
      '1012 Access role issue for logical replication',
      '1014 Access role issue for logical replication',
      '1017 Database does not exist',
      '1023 Connection settings errors',
      '1024 No pg_hba.conf entry',
    ]);
  });

  test.each(entries)('%s says what it means and what to do in whole sentences or commands', (_name, entry) => {
    expect(entry.code).toMatch(/^\d{4}$/);
    expect(entry.meaning).toMatch(/^\p{Lu}.{20,}\.$|^(max|pg|wal)_.*\.$/u);
    expect(entry.fix.length).toBeGreaterThan(15);
    expect(entry.title).not.toMatch(/\.$/);
  });

  test.each(entries)('%s ends with an exit code that fits its retry class', (_name, entry) => {
    if (entry.retry === 'decision') expect(entry.exit).toBe(5);
    if (entry.exit === 5) expect(entry.retry).toBe('decision');
  });
});
