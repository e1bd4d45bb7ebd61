// Joins the engine's apply lane to the destination: batches become flushes, and a commit carries checkpoint, positions and counts.
import type { ObjectWork } from '../../destination/apply-flush.ts';
import { type ApplySession, ObjectRejected } from '../../destination/apply-session.ts';
import type { ApplyTarget } from '../../destination/apply-target.ts';
import { advanceCheckpoint, advanceObjects, type ObjectAdvance } from '../../destination/commit.sql.ts';
import type { Fence } from '../../destination/state-records.ts';
import { ObjectHalt } from '../../engine/assembler.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import type { ApplyLane, CommitPlan } from '../../engine/ports.ts';
import type { StreamBatch } from '../../engine/stream-batch.ts';
import { must } from '../../lib/assert.ts';
import { failpoint } from '../../lib/failpoint.ts';
import { MillraceError } from '../../model/error.ts';
import { objectLabel } from '../../model/table.ts';

/** Implements the engine's port with one destination session. */
export class DestinationLane implements ApplyLane {
  readonly #session: ApplySession;
  readonly #fence: Fence;
  readonly #targets = new Map<LiveObject, ApplyTarget>();
  /** A flush that is not sent yet. */
  #held: readonly ObjectWork[] = [];

  constructor(session: ApplySession, fence: Fence) {
    this.#session = session;
    this.#fence = fence;
  }

  /** Must be known before the object's first change is flushed. */
  setTarget(object: LiveObject, target: ApplyTarget): void {
    this.#targets.set(object, target);
  }

  async flush(batch: StreamBatch): Promise<void> {
    const works: ObjectWork[] = [];
    for (const [object, part] of batch.objects) {
      if (!part.isEmpty)
        works.push({ target: must(this.#targets.get(object), `the target of ${objectLabel(object.source)}`), batch: part });
    }
    failpoint('apply.before_flush');
    await this.#sendHeld();
    this.#held = works;
    // What ends at a commit goes out together with it.
    if (batch.endsInside) await this.#sendHeld();
    failpoint('apply.after_flush');
  }

  async commit(plan: CommitPlan): Promise<void> {
    const objects = advances(plan);
    const move =
      plan.checkpoint === null
        ? null
        : {
            lsn: plan.checkpoint.endLsn,
            commitTimeMicros: plan.checkpoint.commitTimeMicros === 0n ? null : plan.checkpoint.commitTimeMicros,
          };
    const others = objects.length === 0 ? [] : [advanceObjects(this.#fence, objects)];
    failpoint('apply.before_commit');
    const last = this.#takeHeld();
    await this.#orHalt(() => this.#session.commit(advanceCheckpoint(this.#fence, move), others, last));
    failpoint('apply.after_commit');
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  async #sendHeld(): Promise<void> {
    const works = this.#takeHeld();
    if (works.length > 0) await this.#orHalt(() => this.#session.flush(works));
  }

  #takeHeld(): readonly ObjectWork[] {
    const works = this.#held;
    this.#held = [];
    return works;
  }

  async #orHalt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      throw error instanceof ObjectRejected ? this.#halt(error) : error;
    }
  }

  #halt(rejected: ObjectRejected): ObjectHalt {
    for (const [object, target] of this.#targets) {
      if (target.id !== rejected.targetId) continue;
      const { reason } = rejected;
      const name = reason.errorName === 'unexpected' ? 'row_rejected' : reason.errorName;
      const facts = { ...reason.facts, object: objectLabel(object.source), side: 'destination' as const };
      return new ObjectHalt(object, new MillraceError(name, facts, reason), 'user');
    }
    throw new Error(`expected a target with the id ${rejected.targetId}`);
  }
}

function advances(plan: CommitPlan): ObjectAdvance[] {
  const objects = new Set([...plan.settled, ...plan.counts.keys()]);
  const settled = new Set(plan.settled);
  return [...objects].map((object) => {
    const counts = plan.counts.get(object);
    return {
      source: object.source,
      state: settled.has(object) ? object.state : null,
      applied: settled.has(object) ? object.applied : null,
      inserted: counts?.inserted ?? 0,
      updated: counts?.updated ?? 0,
      deleted: counts?.deleted ?? 0,
      truncated: counts?.truncated ?? 0,
    };
  });
}
