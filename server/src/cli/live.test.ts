import type { ProgressEvent } from '@millrace/contract/run-event';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Output } from './context.ts';
import { startLiveView } from './live.ts';
import { createPaint } from './terminal-text.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const plain = createPaint(false);

function recorder(isTty: boolean): Output & { readonly text: () => string } {
  const written: string[] = [];
  return {
    write: (text) => void written.push(text),
    isTty,
    columns: isTty ? 100 : null,
    rows: isTty ? 20 : null,
    text: () => written.join(''),
  };
}

function progress(rowsCopied: number): ProgressEvent {
  const counts = { bytes_copied: 0, inserted: 0, updated: 0, deleted: 0, truncated: 0 };
  const object = {
    object: 'public.a',
    state: 'copying' as const,
    rows_copied: rowsCopied,
    ...counts,
    estimated_rows: 100,
    estimated_bytes: null,
    reason: null,
    note: null,
  };
  return {
    type: 'progress',
    time: 't',
    pipeline: 'shop',
    source_lsn: null,
    checkpoint_lsn: null,
    lag_bytes: null,
    lag_seconds: null,
    retained_wal_bytes: null,
    objects: [object],
  };
}

/** What a terminal shows after `text`, for the few sequences that we use: up, carriage return, clear to the end. */
function screenOf(text: string): string[] {
  const lines = [''];
  let row = 0;
  for (const part of text.split(/(\u001b\[\d+A|\u001b\[0J|\r|\n)/)) {
    const up = /^\u001b\[(\d+)A$/.exec(part);
    if (up) row -= Number(up[1]);
    else if (part === '\u001b[0J') lines.splice(row + 1, lines.length, ...(lines.splice(row, 1, '') && []));
    else if (part === '\n') lines[++row] ??= '';
    else if (part !== '\r') lines[row] += part;
    if (row < 0) throw new Error('moved above the screen');
  }
  return lines;
}

describe('the live view', () => {
  test('draws one block again and again on a terminal, with other lines above it', () => {
    const output = recorder(true);
    const view = startLiveView(output, plain, () => Date.now());
    view.onEvent(progress(1));
    vi.advanceTimersByTime(300);
    view.print('a log line');
    view.onEvent(progress(2));
    vi.advanceTimersByTime(300);
    const screen = screenOf(output.text());
    expect(screen.filter((line) => line.includes('public.a'))).toEqual([expect.stringContaining('2 of ~100')]);
    expect(screen[0]).toBe('a log line');
    view.stop('clear');
    expect(screenOf(output.text())).toEqual(['a log line', '']);
  });

  test('leaves its last state when the run failed', () => {
    const output = recorder(true);
    const view = startLiveView(output, plain, () => Date.now());
    view.onEvent(progress(7));
    view.stop('keep');
    expect(screenOf(output.text()).join('\n')).toContain('7 of ~100');
  });

  test('writes plain lines every few seconds where there is no terminal, without any escape sequence', () => {
    const output = recorder(false);
    const view = startLiveView(output, plain, () => Date.now());
    view.onEvent({ type: 'notice', time: 't', message: 'source listens on 127.0.0.1:5433' });
    for (let second = 0; second < 10; second++) {
      view.onEvent(progress(second));
      vi.advanceTimersByTime(1_000);
    }
    view.stop('clear');
    const lines = output.text().trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d source listens on 127\.0\.0\.1:5433$/);
    expect(lines[2]).toMatch(/^\d\d:\d\d:\d\d shop public\.a, copying, 9 of ~100 rows/);
    expect(output.text()).not.toContain('\u001b');
  });

  test('leaves no timer behind', () => {
    startLiveView(recorder(true), plain, () => 0).stop('clear');
    expect(vi.getTimerCount()).toBe(0);
  });
});
