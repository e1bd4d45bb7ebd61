// The framer must give the same messages wherever the network cuts the stream, and must refuse what can't be a message.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from '../protocol-error.ts';
import { MessageFramer } from './frame.ts';

describe('MessageFramer', () => {
  it('gives whole messages inside the chunk itself', () => {
    const chunk = Buffer.concat([message('d', Buffer.from('one')), message('Z', Buffer.from('I'))]);
    const seen: [string, boolean, string][] = [];
    new MessageFramer().push(chunk, (type, bytes, start, end) => {
      seen.push([String.fromCharCode(type), bytes === chunk, bytes.toString('latin1', start, end)]);
    });
    expect(seen).toEqual([
      ['d', true, 'one'],
      ['Z', true, 'I'],
    ]);
  });

  it('gives the same messages however the stream is cut', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 12 }), fc.array(fc.nat(300)), (messages, cuts) => {
        const stream = Buffer.concat(messages.map(({ type, payload }) => message(type, payload)));
        const framer = new MessageFramer();
        const seen = frames(framer, pieces(stream, cuts));
        expect(seen).toEqual(
          messages.map(({ type, payload }) => ({
            type,
            payload: payload.toString('hex'),
          })),
        );
        expect(framer.pendingBytes).toBe(0);
      }),
    );
  });

  it('gives the same messages when every byte comes alone', () => {
    const stream = Buffer.concat([
      message('d', Buffer.alloc(300, 7)),
      message('c', Buffer.alloc(0)),
      message('C', Buffer.from('COPY 1\0')),
    ]);
    const singles = Array.from(stream, (byte) => Buffer.from([byte]));
    expect(frames(new MessageFramer(), singles).map((f) => f.type)).toEqual(['d', 'c', 'C']);
  });

  it('says how many bytes of an unfinished message it holds', () => {
    const framer = new MessageFramer();
    framer.push(message('d', Buffer.alloc(100)).subarray(0, 40), () => {});
    expect(framer.pendingBytes).toBe(40);
  });

  it('does not reuse the bytes of a chunk after push returned', () => {
    const whole = message('d', Buffer.from('kept'));
    const first = Buffer.from(whole.subarray(0, 7));
    const framer = new MessageFramer();
    framer.push(first, () => {});
    first.fill(0);
    expect(frames(framer, [whole.subarray(7)])).toEqual([{ type: 'd', payload: Buffer.from('kept').toString('hex') }]);
  });

  it('gathers a large message whole', () => {
    const payload = Buffer.alloc(8 * MEBIBYTE, 0xab);
    const stream = message('d', payload);
    const framer = new MessageFramer();
    const sizes: number[] = [];
    for (let at = 0; at < stream.length; at += 65_536) {
      framer.push(stream.subarray(at, at + 65_536), (_type, bytes, start, end) => {
        sizes.push(end - start);
        expect(bytes.compare(payload, 0, payload.length, start, end)).toBe(0);
      });
    }
    expect(sizes).toEqual([payload.length]);
  });

  it('does not allocate what a header merely declares', () => {
    const before = process.memoryUsage().arrayBuffers;
    const framers = Array.from({ length: 200 }, () => {
      const framer = new MessageFramer();
      framer.push(Buffer.from([0x64, 0x3f, 0xff, 0xff, 0xff, 1, 2, 3]), () => {});
      return framer;
    });
    expect(framers.every((framer) => framer.pendingBytes === 8)).toBe(true);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MEBIBYTE);
  });

  it.each([
    ['a length that does not even count itself', [0x64, 0, 0, 0, 3]],
    ['a negative length', [0x64, 0xff, 0xff, 0xff, 0xff]],
    ['a type that no backend message has', [0x00, 0, 0, 0, 4]],
    ['data over the limit', [0x64, 0, 0, 0x04, 0x01]],
    ['a control message over its own limit', [0x45, 0, 0, 0x01, 0x01]],
  ])('refuses %s, whole or split', (_name, header) => {
    const limits = { maxDataBytes: 1024, maxControlBytes: 256 };
    const bytes = Buffer.from(header);
    expect(() => new MessageFramer(limits).push(bytes, () => {})).toThrow(ProtocolError);
    expect(() => frames(new MessageFramer(limits), [bytes.subarray(0, 2), bytes.subarray(2)])).toThrow(ProtocolError);
  });

  it('takes messages of exactly the limits', () => {
    const framer = new MessageFramer({
      maxDataBytes: 1024,
      maxControlBytes: 256,
    });
    const seen = frames(framer, [message('d', Buffer.alloc(1020)), message('E', Buffer.alloc(252))]);
    expect(seen.map((f) => f.type)).toEqual(['d', 'E']);
  });
});

const MEBIBYTE = 1024 * 1024;

const anyMessage = fc.record({
  type: fc.constantFrom('d', 'D', 'Z', 'C', 'c', 'E', 'N', 'S'),
  payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
});

function message(type: string, payload: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 0, 'latin1');
  header.writeInt32BE(payload.length + 4, 1);
  return Buffer.concat([header, payload]);
}

function frames(framer: MessageFramer, chunks: readonly Buffer[]): { type: string; payload: string }[] {
  const seen: { type: string; payload: string }[] = [];
  for (const chunk of chunks) {
    framer.push(chunk, (type, bytes, start, end) => {
      seen.push({
        type: String.fromCharCode(type),
        payload: bytes.toString('hex', start, end),
      });
    });
  }
  return seen;
}

function pieces(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (const size of cuts) {
    chunks.push(stream.subarray(at, at + size));
    at += size;
  }
  chunks.push(stream.subarray(at));
  return chunks;
}
