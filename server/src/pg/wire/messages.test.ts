// Messages we build must have the manual's bytes; messages we read must be refused when anything about them is wrong.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../protocol-error.ts';
import {
  commandTagRows,
  copyDataMessage,
  copyDoneMessage,
  copyFailMessage,
  queryMessage,
  readCommandTag,
  readCopyResponse,
  readDataRow,
  readReadyForQuery,
  readServerMessage,
  terminateMessage,
} from './messages.ts';

describe('frontend messages', () => {
  it('have the bytes of the manual', () => {
    expect(queryMessage('é').toString('hex')).toBe('5100000007c3a900');
    expect(copyDataMessage(Buffer.from('ab')).toString('hex')).toBe('64000000066162');
    expect(copyDoneMessage().toString('hex')).toBe('6300000004');
    expect(copyFailMessage('no').toString('hex')).toBe('66000000076e6f00');
    expect(terminateMessage().toString('hex')).toBe('5800000004');
  });

  it('refuse a NUL in a string, which would cut the statement short', () => {
    expect(() => queryMessage('SELECT 1\0; DROP')).toThrow(TypeError);
  });
});

describe('server messages', () => {
  it('give the fields that we know and skip the others', () => {
    const bytes = Buffer.from('SFEHLER\0VERROR\0C23505\0Mduplicate key\0DKey (id)=(1)\0sshop\0torders\0norders_pkey\0Fnbtinsert.c\0?x\0\0');
    expect(readServerMessage(bytes, 0, bytes.length)).toEqual({
      severity: 'ERROR',
      code: '23505',
      message: 'duplicate key',
      detail: 'Key (id)=(1)',
      schema: 'shop',
      table: 'orders',
      constraint: 'orders_pkey',
    });
  });

  it.each([
    ['no terminator', 'VERROR\0'],
    ['a field without an end', 'VERR'],
    ['bytes behind the terminator', 'VERROR\0\0x'],
    ['nothing at all', ''],
  ])('are refused with %s', (_name, text) => {
    const bytes = Buffer.from(text);
    expect(() => readServerMessage(bytes, 0, bytes.length)).toThrow(ProtocolError);
  });
});

describe('command tags', () => {
  it('are read whole', () => {
    expect(readCommandTag(Buffer.from('xCOPY 12\0'), 1, 9)).toBe('COPY 12');
    expect(() => readCommandTag(Buffer.from('COPY 12'), 0, 7)).toThrow(ProtocolError);
  });

  it('tell how many rows a command touched', () => {
    expect(commandTagRows('COPY 2000000')).toBe(2_000_000);
    expect(commandTagRows('INSERT 0 7')).toBe(7);
    expect(commandTagRows('DELETE 0')).toBe(0);
    expect(commandTagRows('START_REPLICATION')).toBeNull();
  });
});

describe('rows', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.string({ unit: 'binary' }))), (values) => {
        const bytes = dataRow(values);
        expect(readDataRow(bytes, 0, bytes.length)).toEqual(values);
      }),
    );
  });

  it('are refused when cut anywhere', () => {
    const bytes = dataRow(['a', null, 'bcd']);
    for (let end = 0; end < bytes.length; end++) expect(() => readDataRow(bytes, 0, end)).toThrow(ProtocolError);
  });

  it('are refused with an impossible length, bytes left over or invalid UTF-8', () => {
    expect(() => readDataRow(Buffer.from('0001fffffffe', 'hex'), 0, 6)).toThrow(ProtocolError);
    expect(() => readDataRow(Buffer.from('ffff', 'hex'), 0, 2)).toThrow(ProtocolError);
    expect(() => readDataRow(Buffer.from('000000', 'hex'), 0, 3)).toThrow(ProtocolError);
    expect(() => readDataRow(Buffer.from('000100000001ff', 'hex'), 0, 7)).toThrow(ProtocolError);
  });
});

describe('states', () => {
  it('of a ready server are named', () => {
    expect(['I', 'T', 'E'].map((s) => readReadyForQuery(Buffer.from(s), 0, 1))).toEqual(['idle', 'in_transaction', 'failed_transaction']);
    expect(() => readReadyForQuery(Buffer.from('X'), 0, 1)).toThrow(ProtocolError);
    expect(() => readReadyForQuery(Buffer.from(''), 0, 0)).toThrow(ProtocolError);
  });

  it('of a COPY tell format and columns', () => {
    expect(readCopyResponse(Buffer.from('01000200010001', 'hex'), 0, 7)).toEqual({ format: 'binary', columnCount: 2 });
    expect(readCopyResponse(Buffer.from('000000', 'hex'), 0, 3)).toEqual({
      format: 'text',
      columnCount: 0,
    });
    for (const bad of ['020000', '00ffff', '0000020000', '00', '00000000']) {
      const bytes = Buffer.from(bad, 'hex');
      expect(() => readCopyResponse(bytes, 0, bytes.length), bad).toThrow(ProtocolError);
    }
  });
});

function dataRow(values: readonly (string | null)[]): Buffer {
  const parts: Buffer[] = [int16(values.length)];
  for (const value of values) {
    const bytes = Buffer.from(value ?? '');
    parts.push(value === null ? int32(-1) : int32(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
