// Turns what a running pipeline shows into events for the command line: progress at most twice a second, states at once.
import { formatObjectName } from '@millrace/contract/object-name';
import type { Finding } from '@millrace/contract/report';
import type { ObjectProgress } from '@millrace/contract/run-event';
import type { EventListener } from '../../cli/operations.ts';
import type { ObjectCounters } from '../../destination/state-records.ts';
import type { LiveObject } from '../../engine/live-object.ts';
import type { ChangeCounts } from '../../model/batch/object-batch.ts';
import type { MillraceError } from '../../model/error.ts';
import type { ObjectState } from '../../model/object-state.ts';
import type { QualifiedName } from '../../pg/ident.ts';
import { formatLsn, type Lsn } from '../../pg/lsn.ts';
import { describeError } from '../error-report.ts';
import type { CopyProgress, PipelineObserver, StreamProgress } from '../pipeline/observer.ts';

const PROGRESS_INTERVAL_MS = 500;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Counts are since the object's historical load began, as the state has them. */
export class EventObserver implements PipelineObserver {
  readonly #pipeline: string;
  readonly #onEvent: EventListener;
  readonly #objects = new Map<string, Mutable<ObjectProgress>>();
  readonly #changed = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #stream: StreamProgress | null = null;

  constructor(pipeline: string, onEvent: EventListener) {
    this.#pipeline = pipeline;
    this.#onEvent = onEvent;
    this.#timer = setInterval(() => this.#tell(), PROGRESS_INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#tell();
  }

  pipelineState(state: Parameters<PipelineObserver['pipelineState']>[0], reason: MillraceError | null): void {
    this.#onEvent({ type: 'state', time: now(), pipeline: this.#pipeline, state, reason: reason === null ? null : reasonOf(reason) });
  }

  objectState(object: QualifiedName, state: ObjectState, reason: MillraceError | null): void {
    const progress = this.#of(object);
    progress.state = state;
    progress.reason = reason === null ? null : reasonOf(reason);
    if (reason !== null && state === 'failed') {
      this.#onEvent({ type: 'error', time: now(), pipeline: this.#pipeline, error: describeError(reason) });
    }
    this.#tell();
  }

  countsBegin(object: QualifiedName, counters: ObjectCounters): void {
    const progress = this.#of(object);
    progress.rows_copied = Number(counters.rowsCopied);
    progress.bytes_copied = Number(counters.bytesCopied);
    progress.inserted = Number(counters.inserted);
    progress.updated = Number(counters.updated);
    progress.deleted = Number(counters.deleted);
    progress.truncated = Number(counters.truncated);
  }

  copyProgress(object: QualifiedName, copy: CopyProgress): void {
    const progress = this.#of(object);
    progress.rows_copied = copy.rows;
    progress.bytes_copied = copy.bytes;
    progress.estimated_rows = copy.estimatedRows;
    progress.estimated_bytes = copy.estimatedBytes;
  }

  changesApplied(object: LiveObject): void {
    this.#of(object.source).state = object.state;
  }

  changesCounted(object: QualifiedName, counts: ChangeCounts): void {
    const progress = this.#of(object);
    progress.inserted += counts.inserted;
    progress.updated += counts.updated;
    progress.deleted += counts.deleted;
    progress.truncated += counts.truncated;
  }

  streamProgress(progress: StreamProgress): void {
    this.#stream = progress;
  }

  finding(finding: Finding): void {
    this.#onEvent({ type: 'finding', time: now(), pipeline: this.#pipeline, finding });
  }

  #of(object: QualifiedName): Mutable<ObjectProgress> {
    const name = formatObjectName({ schema: object.schema, name: object.name });
    let progress = this.#objects.get(name);
    if (progress === undefined) {
      progress = emptyProgress(name);
      this.#objects.set(name, progress);
    }
    this.#changed.add(name);
    return progress;
  }

  #tell(): void {
    const stream = this.#stream;
    if (stream === null && this.#changed.size === 0) return;
    const objects = [...this.#changed].flatMap((name) => this.#objects.get(name) ?? []).map((progress) => ({ ...progress }));
    this.#changed.clear();
    const sourceLsn = stream?.sourceLsn ?? null;
    const behind = (position: Lsn): number | null => (sourceLsn === null ? null : Math.max(0, Number(sourceLsn - position)));
    const lagBytes = stream === null ? null : behind(stream.checkpointLsn);
    this.#onEvent({
      type: 'progress',
      time: now(),
      pipeline: this.#pipeline,
      source_lsn: sourceLsn === null ? null : formatLsn(sourceLsn),
      checkpoint_lsn: stream === null ? null : formatLsn(stream.checkpointLsn),
      lag_bytes: lagBytes,
      lag_seconds: stream === null ? null : lagSeconds(stream, lagBytes),
      retained_wal_bytes: stream === null ? null : behind(stream.confirmedLsn),
      objects,
    });
  }
}

/** With nothing to apply there is no lag, however long ago the last transaction was. */
function lagSeconds(stream: StreamProgress, lagBytes: number | null): number | null {
  if (stream.pendingSinceUnixMs !== null) return Math.max(0, (Date.now() - stream.pendingSinceUnixMs) / 1000);
  return lagBytes === null ? null : 0;
}

function reasonOf(error: MillraceError) {
  return { code: error.code, cause: error.facts.cause, fix: error.fix };
}

function emptyProgress(object: string): Mutable<ObjectProgress> {
  return {
    object,
    state: 'pending',
    estimated_rows: null,
    estimated_bytes: null,
    reason: null,
    note: null,
    rows_copied: 0,
    bytes_copied: 0,
    inserted: 0,
    updated: 0,
    deleted: 0,
    truncated: 0,
  };
}

function now(): string {
  return new Date().toISOString();
}
