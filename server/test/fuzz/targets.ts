// What is fuzzed, and what must hold for each: every target takes bytes and either returns, or throws a ProtocolError.
import { CopyBinaryReader } from '../../src/pg/copy/binary-reader.ts';
import { decodeMessage } from '../../src/pg/pgoutput/decode.ts';
import { readKeepalive, StreamFrame, streamFrameKind, walDataPayload } from '../../src/pg/pgoutput/frame.ts';
import { ProtocolError } from '../../src/pg/protocol-error.ts';
import { formatSnapshot, isVisible, parseSnapshot } from '../../src/pg/snapshot.ts';
import { MessageFramer } from '../../src/pg/wire/frame.ts';
import {
  BackendType,
  readCommandTag,
  readCopyResponse,
  readDataRow,
  readReadyForQuery,
  readServerMessage,
} from '../../src/pg/wire/messages.ts';
import { encodeMessage } from './encode-pgoutput.ts';
import { anyBackendStream, anyBinaryCopy, anyMessage, anySnapshotText } from './generate.ts';
import type { Mutation } from './mutate.ts';
import type { Random } from './random.ts';
import { RecordingSink } from './recording-sink.ts';

export interface Target {
  readonly name: string;
  /** Correct input. */
  readonly generate: (random: Random) => Buffer;
  /** Reads `bytes`; throws a `ProtocolError` to refuse them, and any other error when a promise is broken. */
  readonly read: (bytes: Buffer, random: Random) => void;
  /** Mutations after which the input must be refused. */
  readonly refuses: readonly Mutation[];
}

/** The targets, those first that see the most of a hostile peer. */
export const TARGETS: readonly Target[] = [
  { name: 'pgoutput', generate: (random) => encodeMessage(anyMessage(random)), read: readPgoutput, refuses: ['cut', 'extended'] },
  { name: 'wire', generate: anyBackendStream, read: readWire, refuses: [] },
  { name: 'copy', generate: anyBinaryCopy, read: readCopy, refuses: ['extended'] },
  { name: 'snapshot', generate: (random) => Buffer.from(anySnapshotText(random)), read: readSnapshot, refuses: [] },
];

/** What is accepted must mean exactly its bytes: encoding it again gives them back. */
function readPgoutput(bytes: Buffer): void {
  const sink = new RecordingSink();
  decodeMessage(bytes, 0, bytes.length, sink);
  const [message] = sink.messages;
  if (message === undefined || sink.messages.length !== 1) throw new Error(`one message became ${sink.messages.length}`);
  if (!encodeMessage(message).equals(bytes)) throw new Error('an accepted message does not mean its bytes');
}

/** The cuts of the network must not change what is read. */
function readWire(bytes: Buffer, random: Random): void {
  const whole = wireOutcome([bytes]);
  const split = wireOutcome(randomPieces(random, bytes));
  if (whole.text !== split.text) throw new Error(`cutting changed what was read: ${whole.text} became ${split.text}`);
  if (whole.error !== null) throw whole.error;
}

interface WireOutcome {
  readonly text: string;
  readonly error: ProtocolError | null;
}

function wireOutcome(chunks: readonly Buffer[]): WireOutcome {
  const framer = new MessageFramer();
  const seen: string[] = [];
  try {
    for (const chunk of chunks) {
      framer.push(chunk, (type, bytes, start, end) => {
        readBackendMessage(type, bytes, start, end);
        seen.push(`${type}:${bytes.toString('hex', start, end)}`);
      });
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { text: `${seen.join(' ')} ! ${error.what}`, error };
  }
  return { text: `${seen.join(' ')} + ${framer.pendingBytes}`, error: null };
}

function readBackendMessage(type: number, bytes: Buffer, start: number, end: number): void {
  switch (type) {
    case BackendType.errorResponse:
    case BackendType.noticeResponse:
      readServerMessage(bytes, start, end);
      return;
    case BackendType.commandComplete:
      readCommandTag(bytes, start, end);
      return;
    case BackendType.readyForQuery:
      readReadyForQuery(bytes, start, end);
      return;
    case BackendType.copyBothResponse:
    case BackendType.copyInResponse:
    case BackendType.copyOutResponse:
      readCopyResponse(bytes, start, end);
      return;
    case BackendType.dataRow:
      readDataRow(bytes, start, end);
      return;
    case BackendType.copyData:
      if (streamFrameKind(bytes, start, end) === StreamFrame.keepalive) readKeepalive(bytes, start);
      else decodeMessage(bytes, walDataPayload(start), end, new RecordingSink());
      return;
    default:
      return;
  }
}

function readCopy(bytes: Buffer, random: Random): void {
  const reader = new CopyBinaryReader(MAX_ROW_BYTES);
  for (const piece of randomPieces(random, bytes)) {
    reader.push(piece, 0, piece.length, (_bytes, start, end) => {
      if (end <= start) throw new Error('a row without bytes');
    });
  }
}

function readSnapshot(bytes: Buffer, random: Random): void {
  const text = bytes.toString('latin1');
  const snapshot = parseSnapshot(text);
  if (BigInt(formatSnapshot(snapshot).split(':')[1] ?? '') !== snapshot.xmax) throw new Error('xmax changed by printing');
  if (isVisible(snapshot, snapshot.xmaxLow)) throw new Error('xmax is visible');
  isVisible(snapshot, random.uint32());
}

function randomPieces(random: Random, bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + random.below(random.oneIn(3) ? 4 : 64));
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

/** Postgres' own limit of a row. */
const MAX_ROW_BYTES = 2 ** 30;
