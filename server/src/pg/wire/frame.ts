// Cuts the socket's chunks into backend messages without an object or a copy per message: an event per message costs
// more than all the rest of our work on a small change.
import { int32At, uint8At } from '../bytes.ts';
import { ProtocolError } from '../protocol-error.ts';
import { GatherBuffer } from './gather-buffer.ts';

/**
 * Receives one backend message: its type byte, and its payload as `bytes[start, end)`. The bytes are the socket's chunk
 * or a buffer that is used again: copy what is to outlive the call.
 */
export type OnMessage = (type: number, bytes: Buffer, start: number, end: number) => void;

export interface FrameLimits {
  /** Longest DataRow or CopyData, in bytes with the length word. Postgres itself stops at 1 GiB. */
  readonly maxDataBytes: number;
  /** Longest message of any other type, in bytes with the length word. */
  readonly maxControlBytes: number;
}

const MEBIBYTE = 1024 * 1024;

/** Room for the longest row that Postgres sends, and for any sensible error text. */
export const DEFAULT_FRAME_LIMITS: FrameLimits = {
  maxDataBytes: 1024 * MEBIBYTE,
  maxControlBytes: 16 * MEBIBYTE,
};

/**
 * Splits a byte stream into backend messages. Source: PostgreSQL manual, "54.7. Message Formats": a type byte, then an
 * Int32 length that counts itself, then the payload.
 */
export class MessageFramer {
  readonly #limits: FrameLimits;
  readonly #split = new GatherBuffer();

  constructor(limits: FrameLimits = DEFAULT_FRAME_LIMITS) {
    this.#limits = limits;
  }

  /** Bytes of a message whose end has not arrived yet; 0 between messages. */
  get pendingBytes(): number {
    return this.#split.lengthBytes;
  }

  /**
   * Takes the next chunk and calls `onMessage` for every message that is complete by now; `chunk` is not kept.
   * Throws a `ProtocolError` on an unknown type, an impossible length or one over the limit. After any throw (also of
   * `onMessage`) the boundaries are lost: drop the framer and the connection.
   */
  push(chunk: Buffer, onMessage: OnMessage): void {
    const length = chunk.length;
    let at = this.#split.lengthBytes === 0 ? 0 : this.#finishSplit(chunk, onMessage);
    while (length - at >= HEADER_BYTES) {
      const end = at + messageBytes(chunk, at, this.#limits);
      if (end > length) break;
      onMessage(uint8At(chunk, at), chunk, at + HEADER_BYTES, end);
      at = end;
    }
    if (at < length) this.#split.append(chunk, at, length, this.#expectedBytes(chunk, at, length));
  }

  /** Completes the message that the previous chunks began; returns where the chunk goes on. */
  #finishSplit(chunk: Buffer, onMessage: OnMessage): number {
    const split = this.#split;
    let at = 0;
    if (split.lengthBytes < HEADER_BYTES) {
      at = Math.min(HEADER_BYTES - split.lengthBytes, chunk.length);
      split.append(chunk, 0, at, HEADER_BYTES);
      if (split.lengthBytes < HEADER_BYTES) return at;
    }
    const size = messageBytes(split.bytes, 0, this.#limits);
    const next = Math.min(at + size - split.lengthBytes, chunk.length);
    split.append(chunk, at, next, size);
    if (split.lengthBytes < size) return next;
    onMessage(uint8At(split.bytes, 0), split.bytes, HEADER_BYTES, size);
    split.clear();
    return next;
  }

  #expectedBytes(chunk: Buffer, at: number, length: number): number {
    return length - at < HEADER_BYTES ? HEADER_BYTES : TYPE_BYTES + int32At(chunk, at + TYPE_BYTES);
  }
}

/** The size of the message at `at`, whose header is complete: type, length word and payload. Throws as `push` does. */
export function messageBytes(bytes: Buffer, at: number, limits: FrameLimits): number {
  const kind = KIND_OF_TYPE[uint8At(bytes, at)];
  const length = int32At(bytes, at + TYPE_BYTES);
  if (kind === Kind.unknown) throw new ProtocolError('no backend message has this type', at);
  if (length < LENGTH_BYTES) throw new ProtocolError('a message length is too small', at + TYPE_BYTES);
  if (length > (kind === Kind.data ? limits.maxDataBytes : limits.maxControlBytes)) {
    throw new ProtocolError(`a message of ${length} bytes is over the limit`, at + TYPE_BYTES);
  }
  return TYPE_BYTES + length;
}

const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;
/** What must have come of a message before its size is known. */
export const HEADER_BYTES: number = TYPE_BYTES + LENGTH_BYTES;

const Kind = { unknown: 0, control: 1, data: 2 } as const;

/** A stream that has lost its boundaries is noticed at the first impossible type instead of at a wrong length. */
const KIND_OF_TYPE = kindsOfTypes();

function kindsOfTypes(): Uint8Array {
  const kinds = new Uint8Array(256);
  for (const type of '123ACEGHIKNRSTVWZcnstv') kinds[type.charCodeAt(0)] = Kind.control;
  for (const type of 'Dd') kinds[type.charCodeAt(0)] = Kind.data;
  return kinds;
}
