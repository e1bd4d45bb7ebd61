// The verdict on continuity: may the stream go on from the destination's checkpoint, or could changes be missing? Pure.
import type { ErrorName } from '../model/error-catalogue.ts';
import { formatLsn, type Lsn } from '../pg/lsn.ts';
import type { SlotState } from './slot.ts';
import type { TimelineSwitch } from './system.ts';

/** What the destination's state says. */
export type StoredPosition = { readonly kind: 'none' } | StoredCheckpoint;

export interface StoredCheckpoint {
  readonly kind: 'checkpoint';
  /** Everything up to here is committed at the destination. */
  readonly lsn: Lsn;
  readonly systemId: string;
  readonly timeline: number;
  readonly slotName: string;
}

/** What the source says. */
export interface SourcePosition {
  readonly systemId: string;
  readonly timeline: number;
  /** The end of what the source has flushed. */
  readonly currentLsn: Lsn;
  /** The timelines before the present one; null when the server could not tell. */
  readonly history: readonly TimelineSwitch[] | null;
}

export interface ContinuityFacts {
  readonly stored: StoredPosition;
  readonly source: SourcePosition;
  /** The slot that the pipeline uses now. */
  readonly slotName: string;
  readonly slot: SlotState;
  /** Names of publications that the pipeline needs and that do not exist. */
  readonly missingPublications: readonly string[];
}

export type ContinuityVerdict =
  | {
      readonly kind: 'fresh';
      /** A slot of an earlier attempt is in the way: it protects nothing, because no checkpoint leads to it. */
      readonly dropSlotFirst: boolean;
    }
  | {
      readonly kind: 'continue';
      /** The source was promoted since; the checkpoint is to be stored with the new timeline. */
      readonly timelineChanged: boolean;
    }
  | Lost;

export type LostName = Extract<
  ErrorName,
  | 'slot_lost'
  | 'slot_recreated'
  | 'slot_invalidated'
  | 'slot_in_use'
  | 'destination_rewound'
  | 'source_rewound'
  | 'source_replaced'
  | 'source_timeline_changed'
  | 'publication_lost'
>;

export interface Lost {
  readonly kind: 'lost';
  readonly errorName: LostName;
  /** What does not fit, with the positions. */
  readonly cause: string;
  /** What a person can do, the safest first. */
  readonly choices: readonly string[];
}

/**
 * The cases, in the order in which they are asked. Positions compare only on one system and one line of history, so those two
 * come first; the slot proves the rest: it has all changes after its confirmed position, and none from before it.
 *
 *  1. No checkpoint, no slot: a first start.
 *  2. No checkpoint, a slot of ours (a start that was cut short, or a destination that lost its state): start anew, dropping it.
 *  3. No checkpoint, the name is taken by somebody's slot: refuse; it is not ours to drop.
 *  4. Another system identifier: another server (dump and restore, pg_upgrade, a wrong host).
 *  5. The checkpoint belongs to a slot of another name: that slot's changes are not in this one.
 *  6. An earlier timeline than the checkpoint's: an old primary, or a restore from before the promotion.
 *  7. A later timeline whose history is unknown or does not contain the checkpoint's timeline: another branch.
 *  8. A later timeline that branched off before the checkpoint: rows were applied that this source never had.
 *  9. The same timeline, but the source's log ends before the checkpoint: restored from a copy, or flushed data was lost.
 * 10. The slot is missing. After a promotion that is the usual case (only failover slots, 17 and later, survive).
 * 11. The slot is half created or foreign: the old one is gone.
 * 12. The slot was invalidated.
 * 13. The slot is confirmed beyond the checkpoint and has never decoded a transaction: it was made anew.
 * 14. The slot is confirmed beyond the checkpoint and has been used: the destination was set back. Before 14 the server does not
 *     tell 13 from 14; the slot counts as made anew, and the cause says that it may be the other.
 * 15. A publication is missing: what its tables changed meanwhile was not decoded.
 * 16. Otherwise the slot holds everything after the checkpoint: go on, also on a new timeline.
 */
export function judgeContinuity(facts: ContinuityFacts): ContinuityVerdict {
  const { stored } = facts;
  if (stored.kind === 'none') return judgeFresh(facts);
  return (
    judgeSource(stored, facts) ??
    judgeSlot(stored, facts) ??
    judgePublications(facts) ?? {
      // Case 16
      kind: 'continue',
      timelineChanged: facts.source.timeline !== stored.timeline,
    }
  );
}

function judgeFresh(facts: ContinuityFacts): ContinuityVerdict {
  switch (facts.slot.kind) {
    case 'missing': // Case 1
      return { kind: 'fresh', dropSlotFirst: false };
    case 'foreign': // Case 3
      return lost('slot_in_use', `slot ${facts.slotName} ${facts.slot.why}`, [
        'Drop or rename that slot, or give the pipeline another name.',
      ]);
    default: // Case 2
      return { kind: 'fresh', dropSlotFirst: true };
  }
}

