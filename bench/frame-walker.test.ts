import { expect, test } from 'vitest';
import { FrameWalker, queryMessage } from './frame-walker.ts';

const stream = Buffer.concat([queryMessage('SELECT 1'), Buffer.from([0x63, 0, 0, 0, 4]), queryMessage('x'.repeat(40))]);

function walk(chunks: readonly Buffer[]): readonly string[] {
  const walker = new FrameWalker(8);
  const seen: string[] = [];
  for (const chunk of chunks) {
    walker.push(chunk, (frame) => seen.push(`${frame.type} ${frame.startOffset}-${frame.endOffset} ${frame.head.toString('latin1')}`));
  }
  return seen;
}

test('messages are found with their place and their first bytes', () => {
  expect(walk([stream])).toEqual(['Q 0-14 SELECT 1', 'c 14-19 ', 'Q 19-65 xxxxxxxx']);
});

test('it makes no difference where the stream is cut', () => {
  const whole = walk([stream]);
  for (let cut = 1; cut < stream.length; cut++) {
    expect(walk([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(whole);
  }
  expect(walk(Array.from(stream, (byte) => Buffer.from([byte])))).toEqual(whole);
});

test('a length that does not even count itself is refused', () => {
  expect(() => walk([Buffer.from([0x64, 0, 0, 0, 3])])).toThrow('3 bytes');
});
