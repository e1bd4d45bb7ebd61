// The few messages of the frontend/backend protocol that we write and read ourselves while we hold a session's socket.
// Source of all forms: PostgreSQL manual, "54.7. Message Formats".
import { int16At, int32At, requireBytes, requireEnd, stringEnd, strictUtf8, uint8At, writeInt32 } from '../bytes.ts';
import { ProtocolError } from '../protocol-error.ts';

/** Type bytes of backend messages. */
export const BackendType = {
  commandComplete: 0x43, // C
  copyBothResponse: 0x57, // W
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyInResponse: 0x47, // G
  copyOutResponse: 0x48, // H
  dataRow: 0x44, // D
  emptyQueryResponse: 0x49, // I
  errorResponse: 0x45, // E
  noticeResponse: 0x4e, // N
  notificationResponse: 0x41, // A
  parameterStatus: 0x53, // S
  readyForQuery: 0x5a, // Z
  rowDescription: 0x54, // T
} as const;

/** Bytes of a CopyData message before its payload. */
export const COPY_DATA_HEADER_BYTES = 5;

/** A simple Query. Throws a `TypeError` when `sql` holds a NUL, which would end it early. */
export function queryMessage(sql: string): Buffer {
  return stringMessage('Q', sql);
}

/**
 * Writes the header of a CopyData message whose payload of `payloadBytes` bytes is (or will be) behind it, and returns the
 * payload's offset. The caller guarantees the room and that the whole stays below 2 GiB.
 */
export function writeCopyDataHeader(target: Buffer, at: number, payloadBytes: number): number {
  target[at] = BackendType.copyData;
  return writeInt32(target, at + 1, payloadBytes + LENGTH_BYTES);
}

/** A CopyData message around a small payload, which is copied. */
export function copyDataMessage(payload: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(COPY_DATA_HEADER_BYTES + payload.length);
  message.set(payload, writeCopyDataHeader(message, 0, payload.length));
  return message;
}

/** Ends a COPY IN (or our direction of a COPY BOTH). */
export function copyDoneMessage(): Buffer {
  return Buffer.from([0x63, 0, 0, 0, 4]);
}

/** Makes the server fail a COPY IN with `reason` in its error message. */
export function copyFailMessage(reason: string): Buffer {
  return stringMessage('f', reason);
}

/** Says goodbye: the server closes the connection without a complaint in its log. */
export function terminateMessage(): Buffer {
  return Buffer.from([0x58, 0, 0, 0, 4]);
}

/**
 * The fields of an ErrorResponse or NoticeResponse that are there. Source: manual, "54.8. Error and Notice Message Fields".
 * `detail` and `where` may quote users' values: never log them.
 */
export interface ServerMessage {
  /** `ERROR`, `FATAL`, `PANIC`, `WARNING`, …: never translated. */
  readonly severity: string;
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly where?: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly dataType?: string;
  readonly constraint?: string;
  readonly routine?: string;
}

/** Reads an ErrorResponse or NoticeResponse; fields that we don't know are skipped, as the manual asks. */
export function readServerMessage(bytes: Buffer, start: number, end: number): ServerMessage {
  const fields: { -readonly [K in keyof ServerMessage]: ServerMessage[K] } = {
    severity: '',
    code: '',
    message: '',
  };
  let at = start;
  for (;;) {
    requireBytes(at, 1, end, 'a server message');
    const type = uint8At(bytes, at);
    if (type === 0) break;
    const textEnd = stringEnd(bytes, at + 1, end, 'a field of a server message');
    const name = FIELD_NAMES.get(type);
    // Before the session's encoding is settled an error may come in any encoding: better a replaced character than no error.
    if (name !== undefined) fields[name] = bytes.toString('utf8', at + 1, textEnd);
    at = textEnd + 1;
  }
  requireEnd(at + 1, end, 'a server message');
  return fields;
}

/** The command tag of a CommandComplete, for example `COPY 12`. */
export function readCommandTag(bytes: Buffer, start: number, end: number): string {
  const textEnd = stringEnd(bytes, start, end, 'a command tag');
  requireEnd(textEnd + 1, end, 'a command tag');
  return strictUtf8(bytes, start, textEnd, 'a command tag');
}

