import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../protocol-error.ts';
import { FrameGuard } from './frame-guard.ts';

describe('the guard of a stream of messages', () => {
  test('lets through what servers send, wherever it is cut', () => {
    const type = fc.constantFrom(...'RSKZTDCNEItn123');
    const stream = fc
      .array(fc.tuple(type, fc.uint8Array({ maxLength: 50 })))
      .map((messages) => Buffer.concat(messages.map(([name, body]) => message(name, body))));
    fc.assert(
      fc.property(stream, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (bytes, sizes) => {
        const guard = new FrameGuard();
        for (let at = 0, cut = 0; at < bytes.length; cut++) {
          const size = sizes[cut % sizes.length] ?? 1;
          guard.check(bytes.subarray(at, at + size));
          at += size;
        }
      }),
    );
  });

  test.each([
    ['an unknown type', Buffer.from('HTTP/1.1 400 Bad Request')],
    ['no type at all', Buffer.from([0, 0, 0, 0, 8])],
    ['a length that does not hold itself', Buffer.from([0x5a, 0, 0, 0, 3])],
    ['a negative length', Buffer.from([0x54, 255, 255, 255, 251])],
    ['a length over the limit', Buffer.from([0x44, 0x7f, 255, 255, 255])],
  ])('refuses %s, as soon as the header is there', (_name, bytes) => {
    const guard = new FrameGuard();
    guard.check(message('Z', [73]));
    for (const byte of bytes.subarray(0, 4)) guard.check(Buffer.from([byte]));
    expect(() => guard.check(bytes.subarray(4))).toThrow(ProtocolError);
  });

  test('refuses notices without end, and not those that come with answers', () => {
    const notice = message('N', Buffer.alloc(1024 * 1024));
    const patient = new FrameGuard();
    for (let round = 0; round < 50; round++) {
      patient.check(notice);
      patient.check(message('C', []));
    }
    const flooded = new FrameGuard();
    expect(() => {
      for (let round = 0; round < 50; round++) flooded.check(notice);
    }).toThrow('notices without end');
  });
});

function message(type: string, body: ArrayLike<number>): Buffer {
  const header = Buffer.alloc(5);
  header.write(type, 'latin1');
  header.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([header, Uint8Array.from(body)]);
}
