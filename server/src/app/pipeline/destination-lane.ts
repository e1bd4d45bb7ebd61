// Joins the engine's apply lane to the destination: batches become flushes, and a commit carries checkpoint, positions and counts.
import type { ObjectWork } from '../../destination/apply-flush.ts';
import { type ApplySession, ObjectRejected } from '../../destination/apply-session.ts';
import type { ApplyTarget } from '../../destination/apply-target.ts';
import { advanceCheckpoint, advanceObjects, type ObjectAdvance, type ObjectReshape, reshapeObject } from '../../destination/commit.sql.ts';
import { alterColumns } from '../../destination/ddl-alter.ts';
import type { Fence } from '../../destination/state-records.ts';
import { ObjectHalt } from '../../engine/assembler.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import type { ApplyLane, CommitPlan } from '../../engine/ports.ts';
import type { StreamBatch } from '../../engine/stream-batch.ts';
import { must } from '../../lib/assert.ts';
import { failpoint } from '../../lib/failpoint.ts';
import { MillraceError } from '../../model/error.ts';
import type { SchemaStep } from '../../model/schema-change/steps.ts';
import { objectLabel } from '../../model/table.ts';
import type { QualifiedName } from '../../pg/ident.ts';

/** How an object's table follows its source. */
export interface Alteration {
  readonly table: QualifiedName;
  readonly steps: readonly SchemaStep[];
  /** What the table then is, with the columns that could not be dropped: where changes go, and what is written down with the commit. */
  readonly settle: (kept: readonly string[]) => { readonly target: ApplyTarget; readonly record: ObjectReshape };
}

/** Implements the engine's port with one destination session. */
export class DestinationLane implements ApplyLane {
  readonly #session: ApplySession;
  readonly #fence: Fence;
  readonly #targets = new Map<LiveObject, ApplyTarget>();
  /** A flush that is not sent yet. */
  #held: readonly ObjectWork[] = [];
  /** What is written down of tables that were altered in the open transaction. */
  readonly #reshaped = new Map<LiveObject, ObjectReshape>();

  constructor(session: ApplySession, fence: Fence) {
    this.#session = session;
    this.#fence = fence;
  }

  /** Must be known before the object's first change is flushed. */
  setTarget(object: LiveObject, target: ApplyTarget): void {
    this.#targets.set(object, target);
  }

  /** Where the object's changes go; must have been set. */
  targetOf(object: LiveObject): ApplyTarget {
    return must(this.#targets.get(object), `the target of ${objectLabel(object.source)}`);
  }

  /** Alters the object's table in the open transaction, after all that was flushed. Throws `ObjectHalt` when the destination refuses it. */
  async alter(object: LiveObject, { table, steps, settle }: Alteration): Promise<readonly string[]> {
    failpoint('apply.before_alter');
    await this.#sendHeld();
    const kept = await this.#session
      .alter((run) => alterColumns(run, table, steps))
      .catch((error: unknown) => {
        if (error instanceof MillraceError && error.errorName === 'destination_has_dependents') throw haltOf(object, error);
        throw error;
      });
    const { target, record } = settle(kept);
    this.#targets.set(object, target);
    this.#reshaped.set(object, record);
    failpoint('apply.after_alter');
    return kept;
  }

  async flush(batch: StreamBatch): Promise<void> {
    const works: ObjectWork[] = [];
    for (const [object, part] of batch.objects) {
      if (!part.isEmpty) works.push({ target: this.targetOf(object), batch: part });
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
    const others = [
      ...[...this.#reshaped.values()].map((record) => reshapeObject(this.#fence, record)),
      ...(objects.length === 0 ? [] : [advanceObjects(this.#fence, objects)]),
    ];
    this.#reshaped.clear();
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
      return haltOf(object, rejected.reason);
    }
    throw new Error(`expected a target with the id ${rejected.targetId}`);
  }
}

function haltOf(object: LiveObject, reason: MillraceError): ObjectHalt {
  const name = reason.errorName === 'unexpected' ? 'row_rejected' : reason.errorName;
  const facts = { ...reason.facts, object: objectLabel(object.source), side: 'destination' as const };
  return new ObjectHalt(object, new MillraceError(name, facts, reason), 'user');
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
