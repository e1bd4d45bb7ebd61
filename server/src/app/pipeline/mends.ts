// Decides when an object that its destination table refused is tried again: as soon as the table was changed, and from time to time.
import type { ObjectRecord } from '../../destination/state-records.ts';
import type { ErrorName } from '../../model/error-catalogue.ts';
import { objectLabel } from '../../model/table.ts';

/** Short: somebody may have mended the table before it was first looked at. */
const FIRST_PAUSE_MS = 8_000;
const MAX_PAUSE_MS = 15 * 60_000;

/** Whether what stopped the object may be mended at the destination without our knowing. */
export function mayBeMended(record: ObjectRecord): boolean {
  return record.state === 'failed' && record.reason !== null && MENDED_AT_DESTINATION.has(record.reason.name);
}

/** Remembers the tries of one process; it outlives the sessions, which each try begins anew. */
export class Mends {
  readonly #tries = new Map<string, Try>();

  /**
   * Which of the failed objects to try now. `shapes`: by OID, texts that change with the destination tables. An object that is seen for
   * the first time has just failed.
   */
  due(failed: readonly ObjectRecord[], shapes: ReadonlyMap<number, string>, nowMs: number): readonly ObjectRecord[] {
    return failed.filter((record) => this.#isDue(objectLabel(record.source), shapes.get(record.destinationOid ?? 0) ?? '', nowMs));
  }

  #isDue(label: string, shape: string, nowMs: number): boolean {
    const known = this.#tries.get(label);
    if (known === undefined || (known.isUnderWay && nowMs - known.atMs > MAX_PAUSE_MS)) {
      this.#tries.set(label, { shape, pauseMs: FIRST_PAUSE_MS, atMs: nowMs, isUnderWay: false });
      return false;
    }
    if (known.isUnderWay) {
      // Back from a try that failed.
      this.#tries.set(label, { shape, pauseMs: Math.min(2 * known.pauseMs, MAX_PAUSE_MS), atMs: nowMs, isUnderWay: false });
      return false;
    }
    const hasChanged = shape !== known.shape;
    if (!hasChanged && nowMs < known.atMs + known.pauseMs) return false;
    this.#tries.set(label, { shape, pauseMs: hasChanged ? FIRST_PAUSE_MS / 2 : known.pauseMs, atMs: nowMs, isUnderWay: true });
    return true;
  }
}

interface Try {
  /** Of the destination table, when it was last looked at. */
  readonly shape: string;
  /** How long to wait after a try before the next. */
  readonly pauseMs: number;
  /** When the object was tried, or was found to have failed. */
  readonly atMs: number;
  /** Asked for, and not yet known to have failed again. */
  readonly isUnderWay: boolean;
}

const MENDED_AT_DESTINATION: ReadonlySet<string> = new Set<ErrorName>([
  'row_rejected',
  'destination_row_missing',
  'destination_table_exists',
  'destination_has_dependents',
  'destination_schema_denied',
]);
