// Watches a stream of backend messages that somebody else reads, and refuses what no server sends before it is buffered.
import { ProtocolError } from '../protocol-error.ts';
import { DEFAULT_FRAME_LIMITS, type FrameLimits, HEADER_BYTES, messageBytes } from './frame.ts';

/** Notices and parameter reports without any answer in between, in bytes: a server that sends more only keeps us busy. */
const MAX_ASIDE_BYTES = 16 * 1024 * 1024;

/** Follows the boundaries of messages; keeps no bytes but a header that was cut. */
export class FrameGuard {
  readonly #limits: FrameLimits;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Bytes of the present message that have not come yet. */
  #rest = 0;
  #asideBytes = 0;

  constructor(limits: FrameLimits = DEFAULT_FRAME_LIMITS) {
    this.#limits = limits;
  }

  /** Looks at the next chunk. Throws a `ProtocolError` on an unknown type, an impossible length, or endless notices. */
  check(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#rest > 0) {
        const passed = Math.min(this.#rest, chunk.length - at);
        this.#rest -= passed;
        at += passed;
        continue;
      }
      const taken = chunk.copy(this.#header, this.#headerBytes, at, at + HEADER_BYTES - this.#headerBytes);
      this.#headerBytes += taken;
      at += taken;
      if (this.#headerBytes < HEADER_BYTES) return;
      this.#headerBytes = 0;
      const size = messageBytes(this.#header, 0, this.#limits);
      this.#rest = size - HEADER_BYTES;
      this.#countAside(size);
    }
  }

  #countAside(size: number): void {
    this.#asideBytes = ASIDE_TYPES.has(this.#header[0] ?? 0) ? this.#asideBytes + size : 0;
    if (this.#asideBytes > MAX_ASIDE_BYTES) throw new ProtocolError('notices without end', 0);
  }
}

/** NoticeResponse, ParameterStatus, NotificationResponse: messages that come at any time. Source: manual, "54.2.7. Asynchronous Operations". */
const ASIDE_TYPES: ReadonlySet<number> = new Set([...'NSA'].map((type) => type.charCodeAt(0)));
