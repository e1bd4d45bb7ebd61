// Walks the messages of a backend's byte stream without keeping them, for the two floors that only pass bytes on.

/** One message: its type, where it starts and ends in the whole stream, and the first bytes of its body. */
export interface Frame {
  readonly type: string;
  readonly startOffset: number;
  readonly endOffset: number;
  /** The body's first bytes, at most `peekBytes`; valid during the visit only. */
  readonly head: Buffer;
}

const HEADER_BYTES = 5;

/**
 * Splits a stream of messages (a type byte, a 4-byte length that counts itself, a body) at every possible chunk boundary.
 * Source: manual, "54.1.1. Messaging Overview".
 */
export class FrameWalker {
  readonly #scratch: Buffer;
  readonly #peekBytes: number;
  #scratchLength = 0;
  #skipBytes = 0;
  #position = 0;

  constructor(peekBytes: number) {
    this.#peekBytes = peekBytes;
    this.#scratch = Buffer.alloc(HEADER_BYTES + peekBytes);
  }

  /** Where the next chunk starts in the whole stream. */
  get position(): number {
    return this.#position;
  }

  /** Visits each message whose header and first bytes are complete by the end of `chunk`. */
  push(chunk: Buffer, visit: (frame: Frame) => void): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#skipBytes > 0) {
        const step = Math.min(this.#skipBytes, chunk.length - offset);
        this.#skipBytes -= step;
        offset += step;
      } else {
        offset = this.#readHead(chunk, offset, visit);
      }
    }
    this.#position += chunk.length;
  }

  #readHead(chunk: Buffer, from: number, visit: (frame: Frame) => void): number {
    let offset = from;
    let wanted = this.#wantedBytes();
    while (this.#scratchLength < wanted && offset < chunk.length) {
      const copied = chunk.copy(this.#scratch, this.#scratchLength, offset, offset + wanted - this.#scratchLength);
      this.#scratchLength += copied;
      offset += copied;
      wanted = this.#wantedBytes();
    }
    if (this.#scratchLength < wanted) return offset;
    const bodyBytes = this.#bodyBytes();
    const startOffset = this.#position + offset - wanted;
    this.#skipBytes = HEADER_BYTES + bodyBytes - wanted;
    this.#scratchLength = 0;
    visit({
      type: String.fromCharCode(this.#scratch[0] ?? 0),
      startOffset,
      endOffset: startOffset + HEADER_BYTES + bodyBytes,
      head: this.#scratch.subarray(HEADER_BYTES, wanted),
    });
    return offset;
  }

  #wantedBytes(): number {
    return this.#scratchLength < HEADER_BYTES ? HEADER_BYTES : HEADER_BYTES + Math.min(this.#bodyBytes(), this.#peekBytes);
  }

  #bodyBytes(): number {
    const length = this.#scratch.readInt32BE(1);
    if (length < 4) throw new Error(`a message of ${length} bytes`);
    return length - 4;
  }
}

/** A simple query message. Source: manual, "54.7. Message Formats" (Query). */
export function queryMessage(sql: string): Buffer {
  const text = Buffer.from(`${sql}\0`, 'utf8');
  const message = Buffer.alloc(HEADER_BYTES + text.length);
  message.write('Q', 0, 'latin1');
  message.writeInt32BE(4 + text.length, 1);
  text.copy(message, HEADER_BYTES);
  return message;
}
