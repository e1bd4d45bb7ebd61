import { describe, expect, test } from 'vitest';
import { isAboutTransport, transportsOf } from './transport.ts';

test.each([
  ['disable', ['plain']],
  ['allow', ['plain', 'tls']],
  ['prefer', ['tls', 'plain']],
  ['require', ['tls']],
  ['verify-ca', ['tls']],
  ['verify-full', ['tls']],
] as const)('sslmode %s tries %j', (mode, transports) => {
  expect(transportsOf(mode)).toEqual(transports);
});

describe('the other transport is worth a try', () => {
  test.each([
    ['when the server has no TLS', new Error('The server does not support SSL connections'), true],
    ['when the handshake fails', Object.assign(new Error('write EPROTO 80F7:error:0A00010B'), { code: 'EPROTO' }), true],
    ['when pg_hba.conf refuses this one', { severity: 'FATAL', code: '28000', message: 'no pg_hba.conf entry for host' }, true],
    ['but not when the password is wrong', { severity: 'FATAL', code: '28P01', message: 'password authentication failed' }, false],
    ['but not when there is no server', Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), false],
    ['but not when the server is full', { severity: 'FATAL', code: '53300', message: 'too many clients' }, false],
  ])('%s', (_when, error, expected) => {
    expect(isAboutTransport(error)).toBe(expected);
  });
});
