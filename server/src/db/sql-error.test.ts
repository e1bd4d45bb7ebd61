// What an error means decides whether a session goes on, so it must not depend on a translated text or on a coincidence of codes.
import { describe, expect, test } from 'vitest';
import { sqlError } from './sql-error.ts';

describe('sqlError', () => {
  test.each([
    ['ERROR', '57P01', 'unexpected'],
    ['FATAL', '57P05', 'connection_lost'],
    ['FATAL', '25P03', 'connection_lost'],
    ['PANIC', 'XX000', 'connection_lost'],
    ['FATAL', '23505', 'connection_lost'],
    ['ERROR', '08006', 'unexpected'],
    ['ФАТАЛЬНО', '57P01', 'connection_lost'],
    ['ERREUR', '23505', 'unexpected'],
  ])('a %s with the code %s is %s', (severity, code, name) => {
    expect(sqlError({ severity, code, message: 'm' }, 'destination').errorName).toBe(name);
  });

  test.each([
    ['destination', '55P03', 'destination_blocked'],
    ['source', '55P03', 'source_blocked'],
    ['destination', '53100', 'destination_out_of_space'],
    ['source', '53100', 'unexpected'],
    ['destination', '25006', 'destination_read_only'],
    ['source', '25006', 'unexpected'],
  ] as const)('names the side: at the %s, %s is %s', (side, code, name) => {
    expect(sqlError({ severity: 'ERROR', code, message: 'm' }, side)).toMatchObject({ errorName: name, facts: { sqlstate: code, side } });
  });

  test.each([
    ['source', 'XX000', 'invalid memory alloc request size 1200000003', 'value_too_large'],
    ['source', '54000', 'out of memory', 'value_too_large'],
    ['source', 'XX000', 'cache lookup failed for type 16400', 'unexpected'],
    ['destination', '54000', 'index row size 2712 exceeds btree version 4 maximum 2704', 'unexpected'],
  ] as const)('at the %s, %s with "%s" is %s', (side, code, message, name) => {
    expect(sqlError({ severity: 'ERROR', code, message }, side).errorName).toBe(name);
  });

  test('does not take the code of a system error for a SQLSTATE', () => {
    const broken = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', errno: -32, syscall: 'write' });
    const error = sqlError(broken, 'source');
    expect(error).toMatchObject({ errorName: 'connection_lost', facts: { cause: 'source: write EPIPE' } });
    expect(error.facts.sqlstate).toBeUndefined();
  });

  test('leaves out the value that a data exception quotes, and keeps the names of other errors', () => {
    const refused = { severity: 'ERROR', code: '22P02', message: 'invalid input syntax for type integer: "4111 "1111"" ' };
    expect(sqlError(refused, 'destination').facts.cause).toBe('destination: invalid input syntax for type integer: "…" ');
    const unique = {
      severity: 'ERROR',
      code: '23505',
      message: 'duplicate key value violates unique constraint "t_pkey"',
      detail: '(4111)',
    };
    expect(sqlError(unique, 'destination').facts.cause).toContain('"t_pkey"');
    expect(JSON.stringify(sqlError(unique, 'destination').facts)).not.toContain('4111');
  });
});
