// Passes COPY data through as it comes, even in the middle of a message: a row of a gigabyte then never stands in our memory.
import { int32At, uint8At } from '../bytes.ts';
import { ProtocolError } from '../protocol-error.ts';
import { DEFAULT_FRAME_LIMITS, type FrameLimits, MessageFramer, type OnMessage } from './frame.ts';
import { BackendType } from './messages.ts';

/** Receives a stretch of the CopyData messages' bytes, headers included, as `bytes[start, end)`; it may begin and end anywhere in one. */
export type OnCopyBytes = (bytes: Buffer, start: number, end: number) => void;

/**
 * Frames a stream as `MessageFramer` does, except for CopyData: its bytes go to `onCopyBytes` at once, in as few stretches as the
 * chunks allow, and before any message that follows them. Source: PostgreSQL manual, "54.7. Message Formats".
 */
export class RelayFramer {
  readonly #limits: FrameLimits;
  readonly #control: MessageFramer;
  readonly #onCopyBytes: OnCopyBytes;
  /** The first bytes of a message whose header has not come whole. */
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** What is still to come of the message under way, and whether it is CopyData. */
  #remainingBytes = 0;
  #isCopyData = false;

  constructor(onCopyBytes: OnCopyBytes, limits: FrameLimits = DEFAULT_FRAME_LIMITS) {
    this.#onCopyBytes = onCopyBytes;
    this.#limits = limits;
    this.#control = new MessageFramer(limits);
  }

  /**
   * Takes the next chunk; `chunk` is not kept, but stretches of it are handed on. Throws a `ProtocolError` where `MessageFramer` does;
   * drop the framer and the connection then.
   */
  push(chunk: Buffer, onMessage: OnMessage): void {
    const { length } = chunk;
    let passFrom = 0;
    let at = 0;
    while (at < length) {
      if (this.#remainingBytes > 0) {
        const end = Math.min(at + this.#remainingBytes, length);
        this.#remainingBytes -= end - at;
        if (!this.#isCopyData) {
          this.#control.push(chunk.subarray(at, end), onMessage);
          passFrom = end;
        }
        at = end;
      } else if (this.#headerBytes === 0 && length - at >= HEADER_BYTES) {
        const isCopyData = this.#begin(chunk, at);
        if (!isCopyData) {
          this.#pass(chunk, passFrom, at);
          this.#control.push(chunk.subarray(at, at + HEADER_BYTES), onMessage);
          passFrom = at + HEADER_BYTES;
        }
        at += HEADER_BYTES;
      } else {
        this.#pass(chunk, passFrom, at);
        at = this.#gatherHeader(chunk, at, onMessage);
        passFrom = at;
      }
    }
    this.#pass(chunk, passFrom, length);
  }

  /** Reads the header at `at`; returns whether a CopyData begins there. */
  #begin(bytes: Buffer, at: number): boolean {
    const length = int32At(bytes, at + TYPE_BYTES);
    this.#isCopyData = uint8At(bytes, at) === BackendType.copyData;
    if (length < LENGTH_BYTES) throw new ProtocolError('a message length is too small', at + TYPE_BYTES);
    // Lengths of other messages are judged by the framer that gathers them.
    if (this.#isCopyData && length > this.#limits.maxDataBytes)
      throw new ProtocolError(`a message of ${length} bytes is over the limit`, at);
    this.#remainingBytes = length - LENGTH_BYTES;
    return this.#isCopyData;
  }

  /** Adds to a header that two chunks share; returns where the chunk goes on. */
  #gatherHeader(chunk: Buffer, at: number, onMessage: OnMessage): number {
    const end = Math.min(at + HEADER_BYTES - this.#headerBytes, chunk.length);
    chunk.copy(this.#header, this.#headerBytes, at, end);
    this.#headerBytes += end - at;
    if (this.#headerBytes < HEADER_BYTES) return end;
    this.#headerBytes = 0;
    // The buffer is used again, and what is handed on must last.
    const header = Buffer.from(this.#header);
    if (this.#begin(header, 0)) this.#onCopyBytes(header, 0, HEADER_BYTES);
    else this.#control.push(header, onMessage);
    return end;
  }

  #pass(chunk: Buffer, start: number, end: number): void {
    if (end > start) this.#onCopyBytes(chunk, start, end);
  }
}

const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;
const HEADER_BYTES = TYPE_BYTES + LENGTH_BYTES;
