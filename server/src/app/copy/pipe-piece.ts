// Lets one piece of a table flow from the source's COPY into the destination's, unread and at the pace of the slower side.
import type { LoadPiece, LoadSink } from '../../destination/load-writer.ts';
import { failpoint } from '../../lib/failpoint.ts';
import { MillraceError } from '../../model/error.ts';
import type { CopyQuery } from '../../source/copy.sql.ts';
import type { CopyReader } from '../../source/copy-reader.ts';
import type { CopyLane } from './sessions.ts';

/** One piece: what is read, where it lands, and the statement that makes it count. */
export interface PipedPiece {
  readonly query: CopyQuery;
  readonly target: LoadPiece['target'];
  readonly landing: LoadPiece['landing'];
  readonly position: LoadPiece['position'];
  readonly record: (counts: PieceCounts) => string;
  /** Called with every stretch that was handed on. */
  readonly onBytes: (sizeBytes: number) => void;
}

export interface PieceCounts {
  readonly rows: number;
  /** Of COPY data, without the protocol's framing. */
  readonly bytes: number;
}

/** Resolves when the piece is committed at the destination. When it throws, nothing of it is there, and the lane is to be destroyed. */
export async function pipePiece(lane: CopyLane, piece: PipedPiece): Promise<PieceCounts> {
  const { query, target, landing, position } = piece;
  let wireBytes = 0;
  let readRows = 0;
  let counts: PieceCounts = { rows: 0, bytes: 0 };
  await lane.writer.load({
    target,
    landing,
    position,
    format: query.format,
    feed: async (sink, refused) => {
      // The source would go on sending rows that nobody wants.
      const stop = (): void => lane.reader.destroy();
      refused.addEventListener('abort', stop, { once: true });
      const flow = new Flow(lane.reader, sink);
      readRows = await lane.reader.read(query, (bytes, start, end) => {
        wireBytes += end - start;
        flow.pass(bytes.subarray(start, end));
        piece.onBytes(end - start);
        failpoint('copy.mid_chunk');
      });
      refused.removeEventListener('abort', stop);
    },
    record: (rows) => {
      if (rows !== readRows) throw lostRows(query, readRows, rows);
      counts = { rows, bytes: wireBytes - messagesOf(query, rows) * MESSAGE_HEADER_BYTES };
      return piece.record(counts);
    },
  });
  return counts;
}

/** Past this the source is paused until the destination has taken everything that waits. */
const MAX_QUEUED_BYTES = 1024 * 1024;
const MESSAGE_HEADER_BYTES = 5;

/** Hands bytes on, and holds the source back while too many of them wait. */
class Flow {
  readonly #reader: CopyReader;
  readonly #sink: LoadSink;
  #paused = false;

  constructor(reader: CopyReader, sink: LoadSink) {
    this.#reader = reader;
    this.#sink = sink;
  }

  pass(bytes: Uint8Array): void {
    this.#sink.writeMessages(bytes);
    if (this.#paused || this.#sink.queuedBytes <= MAX_QUEUED_BYTES) return;
    this.#paused = true;
    this.#reader.pause();
    void this.#sink.drained().then(() => {
      this.#paused = false;
      this.#reader.resume();
    });
  }
}

/** A message per row; in binary form one more for the trailer. */
function messagesOf(query: CopyQuery, rows: number): number {
  return rows + (query.format === 'binary' ? 1 : 0);
}

function lostRows(query: CopyQuery, sent: number, received: number): MillraceError {
  return new MillraceError('object_copy_failed', {
    cause: `the source sent ${sent} rows of ${query.leaf.schema}.${query.leaf.name}, and the destination counted ${received}`,
  });
}
