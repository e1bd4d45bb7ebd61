import { describe, expect, test } from 'vitest';
import { MillraceError } from '../model/error.ts';
import { parseLsn } from '../pg/lsn.ts';
import { streamError } from './stream-error.ts';

const RECEIVED = parseLsn('0/AA');

function tooLarge(where?: string): MillraceError {
  const facts = { cause: 'source: invalid memory alloc request size 1200000003', sqlstate: 'XX000', side: 'source' } as const;
  return new MillraceError('value_too_large', facts, { where });
}

describe('the error that ended a stream', () => {
  test('names the place of a row that is too large, as the server does', () => {
    const where = 'slot "millrace_x", output plugin "pgoutput", in the change callback, associated LSN 1/2F00A8';
    expect(streamError(tooLarge(where), 'millrace_x', RECEIVED)).toMatchObject({
      errorName: 'value_too_large',
      facts: { cause: expect.stringContaining('at 1/2F00A8'), fix: expect.stringContaining("'millrace_x'"), sqlstate: 'XX000' },
    });
  });

  test('names how far the stream had come where the server says nothing', () => {
    expect(streamError(tooLarge(), 's', RECEIVED)).toMatchObject({ facts: { cause: expect.stringContaining('after 0/AA') } });
  });

  test('says what helps where a publication was missing when a change was written', () => {
    const facts = { cause: 'source: publication "p" does not exist', sqlstate: '42704', side: 'source' } as const;
    expect(streamError(new MillraceError('unexpected', facts), 'millrace_x', RECEIVED)).toMatchObject({
      errorName: 'publication_lost',
      facts: { cause: expect.stringContaining('"p"'), fix: expect.stringContaining("pg_drop_replication_slot('millrace_x')") },
    });
  });

  test('keeps the words of any other', () => {
    const lost = new MillraceError('connection_lost', { cause: 'gone' });
    expect(streamError(lost, 's', RECEIVED)).toBe(lost);
    expect(streamError('odd', 's', RECEIVED)).toBe('odd');
  });
});
