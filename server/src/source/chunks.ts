// Decides in which pieces a table is copied: page ranges of about equal size, none twice and none left out.
import type { QualifiedName } from '../pg/ident.ts';

/** One relation that a copy reads rows from, as it was when the copy's snapshot was taken. */
export interface CopyLeaf extends QualifiedName {
  readonly oid: number;
  /** `pg_relation_filenode`: another one after a rewrite, when page numbers no longer mean the same rows. 0: read through its root. */
  readonly relfilenode: number;
  /** Pages of the main fork. */
  readonly pages: number;
  /** Main fork and TOAST together. */
  readonly sizeBytes: number;
  /** false: only as a whole (not a heap, or a partitioned table that is read by its root). */
  readonly byPages: boolean;
  /** Whether the statement must say ONLY, so that inheritance children are not read with their parent. */
  readonly only: boolean;
}

/** Pages `fromPage` up to but not including `toPage` of one leaf; null: to the end, however far it has grown. */
export interface PageRange {
  readonly leafOid: number;
  readonly fromPage: number;
  readonly toPage: number | null;
}

/** A piece of a historical load. `no` is unique within the load. */
export interface Chunk extends PageRange {
  readonly no: number;
}

export interface ChunkOptions {
  /** Servers before 14 would read the whole table for every page range. */
  readonly tidRangeScans: boolean;
  /** About how much of a table one chunk holds, TOAST included. */
  readonly chunkBytes?: number | undefined;
  /** No more chunks than this for all leaves together; then they get larger. Leaves count one at least. */
  readonly maxChunks?: number | undefined;
  /** Pieces that an earlier attempt finished. */
  readonly finished?: readonly Chunk[] | undefined;
}

/**
 * The pieces that are still to be copied, larger leaves first, so that the last ones to finish are small. Together with `finished` they
 * cover every page of every leaf exactly once; the last piece of each leaf is open-ended.
 */
export function planChunks(leaves: readonly CopyLeaf[], options: ChunkOptions): readonly Chunk[] {
  const finished = options.finished ?? [];
  const totalBytes = leaves.reduce((sum, leaf) => sum + leaf.sizeBytes, 0);
  const chunkBytes = Math.max(options.chunkBytes ?? DEFAULT_CHUNK_BYTES, Math.ceil(totalBytes / (options.maxChunks ?? DEFAULT_MAX_CHUNKS)));
  const largestFirst = leaves.toSorted((a, b) => b.sizeBytes - a.sizeBytes);
  let no = finished.reduce((highest, chunk) => Math.max(highest, chunk.no), 0);
  return largestFirst.flatMap((leaf) => {
    const chunkPages = options.tidRangeScans && leaf.byPages ? pagesPerChunk(leaf, chunkBytes) : Number.POSITIVE_INFINITY;
    return missingRanges(leaf.oid, finished).flatMap((range) =>
      split(range, leaf.pages, chunkPages).map((part) => {
        no += 1;
        return { no, ...part };
      }),
    );
  });
}

/** The page ranges of a leaf that `finished` leaves out, in order. None: the leaf is complete. */
export function missingRanges(leafOid: number, finished: readonly PageRange[]): readonly PageRange[] {
  const done = finished.filter((range) => range.leafOid === leafOid).toSorted((a, b) => a.fromPage - b.fromPage);
  const missing: PageRange[] = [];
  let reached = 0;
  for (const { fromPage, toPage } of done) {
    if (fromPage > reached) missing.push({ leafOid, fromPage: reached, toPage: fromPage });
    if (toPage === null) return missing;
    reached = Math.max(reached, toPage);
  }
  return [...missing, { leafOid, fromPage: reached, toPage: null }];
}

const MEBIBYTE = 1024 * 1024;

/** Small enough to be done again after a crash, large enough that its transaction costs nothing beside its rows. */
const DEFAULT_CHUNK_BYTES = 32 * MEBIBYTE;
const DEFAULT_MAX_CHUNKS = 2_000;

function pagesPerChunk(leaf: CopyLeaf, chunkBytes: number): number {
  const pageBytes = leaf.sizeBytes / Math.max(leaf.pages, 1);
  return Math.max(1, Math.floor(chunkBytes / Math.max(pageBytes, 1)));
}

/** Cuts a range into equal parts of at most `chunkPages` pages; an open end counts as `pages`. */
function split(range: PageRange, pages: number, chunkPages: number): PageRange[] {
  const end = range.toPage ?? Math.max(pages, range.fromPage);
  const count = Math.max(1, Math.ceil((end - range.fromPage) / chunkPages));
  const bound = (part: number): number => range.fromPage + Math.round(((end - range.fromPage) * part) / count);
  return Array.from({ length: count }, (_, part) => ({
    leafOid: range.leafOid,
    fromPage: bound(part),
    toPage: part === count - 1 ? range.toPage : bound(part + 1),
  }));
}
