// Visibility must agree with the definition of a snapshot over 64-bit ids, on both sides of every wraparound of 32 bits.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtocolError } from './protocol-error.ts';
import { formatSnapshot, isVisible, parseSnapshot } from './snapshot.ts';

const EPOCH = 2n ** 32n;

describe('a snapshot', () => {
  it('prints as it was read', () => {
    for (const text of [
      '736:736:',
      '10:20:10,14,15',
      '4294967290:4294967299:4294967290,4294967298',
      '18446744073709551600:18446744073709551615:',
    ]) {
      expect(formatSnapshot(parseSnapshot(text))).toBe(text);
    }
  });

  it('sees what ended before it, not what ran or came later', () => {
    const snapshot = parseSnapshot('10:20:10,14,19');
    const visible = [3, 9, 10, 11, 13, 14, 15, 18, 19, 20, 21, 1_000].filter((xid) => isVisible(snapshot, xid));
    expect(visible).toEqual([3, 9, 11, 13, 15, 18]);
  });

  it('sees across the wraparound of 32-bit ids', () => {
    const snapshot = parseSnapshot(`${EPOCH - 6n}:${EPOCH + 10n}:${EPOCH - 6n},${EPOCH + 3n}`);
    expect(isVisible(snapshot, 0xffff_fff9)).toBe(true);
    expect(isVisible(snapshot, 0xffff_fffa)).toBe(false);
    expect(isVisible(snapshot, 0xffff_fffb)).toBe(true);
    expect(isVisible(snapshot, 3)).toBe(false);
    expect(isVisible(snapshot, 4)).toBe(true);
    expect(isVisible(snapshot, 10)).toBe(false);
    expect(isVisible(snapshot, 2_000_000_000)).toBe(false);
    expect(isVisible(snapshot, 2_300_000_000)).toBe(true);
  });

  it('agrees with the definition over 64-bit ids', () => {
    fc.assert(
      fc.property(
        anySnapshot,
        fc.bigInt({ min: -3_000n, max: 3_000n }),
        fc.bigInt({ min: -(2n ** 31n), max: 2n ** 31n - 1n }),
        (ids, near, far) => {
          const snapshot = parseSnapshot(textOf(ids));
          for (const xid of [ids.xmax + near, ids.xmax + far, ...ids.running, ids.xmin, ids.xmax]) {
            if (xid < 3n) continue;
            expect(isVisible(snapshot, Number(xid % EPOCH))).toBe(isVisibleByDefinition(ids, xid));
          }
          expect(formatSnapshot(snapshot)).toBe(textOf(ids));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it.each([
    '',
    '10',
    '10:20',
    '10:20:9',
    '10:20:20',
    '10:20:12,11',
    '10:20:12,12',
    '20:10:',
    '10:20:,',
    '-1:20:',
    '10:20:11 ',
    '10:20:11\n',
    '1:9999999999:',
    '1:20:x',
    `${'1'.repeat(1_000)}:20:`,
  ])('is refused when it reads %j', (text) => {
    expect(() => parseSnapshot(text)).toThrow(ProtocolError);
  });
});

interface Ids {
  readonly xmin: bigint;
  readonly xmax: bigint;
  readonly running: readonly bigint[];
}

/** Snapshots whose xmax often stands just behind a wraparound. */
const anySnapshot: fc.Arbitrary<Ids> = fc
  .record({
    epoch: fc.bigInt({ min: 0n, max: 5n }),
    low: fc.oneof(fc.bigInt({ min: 3n, max: 3_000n }), fc.bigInt({ min: 3n, max: EPOCH - 1n })),
    span: fc.bigInt({ min: 0n, max: 2_000n }),
    offsets: fc.uniqueArray(fc.bigInt({ min: 0n, max: 2_000n }), { maxLength: 30 }),
  })
  .map(({ epoch, low, span, offsets }) => {
    const xmax = epoch * EPOCH + low;
    const xmin = xmax - span < 0n ? 0n : xmax - span;
    const running = offsets
      .map((offset) => xmin + offset)
      .filter((id) => id < xmax)
      .sort((a, b) => (a < b ? -1 : 1));
    return { xmin, xmax, running };
  });

function textOf(ids: Ids): string {
  return `${ids.xmin}:${ids.xmax}:${ids.running.join(',')}`;
}

function isVisibleByDefinition(ids: Ids, xid: bigint): boolean {
  return xid < ids.xmax && !ids.running.includes(xid);
}
