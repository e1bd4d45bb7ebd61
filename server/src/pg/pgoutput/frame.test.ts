// The stream's envelope: what the server sends is read field by field, what we answer has the manual's bytes.
import { describe, expect, it } from 'vitest';
import { encodeKeepalive, encodeWalData } from '../../../test/fuzz/encode-pgoutput.ts';
import type { Lsn } from '../lsn.ts';
import { ProtocolError } from '../protocol-error.ts';
import { postgresMicros, unixMs } from '../timestamp.ts';
import {
  readKeepalive,
  StreamFrame,
  standbyStatusMessage,
  streamFrameKind,
  walDataPayload,
  walDataServerClockMicros,
  walDataServerEnd,
  walDataStart,
} from './frame.ts';

describe('stream frames', () => {
  it('of WAL data tell positions, clock and where the message begins', () => {
    const frame = Buffer.concat([Buffer.alloc(3), encodeWalData(0x16b374d848n, 0x16b374d900n, 7n, Buffer.from('payload'))]);
    expect(streamFrameKind(frame, 3, frame.length)).toBe(StreamFrame.walData);
    expect(walDataStart(frame, 3)).toBe(0x16b374d848n);
    expect(walDataServerEnd(frame, 3)).toBe(0x16b374d900n);
    expect(walDataServerClockMicros(frame, 3)).toBe(7n);
    expect(frame.toString('latin1', walDataPayload(3))).toBe('payload');
  });

  it('of a keepalive tell position, clock and whether an answer is asked for', () => {
    for (const replyRequested of [true, false]) {
      const frame = encodeKeepalive(0xffff_ffff_ffff_fffen, -1n, replyRequested);
      expect(streamFrameKind(frame, 0, frame.length)).toBe(StreamFrame.keepalive);
      expect(readKeepalive(frame, 0)).toEqual({
        serverEnd: 0xffff_ffff_ffff_fffen,
        serverClockMicros: -1n,
        replyRequested,
      });
    }
  });

  it('are refused when cut off, too long or unknown', () => {
    const walData = encodeWalData(1n, 1n, 1n, Buffer.alloc(0));
    const keepalive = encodeKeepalive(1n, 1n, false);
    for (let end = 0; end < walData.length; end++) expect(() => streamFrameKind(walData, 0, end)).toThrow(ProtocolError);
    for (let end = 0; end < keepalive.length; end++) expect(() => streamFrameKind(keepalive, 0, end)).toThrow(ProtocolError);
    expect(() => streamFrameKind(Buffer.concat([keepalive, Buffer.alloc(1)]), 0, keepalive.length + 1)).toThrow(ProtocolError);
    expect(() => streamFrameKind(Buffer.from('x'), 0, 1)).toThrow(ProtocolError);
  });
});

describe('a standby status update', () => {
  it('has the bytes of the manual', () => {
    const status = {
      received: 3n as Lsn,
      flushed: 2n as Lsn,
      applied: 1n as Lsn,
      clockMicros: 4n,
      replyRequested: true,
    };
    expect(standbyStatusMessage(status).toString('hex')).toBe(
      `64${'00000026'}72${'0000000000000003'}${'0000000000000002'}${'0000000000000001'}${'0000000000000004'}01`,
    );
  });
});

describe('the clock of the protocol', () => {
  it('starts in the year 2000', () => {
    expect(postgresMicros(Date.UTC(2000, 0, 1, 0, 0, 1))).toBe(1_000_000n);
    expect(unixMs(1_500n)).toBe(Date.UTC(2000, 0, 1) + 1);
    expect(unixMs(postgresMicros(1_760_000_000_123))).toBe(1_760_000_000_123);
  });
});
