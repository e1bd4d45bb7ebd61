// The envelope of a replication stream inside CopyData: WAL data and keepalives from the server, status updates to it.
// Source of all forms: PostgreSQL manual, "54.4. Streaming Replication Protocol".
import { requireBytes, requireEnd, uint8At } from '../bytes.ts';
import type { Lsn } from '../lsn.ts';
import { readLsn } from '../lsn.ts';
import { ProtocolError } from '../protocol-error.ts';
import { COPY_DATA_HEADER_BYTES, writeCopyDataHeader } from '../wire/messages.ts';

/** What a CopyData payload of a replication stream is, by its first byte. */
export const StreamFrame = {
  walData: 0x77, // w
  keepalive: 0x6b, // k
} as const;

export type StreamFrameKind = (typeof StreamFrame)[keyof typeof StreamFrame];

/** Whether the payload is WAL data or a keepalive; throws on anything else and on one that is too short. */
export function streamFrameKind(bytes: Buffer, start: number, end: number): StreamFrameKind {
  requireBytes(start, 1, end, 'a stream frame');
  const kind = uint8At(bytes, start);
  switch (kind) {
    case StreamFrame.walData:
      requireBytes(start, WAL_DATA_HEADER_BYTES, end, 'a WAL data frame');
      return kind;
    case StreamFrame.keepalive:
      requireBytes(start, KEEPALIVE_BYTES, end, 'a keepalive');
      requireEnd(start + KEEPALIVE_BYTES, end, 'a keepalive');
      return kind;
    default:
      throw new ProtocolError('a stream frame has an unknown type', start);
  }
}

/** Where the plugin's message begins in a WAL data frame that starts at `start`. */
export function walDataPayload(start: number): number {
  return start + WAL_DATA_HEADER_BYTES;
}

/** The WAL position of the frame's data. A row's position is no place to resume from: transactions are (their commit). */
export function walDataStart(bytes: Buffer, start: number): Lsn {
  return readLsn(bytes, start + 1);
}

/** The end of WAL on the server when it sent the WAL data frame. */
export function walDataServerEnd(bytes: Buffer, start: number): Lsn {
  return readLsn(bytes, start + 9);
}

/** The server's clock when it sent the WAL data frame, in microseconds since 2000. */
export function walDataServerClockMicros(bytes: Buffer, start: number): bigint {
  return bytes.readBigInt64BE(start + 17);
}

export interface Keepalive {
  /** How far the server has decoded: nothing for us before it is still to come. */
  readonly serverEnd: Lsn;
  /** Microseconds since 2000. */
  readonly serverClockMicros: bigint;
  /** The server asks for a status update at once, or it will cut the connection. */
  readonly replyRequested: boolean;
}

/** Reads a keepalive that `streamFrameKind` has recognised. */
export function readKeepalive(bytes: Buffer, start: number): Keepalive {
  return {
    serverEnd: readLsn(bytes, start + 1),
    serverClockMicros: bytes.readBigInt64BE(start + 9),
    replyRequested: uint8At(bytes, start + 17) !== 0,
  };
}

/** Received ≥ flushed ≥ applied. The slot is confirmed up to `flushed`: never beyond what the destination has committed. */
export interface StandbyStatus {
  readonly received: Lsn;
  readonly flushed: Lsn;
  readonly applied: Lsn;
  /** Our clock, in microseconds since 2000. */
  readonly clockMicros: bigint;
  /** Asks the server to answer with a keepalive at once. */
  readonly replyRequested: boolean;
}

/** A whole CopyData message with a standby status update, ready for the socket. */
export function standbyStatusMessage(status: StandbyStatus): Buffer {
  const message = Buffer.allocUnsafe(COPY_DATA_HEADER_BYTES + STATUS_BYTES);
  let at = writeCopyDataHeader(message, 0, STATUS_BYTES);
  at = message.writeUInt8(STATUS_TYPE, at);
  at = message.writeBigUInt64BE(status.received, at);
  at = message.writeBigUInt64BE(status.flushed, at);
  at = message.writeBigUInt64BE(status.applied, at);
  at = message.writeBigInt64BE(status.clockMicros, at);
  message.writeUInt8(status.replyRequested ? 1 : 0, at);
  return message;
}

/** Type, WAL start, WAL end, clock. */
const WAL_DATA_HEADER_BYTES = 1 + 8 + 8 + 8;
/** Type, WAL end, clock, reply flag. */
const KEEPALIVE_BYTES = 1 + 8 + 8 + 1;
const STATUS_TYPE = 0x72; // r
/** Type, received, flushed, applied, clock, reply flag. */
const STATUS_BYTES = 1 + 8 + 8 + 8 + 8 + 1;
