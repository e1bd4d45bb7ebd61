import { describe, expect, test } from 'vitest';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import { type ContinuityFacts, judgeContinuity, type StoredCheckpoint } from './continuity.ts';
import type { HealthySlot, SlotState } from './slot.ts';

function lsn(value: number): Lsn {
  return BigInt(value) as Lsn;
}

const CHECKPOINT: StoredCheckpoint = { kind: 'checkpoint', lsn: lsn(1000), systemId: 'S1', timeline: 2, slotName: 'slot' };

function healthy(confirmed: number, decodedTransactions: number | null = 5): HealthySlot {
  return {
    kind: 'healthy',
    confirmedFlushLsn: lsn(confirmed),
    restartLsn: lsn(confirmed - 1),
    activePid: null,
    walStatus: 'reserved',
    safeWalSizeBytes: null,
    retainedBytes: 0,
    decodedTransactions,
  };
}

/** Everything in order, but for what a case changes. */
function facts(changes: {
  readonly stored?: ContinuityFacts['stored'];
  readonly source?: Partial<ContinuityFacts['source']>;
  readonly slotName?: string;
  readonly slot?: SlotState;
  readonly missingPublications?: readonly string[];
}): ContinuityFacts {
  return {
    stored: changes.stored ?? CHECKPOINT,
    source: { systemId: 'S1', timeline: 2, currentLsn: lsn(5000), history: [{ timeline: 1, endLsn: lsn(10) }], ...changes.source },
    slotName: changes.slotName ?? 'slot',
    slot: changes.slot ?? healthy(1000),
    missingPublications: changes.missingPublications ?? [],
  };
}

function verdict(changes: Parameters<typeof facts>[0]): string {
  const judged = judgeContinuity(facts(changes));
  switch (judged.kind) {
    case 'fresh':
      return judged.dropSlotFirst ? 'fresh, drop the slot' : 'fresh';
    case 'continue':
      return judged.timelineChanged ? 'continue on a new timeline' : 'continue';
    case 'lost':
      expect(judged.choices.length).toBeGreaterThan(0);
      return judged.errorName;
  }
}

const NONE = { kind: 'none' } as const;
const PROMOTED = {
  timeline: 3,
  history: [
    { timeline: 1, endLsn: lsn(10) },
    { timeline: 2, endLsn: lsn(2000) },
  ],
};

describe('the verdict on continuity', () => {
  test.each([
    ['1 a first start', { stored: NONE, slot: { kind: 'missing' } }, 'fresh'],
    ['2 a slot of a start that was cut short', { stored: NONE, slot: { kind: 'half_created', activePid: null } }, 'fresh, drop the slot'],
    ['2 a slot of a destination that lost its state', { stored: NONE, slot: healthy(10) }, 'fresh, drop the slot'],
    [
      '2 an invalidated slot without a checkpoint',
      { stored: NONE, slot: { kind: 'invalidated', why: 'x', activePid: null } },
      'fresh, drop the slot',
    ],
    ['3 somebody else holds the name', { stored: NONE, slot: { kind: 'foreign', why: 'is a physical slot' } }, 'slot_in_use'],
    ['4 another system', { source: { systemId: 'S2' } }, 'source_replaced'],
    [
      '4 another system, whatever its positions and slot',
      { source: { systemId: 'S2', currentLsn: lsn(1) }, slot: { kind: 'missing' } },
      'source_replaced',
    ],
    ['5 a checkpoint of another slot', { slotName: 'other' }, 'slot_lost'],
    ['6 an earlier timeline', { source: { timeline: 1, history: [] } }, 'source_timeline_changed'],
    [
      '7 a later timeline of another branch',
      { source: { timeline: 3, history: [{ timeline: 1, endLsn: lsn(4000) }] } },
      'source_timeline_changed',
    ],
    ['7 a later timeline without a history', { source: { timeline: 3, history: null } }, 'source_timeline_changed'],
    [
      '8 a later timeline that branched off before the checkpoint',
      { source: { timeline: 3, history: [{ timeline: 2, endLsn: lsn(999) }] } },
      'source_rewound',
    ],
    [
      '8 the same with the slot gone',
      { source: { timeline: 3, history: [{ timeline: 2, endLsn: lsn(999) }] }, slot: { kind: 'missing' } },
      'source_rewound',
    ],
    ['9 the log ends before the checkpoint', { source: { currentLsn: lsn(999) } }, 'source_rewound'],
    ['9 the log ends at the checkpoint', { source: { currentLsn: lsn(1000) } }, 'continue'],
    ['10 the slot is gone', { slot: { kind: 'missing' } }, 'slot_lost'],
    ['10 the slot did not survive a promotion', { source: PROMOTED, slot: { kind: 'missing' } }, 'source_timeline_changed'],
    ['11 the slot is half created', { slot: { kind: 'half_created', activePid: null } }, 'slot_lost'],
    ['11 the name went to another kind of slot', { slot: { kind: 'foreign', why: 'uses the plugin test_decoding' } }, 'slot_lost'],
    ['12 the slot was invalidated', { slot: { kind: 'invalidated', why: 'wal_removed', activePid: null } }, 'slot_invalidated'],
    ['13 the slot was made anew', { slot: healthy(1001, 0) }, 'slot_recreated'],
    ['13 the slot was made anew on the promoted server', { source: PROMOTED, slot: healthy(3000, 0) }, 'slot_recreated'],
    ['14 the destination was set back', { slot: healthy(1001, 7) }, 'destination_rewound'],
    ['13 or 14 on a server that keeps no statistics', { slot: healthy(1001, null) }, 'slot_recreated'],
    ['15 a publication is gone', { missingPublications: ['p'] }, 'publication_lost'],
    ['16 the slot is confirmed up to the checkpoint', { slot: healthy(1000) }, 'continue'],
    ['16 the last confirmation got lost', { slot: healthy(500) }, 'continue'],
    ['16 a failover slot survived a promotion', { source: PROMOTED, slot: healthy(900) }, 'continue on a new timeline'],
    [
      '16 the source was promoted exactly at the checkpoint',
      { source: { timeline: 3, history: [{ timeline: 2, endLsn: lsn(1000) }] }, slot: healthy(1000) },
      'continue on a new timeline',
    ],
  ] as const)('%s', (_name, changes, expected) => {
    expect(verdict(changes as Parameters<typeof facts>[0])).toBe(expected);
  });

  test('never goes on where the slot starts after the checkpoint, or the source ends before it', () => {
    for (let confirmed = 990; confirmed <= 1010; confirmed += 1) {
      for (let current = 990; current <= 1010; current += 1) {
        const goesOn = verdict({ slot: healthy(confirmed), source: { currentLsn: lsn(current) } }) === 'continue';
        expect(goesOn, `confirmed ${confirmed}, current ${current}`).toBe(confirmed <= 1000 && current >= 1000);
      }
    }
  });

  test('names the positions that do not fit', () => {
    const judged = judgeContinuity(facts({ slot: healthy(2000, 0) }));
    expect(judged).toMatchObject({ cause: expect.stringContaining(formatLsn(lsn(2000))) });
    expect(judged).toMatchObject({ cause: expect.stringContaining(formatLsn(lsn(1000))) });
  });
});
