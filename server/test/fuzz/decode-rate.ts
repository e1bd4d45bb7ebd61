// Measures how many inserts of nine columns one core takes from socket chunks to checked tuples:
// `node server/test/fuzz/run.mjs decode-rate`.
import { decodeMessage } from '../../src/pg/pgoutput/decode.ts';
import { StreamFrame, streamFrameKind, walDataPayload } from '../../src/pg/pgoutput/frame.ts';
import type { PgoutputSink } from '../../src/pg/pgoutput/messages.ts';
import { MessageFramer } from '../../src/pg/wire/frame.ts';
import type { Value } from './encode-pgoutput.ts';
import { encodeBackendMessage, encodeMessage, encodeWalData } from './encode-pgoutput.ts';

const MESSAGES = 200_000;
const ROUNDS = 10;
const CHUNK_BYTES = 65_536;

class CountingSink implements PgoutputSink {
  inserts = 0;
  tupleBytes = 0;
  begin(): void {}
  commit(): void {}
  relation(): void {}
  insert(_relationOid: number, _bytes: Buffer, newTuple: number, end: number): void {
    this.inserts++;
    this.tupleBytes += end - newTuple;
  }
  update(): void {}
  delete(): void {}
  truncate(): void {}
  type(): void {}
  origin(): void {}
  message(): void {}
}

const stream = insertStream(MESSAGES);
const sink = new CountingSink();
const framed = bestOf(() => readStream(stream, sink));
const single = encodeMessage({ tag: 'insert', oid: 16_385, row: nineColumns(1) });
const decoded = bestOf(() => {
  for (let i = 0; i < MESSAGES; i++) decodeMessage(single, 0, single.length, sink);
});
report('decoding alone', decoded, single.length);
report('framing and decoding', framed, stream.length / MESSAGES);
process.stdout.write(`${sink.inserts} inserts, ${sink.tupleBytes} bytes of tuples\n`);

function readStream(bytes: Buffer, target: PgoutputSink): void {
  const framer = new MessageFramer();
  const onMessage = (_type: number, chunk: Buffer, start: number, end: number): void => {
    if (streamFrameKind(chunk, start, end) === StreamFrame.walData) decodeMessage(chunk, walDataPayload(start), end, target);
  };
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) framer.push(bytes.subarray(at, at + CHUNK_BYTES), onMessage);
}

/** A bigint key, int, text, numeric, two timestamps, text, jsonb and uuid in text form: about 215 bytes. */
function nineColumns(id: number): Value[] {
  const values = [
    String(id),
    String(id % 1_000),
    `customer number ${id} of the shop`,
    '1234.56',
    '2024-05-01 10:00:00.123456+00',
    '2024-05-01 10:00:01.654321+00',
    'a note of ordinary length',
    '{"a": 1, "b": [1, 2, 3], "c": "text"}',
    '7f8d3c1e-9a4b-4c2d-8e6f-0123456789ab',
  ];
  return values.map((value) => ({ kind: 'text', bytes: Buffer.from(value) }));
}

function insertStream(count: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, id) => {
      const insert = encodeMessage({ tag: 'insert', oid: 16_385, row: nineColumns(id) });
      return encodeBackendMessage('d', encodeWalData(BigInt(id), BigInt(id), 0n, insert));
    }),
  );
}

function bestOf(work: () => void): number {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now();
    work();
    bestMs = Math.min(bestMs, performance.now() - startedAt);
  }
  return bestMs;
}

function report(what: string, elapsedMs: number, messageBytes: number): void {
  const perSecond = MESSAGES / (elapsedMs / 1_000);
  const mebibytes = (perSecond * messageBytes) / 2 ** 20;
  process.stdout.write(`${what}: ${Math.round(perSecond)} inserts a second, ${Math.round(mebibytes)} MiB a second\n`);
}