/** The number of rows in a command tag, or null for a command that counts none. */
export function commandTagRows(tag: string): number | null {
  const count = COUNTING_TAG.exec(tag)?.[1];
  return count === undefined ? null : Number(count);
}

/** The values of a DataRow in text format. For catalogue and replication commands only: users' data stays bytes. */
export function readDataRow(bytes: Buffer, start: number, end: number): (string | null)[] {
  requireBytes(start, 2, end, 'a row');
  const count = int16At(bytes, start);
  if (count < 0) throw new ProtocolError('a row has a negative number of columns', start);
  const values: (string | null)[] = [];
  let at = start + 2;
  for (let column = 0; column < count; column++) {
    requireBytes(at, 4, end, 'a value length');
    const length = int32At(bytes, at);
    at += 4;
    if (length === -1) {
      values.push(null);
      continue;
    }
    if (length < 0) throw new ProtocolError('a value length is negative', at - 4);
    requireBytes(at, length, end, 'a value');
    values.push(strictUtf8(bytes, at, at + length, 'a value'));
    at += length;
  }
  requireEnd(at, end, 'a row');
  return values;
}

/** Where the server says it is when it is ready: outside a transaction, inside one, or inside a failed one. */
export type TransactionStatus = 'idle' | 'in_transaction' | 'failed_transaction';

export function readReadyForQuery(bytes: Buffer, start: number, end: number): TransactionStatus {
  requireBytes(start, 1, end, 'ReadyForQuery');
  requireEnd(start + 1, end, 'ReadyForQuery');
  const status = TRANSACTION_STATUS.get(uint8At(bytes, start));
  if (status === undefined) throw new ProtocolError('ReadyForQuery has an unknown status', start);
  return status;
}

/** The format that a COPY speaks. */
export interface CopyResponse {
  readonly format: 'text' | 'binary';
  readonly columnCount: number;
}

/** Reads a CopyInResponse, CopyOutResponse or CopyBothResponse. */
export function readCopyResponse(bytes: Buffer, start: number, end: number): CopyResponse {
  requireBytes(start, 3, end, 'a COPY response');
  const format = uint8At(bytes, start);
  const columnCount = int16At(bytes, start + 1);
  if (format > 1) throw new ProtocolError('a COPY response has an unknown format', start);
  if (columnCount < 0) throw new ProtocolError('a COPY response has a negative number of columns', start + 1);
  requireBytes(start + 3, columnCount * 2, end, 'a COPY response');
  requireEnd(start + 3 + columnCount * 2, end, 'a COPY response');
  return { format: format === 1 ? 'binary' : 'text', columnCount };
}

const LENGTH_BYTES = 4;
const COUNTING_TAG = /^(?:INSERT \d+|COPY|SELECT|UPDATE|DELETE|MERGE|MOVE|FETCH) (\d{1,15})$/;

/** V, the severity that is never translated, is there since 9.6; S, which may be, is not read. */
const FIELD_NAMES: ReadonlyMap<number, keyof ServerMessage> = new Map([
  [0x56, 'severity'], // V
  [0x43, 'code'], // C
  [0x4d, 'message'], // M
  [0x44, 'detail'], // D
  [0x48, 'hint'], // H
  [0x57, 'where'], // W
  [0x73, 'schema'], // s
  [0x74, 'table'], // t
  [0x63, 'column'], // c
  [0x64, 'dataType'], // d
  [0x6e, 'constraint'], // n
  [0x52, 'routine'], // R
]);

const TRANSACTION_STATUS: ReadonlyMap<number, TransactionStatus> = new Map([
  [0x49, 'idle'], // I
  [0x54, 'in_transaction'], // T
  [0x45, 'failed_transaction'], // E
]);

function stringMessage(type: 'Q' | 'f', text: string): Buffer {
  if (text.includes('\0')) throw new TypeError('a protocol string holds a NUL character');
  const textBytes = Buffer.byteLength(text);
  const message = Buffer.allocUnsafe(1 + LENGTH_BYTES + textBytes + 1);
  message.write(type, 0, 'latin1');
  const at = writeInt32(message, 1, LENGTH_BYTES + textBytes + 1);
  message.write(text, at, 'utf8');
  message[at + textBytes] = 0;
  return message;
}
