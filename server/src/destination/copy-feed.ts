// Sends stretches of an arena through a COPY: large ones as they lie, small ones gathered into larger writes.
import type { CopySink } from '../db/wire-session.ts';
import type { TransferFormat } from '../model/batch/row-format.ts';
import type { CopyRows } from '../model/batch/segments.ts';
import { COPY_HEADER_BYTES, COPY_TRAILER_BYTES, writeCopyHeader, writeCopyTrailer } from '../pg/copy/binary.ts';

/** Stretches from this size on are sent without copying them once more. */
const DIRECT_SIZE_BYTES = 16 * 1024;
const GATHER_SIZE_BYTES = 128 * 1024;

const BINARY_COPY_HEADER = Buffer.alloc(COPY_HEADER_BYTES);
writeCopyHeader(BINARY_COPY_HEADER, 0);
const BINARY_COPY_TRAILER = Buffer.alloc(COPY_TRAILER_BYTES);
writeCopyTrailer(BINARY_COPY_TRAILER, 0);

/** Writes `rows` in order, waiting for the socket to drain. The arena must not change until the COPY is answered. */
export async function feedRows(sink: CopySink, rows: CopyRows, format: TransferFormat): Promise<void> {
  if (format === 'binary') sink.write(BINARY_COPY_HEADER);
  const { bytes, segments } = rows;
  const { bounds } = segments;
  let gathered = Buffer.allocUnsafeSlow(Math.min(GATHER_SIZE_BYTES, segments.sizeBytes));
  let used = 0;
  for (let i = 0; i < bounds.length; i += 2) {
    const start = bounds[i] as number;
    const end = bounds[i + 1] as number;
    const size = end - start;
    const fits = used + size <= gathered.length;
    if (used > 0 && (!fits || size >= DIRECT_SIZE_BYTES)) {
      if (!sink.write(gathered.subarray(0, used))) await sink.drained();
      gathered = Buffer.allocUnsafeSlow(GATHER_SIZE_BYTES);
      used = 0;
    }
    if (size >= DIRECT_SIZE_BYTES) {
      if (!sink.write(bytes.subarray(start, end))) await sink.drained();
      continue;
    }
    bytes.copy(gathered, used, start, end);
    used += size;
  }
  if (used > 0) sink.write(gathered.subarray(0, used));
  if (format === 'binary') sink.write(BINARY_COPY_TRAILER);
}