function judgeSource(stored: StoredCheckpoint, facts: ContinuityFacts): Lost | null {
  const { source } = facts;
  const at = formatLsn(stored.lsn);
  if (source.systemId !== stored.systemId) {
    // Case 4
    return lost('source_replaced', `the checkpoint is of system ${stored.systemId}, the source is system ${source.systemId}`, [
      REPOINT,
      RELOAD,
    ]);
  }
  if (stored.slotName !== facts.slotName) {
    // Case 5
    return lost('slot_lost', `the checkpoint belongs to slot ${stored.slotName}, the pipeline uses slot ${facts.slotName}`, [RELOAD]);
  }
  if (source.timeline < stored.timeline) {
    // Case 6
    const cause = `the source is on timeline ${source.timeline}, the checkpoint ${at} on the later timeline ${stored.timeline}`;
    return lost('source_timeline_changed', cause, [REPOINT, RELOAD]);
  }
  if (source.timeline > stored.timeline) return judgeTimeline(stored, source);
  if (source.currentLsn < stored.lsn) {
    // Case 9
    return lost('source_rewound', `the source's log ends at ${formatLsn(source.currentLsn)}, before the checkpoint ${at}`, [
      REPOINT,
      RELOAD,
    ]);
  }
  return null;
}

function judgeTimeline(stored: StoredCheckpoint, source: SourcePosition): Lost | null {
  const at = formatLsn(stored.lsn);
  const branch = source.history?.find((entry) => entry.timeline === stored.timeline);
  if (branch === undefined) {
    // Case 7
    const cause = `the source is on timeline ${source.timeline}, which is not known to come from the checkpoint's timeline ${stored.timeline}`;
    return lost('source_timeline_changed', cause, [REPOINT, RELOAD]);
  }
  if (branch.endLsn < stored.lsn || source.currentLsn < stored.lsn) {
    // Case 8
    const cause = `the source left timeline ${stored.timeline} at ${formatLsn(branch.endLsn)}, before the checkpoint ${at}`;
    return lost('source_rewound', cause, [REPOINT, RELOAD]);
  }
  return null;
}

function judgeSlot(stored: StoredCheckpoint, facts: ContinuityFacts): Lost | null {
  const { slot, source, slotName } = facts;
  const at = formatLsn(stored.lsn);
  switch (slot.kind) {
    case 'missing': // Case 10
      return source.timeline === stored.timeline
        ? lost('slot_lost', `slot ${slotName} does not exist; the checkpoint is ${at}`, [RELOAD])
        : lost('source_timeline_changed', `the source was promoted to timeline ${source.timeline} without slot ${slotName}`, [
            REPOINT,
            RELOAD,
          ]);
    case 'half_created': // Case 11
      return lost('slot_lost', `slot ${slotName} was dropped, and the creation of another was cut short`, [RELOAD]);
    case 'foreign': // Case 11
      return lost('slot_lost', `slot ${slotName} ${slot.why}`, [RELOAD]);
    case 'invalidated': // Case 12
      return lost('slot_invalidated', `slot ${slotName} was invalidated (${slot.why}); the checkpoint is ${at}`, [RELOAD]);
    case 'healthy':
      return slot.confirmedFlushLsn > stored.lsn ? judgeGap(stored, slot, slotName) : null;
  }
}

function judgeGap(stored: StoredCheckpoint, slot: Extract<SlotState, { kind: 'healthy' }>, slotName: string): Lost {
  const gap = `slot ${slotName} starts at ${formatLsn(slot.confirmedFlushLsn)}, after the checkpoint ${formatLsn(stored.lsn)}`;
  if (slot.decodedTransactions === null) {
    // Case 13 or 14
    return lost('slot_recreated', `${gap}: it was made anew, or the destination was set back`, [RESTORE, RELOAD]);
  }
  return slot.decodedTransactions === 0
    ? lost('slot_recreated', `${gap}, and has never been used: it was made anew`, [RELOAD]) // Case 13
    : lost('destination_rewound', `${gap}: the destination was set back`, [RESTORE, RELOAD]); // Case 14
}

function judgePublications(facts: ContinuityFacts): Lost | null {
  if (facts.missingPublications.length === 0) return null;
  // Case 15
  return lost('publication_lost', `publication ${facts.missingPublications.join(' and ')} does not exist`, [RELOAD]);
}

const RELOAD = 'Load all objects again: `millrace objects restart`.';
const REPOINT = 'Point the source at the server that the checkpoint belongs to.';
const RESTORE = 'Bring the destination back to its latest state, if it exists somewhere.';

function lost(errorName: LostName, cause: string, choices: readonly string[]): Lost {
  return { kind: 'lost', errorName, cause, choices };
}
