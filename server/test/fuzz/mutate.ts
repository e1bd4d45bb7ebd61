// Breaks correct input in the ways that break parsers: cut off, too long, lying lengths, flipped, moved and repeated bytes.
import type { Random } from './random.ts';

/** What was done to the bytes. `none` leaves them right; `cut` and `extended` can never be right any more. */
export type Mutation = 'none' | 'cut' | 'extended' | 'changed';

export interface Mutated {
  readonly mutation: Mutation;
  readonly bytes: Buffer;
}

/** A broken copy of `bytes` (one in sixteen stays whole). */
export function mutate(random: Random, bytes: Buffer): Mutated {
  switch (random.below(16)) {
    case 0:
      return { mutation: 'none', bytes };
    case 1:
    case 2:
      return { mutation: 'cut', bytes: bytes.subarray(0, random.below(bytes.length)) };
    case 3:
      return { mutation: 'extended', bytes: Buffer.concat([bytes, random.bytes(1 + random.below(9))]) };
    default: {
      let changed = Buffer.from(bytes);
      for (let times = random.pick([1, 1, 1, 2, 3, 8]); times > 0; times--) changed = change(random, changed);
      return { mutation: 'changed', bytes: changed };
    }
  }
}

/** Numbers that lengths and counts get wrong with. */
const EVIL_INT32 = [0, 1, -1, -2, 2 ** 31 - 1, -(2 ** 31), 0x0100_0000, 0x3fff_ffff, 0xffff, 0x7fff];
const EVIL_INT16 = [0, 1, -1, -2, 0x7fff, -0x8000, 1600, 255];

function change(random: Random, bytes: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  if (bytes.length === 0) return bytes;
  const at = random.below(bytes.length);
  switch (random.below(8)) {
    case 0:
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.uint32();
      return bytes;
    case 2:
      if (at + 4 <= bytes.length) bytes.writeInt32BE(random.pick(EVIL_INT32), at);
      return bytes;
    case 3:
      if (at + 2 <= bytes.length) bytes.writeInt16BE(random.pick(EVIL_INT16), at);
      return bytes;
    case 4:
      // Another letter of the protocol at a place where one stands.
      bytes[at] = random.pick([...'BCDIMORTUYKNOntubwkdEZWGHc']).charCodeAt(0);
      return bytes;
    case 5: {
      const end = Math.min(bytes.length, at + 1 + random.below(8));
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    }
    case 6: {
      const end = Math.min(bytes.length, at + 1 + random.below(16));
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    }
    default:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(4)), bytes.subarray(at)]);
  }
}
