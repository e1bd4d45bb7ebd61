// What a flush offers to those who know one kind of table: statements are sent one after another, and answered later.
import type { TransferFormat } from '../model/batch/row-format.ts';
import type { CopyRows } from '../model/batch/segments.ts';
import type { ApplyTarget } from './apply-target.ts';

export interface FlushLane {
  readonly run: (statement: string) => void;
  /** Runs a statement that must change `rows` rows, unless there is a reason why some are not there. */
  readonly change: (target: ApplyTarget, statement: string, rows: number) => void;
  /** Sends rows through a COPY, if there are any; resolves when they are sent. */
  readonly copy: (statement: string, rows: CopyRows, format: TransferFormat) => Promise<void>;
  /** Makes the staging table if the session lacks it; returns its name. */
  readonly stage: (name: string, create: () => string) => string;
  /** Empties it of its `rows` rows. */
  readonly clear: (name: string, rows: number) => void;
}
