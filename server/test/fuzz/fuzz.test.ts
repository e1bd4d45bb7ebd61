// The short lane of the fuzz: every test run reads 50,000 new broken frames; the seed of a failure is in its message.
import { describe, expect, it } from 'vitest';
import { decodeMessage } from '../../src/pg/pgoutput/decode.ts';
import { watchAllocations } from './allocations.ts';
import { runFuzz } from './fuzz-run.ts';
import { RecordingSink } from './recording-sink.ts';

describe('broken input', () => {
  it('gives a ProtocolError and nothing else, quickly and in bounded memory', { timeout: 60_000 }, () => {
    const seed = Date.now() % 2 ** 31;
    const report = runFuzz({ seed, firstFrame: 0, frameCount: 50_000 });
    expect(report.accepted + report.refused, `seed ${seed}`).toBe(50_000);
    // Both must be frequent, or the mutations have become too tame or too wild to find anything.
    expect(report.accepted, `seed ${seed}`).toBeGreaterThan(5_000);
    expect(report.refused, `seed ${seed}`).toBeGreaterThan(10_000);
  });

  it('is made the same again from its seed', () => {
    const first = runFuzz({ seed: 7, firstFrame: 100, frameCount: 500 });
    const second = runFuzz({ seed: 7, firstFrame: 100, frameCount: 500 });
    expect([second.accepted, second.framesByTarget]).toEqual([first.accepted, first.framesByTarget]);
  });

  it('would be noticed if it made us allocate what it declares', () => {
    const watch = watchAllocations();
    try {
      Buffer.allocUnsafe(1_000_000);
      expect(watch.takeLargestBytes()).toBe(1_000_000);
      const bytes = Buffer.from('49000000014e7fff747fffffff', 'hex');
      watch.takeLargestBytes();
      expect(() => decodeMessage(bytes, 0, bytes.length, new RecordingSink())).toThrow('cut off');
      expect(watch.takeLargestBytes()).toBe(0);
    } finally {
      watch.stop();
    }
  });
});
