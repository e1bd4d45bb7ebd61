// The gathering of split messages must stay linear in what arrives and must give large memory back.
import { describe, expect, it } from 'vitest';
import { GatherBuffer } from './gather-buffer.ts';

const PIECE_BYTES = 64 * 1024;

describe('GatherBuffer', () => {
  it('moves what it holds only a few times, however many pieces come', () => {
    const gather = new GatherBuffer();
    const piece = Buffer.alloc(PIECE_BYTES, 1);
    const buffers = new Set<Buffer>();
    for (let i = 0; i < 1_000; i++) {
      gather.append(piece, 0, piece.length, 1_000 * PIECE_BYTES);
      buffers.add(gather.bytes);
    }
    expect(gather.lengthBytes).toBe(1_000 * PIECE_BYTES);
    expect(buffers.size).toBeLessThan(14);
  });

  it('grows by what arrived, not by what was promised', () => {
    const gather = new GatherBuffer();
    gather.append(Buffer.alloc(PIECE_BYTES), 0, PIECE_BYTES, 2 ** 31);
    expect(gather.bytes.length).toBeLessThanOrEqual(2 * PIECE_BYTES);
  });

  it('does not grow beyond the promised size when that is enough', () => {
    const gather = new GatherBuffer();
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let i = 0; i < 5; i++) gather.append(piece, 0, piece.length, 5 * PIECE_BYTES);
    expect(gather.bytes.length).toBe(5 * PIECE_BYTES);
  });

  it('gives the memory of a large message back', () => {
    const gather = new GatherBuffer();
    gather.append(Buffer.alloc(8 * 1024 * 1024), 0, 8 * 1024 * 1024, 8 * 1024 * 1024);
    gather.clear();
    expect(gather.lengthBytes).toBe(0);
    expect(gather.bytes.length).toBeLessThan(1024 * 1024);
  });

  it('keeps what is behind a dropped front', () => {
    const gather = new GatherBuffer();
    gather.append(Buffer.from('abcdef'), 0, 6, 6);
    gather.dropFirst(4);
    expect(gather.bytes.toString('latin1', 0, gather.lengthBytes)).toBe('ef');
  });
});
