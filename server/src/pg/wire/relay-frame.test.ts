import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../protocol-error.ts';
import { MessageFramer } from './frame.ts';
import { RelayFramer } from './relay-frame.ts';

function message(type: string, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 'latin1');
  header.writeInt32BE(payload.length + 4, 1);
  return Buffer.concat([header, payload]);
}

/** What came out, in order: runs of COPY bytes joined, other messages as they are. */
function relay(chunks: readonly Buffer[]): readonly string[] {
  const events: string[] = [];
  let copied: Buffer[] = [];
  const flush = (): void => {
    if (copied.length > 0) events.push(`copy ${Buffer.concat(copied).toString('hex')}`);
    copied = [];
  };
  const framer = new RelayFramer((bytes, start, end) => copied.push(Buffer.from(bytes.subarray(start, end))));
  for (const chunk of chunks) {
    framer.push(chunk, (type, bytes, start, end) => {
      flush();
      events.push(`${String.fromCharCode(type)} ${bytes.subarray(start, end).toString('hex')}`);
    });
  }
  flush();
  return events;
}

/** The same from whole messages. */
function frame(stream: Buffer): readonly string[] {
  const events: string[] = [];
  let copied: Buffer[] = [];
  const flush = (): void => {
    if (copied.length > 0) events.push(`copy ${Buffer.concat(copied).toString('hex')}`);
    copied = [];
  };
  new MessageFramer().push(stream, (type, bytes, start, end) => {
    if (type === 0x64) return void copied.push(Buffer.from(bytes.subarray(start - 5, end)));
    flush();
    events.push(`${String.fromCharCode(type)} ${bytes.subarray(start, end).toString('hex')}`);
  });
  flush();
  return events;
}

describe('a relaying framer', () => {
  test('gives the same bytes and messages in the same order, wherever the stream is cut', () => {
    const anyMessage = fc.tuple(fc.constantFrom('d', 'd', 'd', 'H', 'c', 'C', 'Z', 'D', 'N'), fc.uint8Array({ maxLength: 20 }));
    const property = fc.property(fc.array(anyMessage, { maxLength: 12 }), fc.array(fc.nat(400), { maxLength: 20 }), (messages, cuts) => {
      const stream = Buffer.concat(messages.map(([type, payload]) => message(type, payload)));
      const bounds = [...new Set([0, ...cuts.map((cut) => Math.min(cut, stream.length)), stream.length])].sort((a, b) => a - b);
      const chunks = bounds.slice(1).map((bound, index) => stream.subarray(bounds[index], bound));
      expect(relay(chunks)).toEqual(frame(stream));
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  test('hands a long message on as it comes', () => {
    const received: number[] = [];
    const framer = new RelayFramer((_, start, end) => received.push(end - start));
    const whole = message('d', Buffer.alloc(100_000));
    framer.push(whole.subarray(0, 60_000), () => {});
    expect(received).toEqual([60_000]);
    framer.push(whole.subarray(60_000), () => {});
    expect(received).toEqual([60_000, 40_005]);
  });

  test('joins the messages of one chunk into one stretch', () => {
    const received: number[] = [];
    const framer = new RelayFramer((_, start, end) => received.push(end - start));
    framer.push(Buffer.concat(Array.from({ length: 100 }, () => message('d', Buffer.alloc(10)))), () => {});
    expect(received).toEqual([1_500]);
  });

  test('keeps what it handed on when a header was cut in two', () => {
    const received: Buffer[] = [];
    const framer = new RelayFramer((bytes, start, end) => received.push(bytes.subarray(start, end)));
    const stream = Buffer.concat([message('d', Buffer.from('ab')), message('d', Buffer.from('cd'))]);
    for (const byte of stream) framer.push(Buffer.from([byte]), () => {});
    expect(Buffer.concat(received)).toEqual(stream);
  });

  test('refuses lengths that no message has, and types that no server sends', () => {
    for (const bytes of ['d\0\0\0\x03', 'd\x7f\xff\xff\xff', 'Z\xff\xff\xff\xff', '\x01\0\0\0\x04']) {
      const framer = new RelayFramer(() => {});
      expect(() => framer.push(Buffer.from(bytes, 'latin1'), () => {})).toThrow(ProtocolError);
    }
  });
});
