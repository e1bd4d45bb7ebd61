import type { ObjectProgress, ProgressEvent } from '@millrace/contract/run-event';
import { describe, expect, test } from 'vitest';
import { LiveModel } from './live-model.ts';
import { createPaint } from './terminal-text.ts';

const plain = createPaint(false);
const SIZE = { columns: 160, rows: 24 };

function object(name: string, overrides: Partial<ObjectProgress> = {}): ObjectProgress {
  return {
    object: name,
    state: 'streaming',
    rows_copied: 0,
    bytes_copied: 0,
    inserted: 0,
    updated: 0,
    deleted: 0,
    truncated: 0,
    estimated_rows: null,
    estimated_bytes: null,
    reason: null,
    note: null,
    ...overrides,
  };
}

function progress(...objects: readonly ObjectProgress[]): ProgressEvent {
  return {
    type: 'progress',
    time: '2026-01-01T00:00:00.000Z',
    pipeline: 'shop',
    source_lsn: '0/2',
    checkpoint_lsn: '0/1',
    lag_bytes: 2048,
    lag_seconds: 0.4,
    retained_wal_bytes: 0,
    objects,
  };
}

describe('the live view', () => {
  test('shows phase, rows, bytes, rate, estimate and lag of every object', () => {
    const model = new LiveModel();
    const copying = { state: 'copying', estimated_rows: 100_000, estimated_bytes: 10_240_000 } as const;
    model.apply(progress(object('public.orders', copying), object('public.customers', { inserted: 5 })), 0);
    model.apply(progress(object('public.orders', { ...copying, rows_copied: 50_000, bytes_copied: 5_120_000 })), 5_000);
    const lines = model.render(SIZE, 5_000, plain);
    expect(lines[0]).toBe('shop  starting  lag 0.4 s, 2.0 kB');
    expect(lines[1]).toMatch(/OBJECT +PHASE +ROWS +CHANGES +BYTES +RATE +ETA +LAG/);
    expect(lines[2]).toMatch(/public\.orders +copying +50,000 of ~100,000 +0 +4\.9 MB +10,000 rows\/s +5\.0 s/);
    expect(lines[3]).toMatch(/public\.customers +streaming +0 +5 +0 bytes +0 rows\/s +0\.4 s/);
  });

  test('says estimating until a rate can be trusted', () => {
    const model = new LiveModel();
    model.apply(progress(object('public.a', { state: 'copying', estimated_rows: 10 })), 0);
    expect(model.render(SIZE, 1_000, plain).join('\n')).toContain('estimating');
  });

  test('starts a restarted object from nothing, without a negative rate', () => {
    const model = new LiveModel();
    model.apply(progress(object('public.a', { rows_copied: 1_000 })), 0);
    model.apply(progress(object('public.a', { state: 'copying', rows_copied: 10 })), 1_000);
    expect(model.render(SIZE, 2_000, plain).join('\n')).not.toContain('-');
  });

  test('looks back only a few seconds, so a stalled copy shows no rate', () => {
    const model = new LiveModel();
    for (let second = 0; second <= 60; second++)
      model.apply(progress(object('public.a', { state: 'copying', rows_copied: Math.min(second, 20) * 100 })), second * 1_000);
    expect(model.render(SIZE, 60_000, plain).join('\n')).toContain('0 rows/s');
  });

  test('fits the terminal with ten thousand objects, those that need attention first', () => {
    const model = new LiveModel();
    const many = Array.from({ length: 10_000 }, (_, i) => object(`public.t${String(i).padStart(5, '0')}`));
    model.apply(progress(...many, object('public.z', { state: 'failed', reason: { code: '2062', cause: 'refused', fix: '' } })), 0);
    const lines = model.render({ columns: 80, rows: 24 }, 0, plain);
    expect(lines.length).toBeLessThanOrEqual(23);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
    expect(lines[2]).toMatch(/public\.z +failed/);
    expect(lines.at(-1)).toMatch(/… and 9,9\d\d more objects: 9,9\d\d streaming/);
  });

  test('never draws more lines than the terminal has, however many pipelines run', () => {
    const model = new LiveModel();
    for (let i = 0; i < 50; i++) model.apply({ ...progress(object('public.a')), pipeline: `p${i}` }, 0);
    expect(model.render({ columns: 80, rows: 10 }, 0, plain).length).toBeLessThanOrEqual(9);
  });

  test('escapes names that would act on the terminal', () => {
    const model = new LiveModel();
    model.apply({ ...progress(object('public."\u001b[2J"')), pipeline: 'p\u001b]0;x\u0007' }, 0);
    expect(model.render(SIZE, 0, plain).join('')).not.toContain('\u001b');
    expect(model.takeChanged(0, 5).join('')).not.toContain('\u001b');
  });

  test('elsewhere says only what changed, and counts what is too much', () => {
    const model = new LiveModel();
    model.apply(progress(object('public.a'), object('public.b'), object('public.c')), 0);
    expect(model.takeChanged(0, 2)).toEqual([
      'shop public.a, streaming, 0 rows, 0 changes, 0 bytes, 0 rows/s, lag 0.4 s',
      'shop public.b, streaming, 0 rows, 0 changes, 0 bytes, 0 rows/s, lag 0.4 s',
      'shop … and 1 more object',
    ]);
    model.apply(progress(object('public.b', { inserted: 3 })), 1_000);
    expect(model.takeChanged(1_000, 2)).toEqual(['shop public.b, streaming, 0 rows, 3 changes, 0 bytes, 3.0 rows/s, lag 0.4 s']);
    expect(model.takeChanged(2_000, 2)).toEqual([]);
  });
});
