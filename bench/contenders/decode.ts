// The floor of a catch-up: a receiver that throws every change away, so that only the source's decoding takes time.
import type { PgSession } from '../../server/src/db/session.ts';
import { must } from '../../server/src/lib/assert.ts';
import { type Lsn, parseLsn, readLsn } from '../../server/src/pg/lsn.ts';
import { type Frame, FrameWalker, queryMessage } from '../frame-walker.ts';
import { type Effort, stopwatch } from '../measurement.ts';
import { waitUntil, type Workbench } from '../workbench.ts';

const SLOT = 'bench_decode';
const PUBLICATION = 'bench_decode';

/** Makes a publication and a slot that starts here; both go with their database. */
export async function prepareDecode(bench: Workbench, database: string): Promise<void> {
  await bench.use('source', database, async (session) => {
    await session.query(`CREATE PUBLICATION ${PUBLICATION} FOR ALL TABLES`);
    await session.query("SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", [SLOT]);
  });
}

/** Receives everything up to the first commit after `after`, with the settings that native replication has by default. */
export async function decodeOnly(bench: Workbench, database: string, after: string): Promise<Effort> {
  const elapsed = stopwatch();
  const cpuBefore = process.cpuUsage();
  const session = await bench.open('source', database, 'replication');
  try {
    await receive(session, parseLsn(after));
  } finally {
    session.destroy();
  }
  const seconds = elapsed();
  const cpu = process.cpuUsage(cpuBefore);
  await bench.use('source', database, (sql) =>
    waitUntil(async () => {
      const active = await sql.query('SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND active', [SLOT]);
      return active.length === 0 ? 'idle' : null;
    }, 'the slot to be left'),
  );
  return { seconds, wholeSeconds: null, process: { peakRssBytes: null, cpuSeconds: (cpu.user + cpu.system) / 1e6 } };
}

/** Source: manual, "54.4. Streaming Replication Protocol" (XLogData, keepalive) and "54.9" (Commit). */
function receive(session: PgSession, after: Lsn): Promise<void> {
  const socket = session.socket;
  socket.removeAllListeners('data');
  return new Promise((resolve, reject) => {
    const walker = new FrameWalker(PEEK_BYTES);
    socket.once('close', () => reject(new Error('the source closed the connection')));
    socket.on('data', (chunk: Buffer) => {
      if (chunk.length < LITTLE_BYTES) {
        socket.pause();
        setTimeout(() => socket.resume(), PAUSE_MS);
      }
      walker.push(chunk, (frame) => {
        if (frame.type === 'E') reject(new Error(`the source refused: ${frame.head.toString('utf8').split('\0').join(' ')}`));
        else if (isKeepaliveThatAsks(frame)) socket.write(statusUpdate());
        else if (isCommitAfter(frame, after)) resolve();
      });
    });
    socket.write(queryMessage(`START_REPLICATION SLOT "${SLOT}" LOGICAL 0/0 (proto_version '1', publication_names '${PUBLICATION}')`));
  });
}

const PEEK_BYTES = 100;

/**
 * The server sends each change by itself. A receiver that takes each at once wakes up for each: measured with one-row
 * transactions, that costs three times the receiver's processor time and a third more of the server's. So after a small
 * read this one lets the socket's buffer fill for a moment.
 */
const LITTLE_BYTES = 32 * 1024;
const PAUSE_MS = 1;

const XLOG_HEADER_BYTES = 25;

function isKeepaliveThatAsks({ type, head }: Frame): boolean {
  return type === 'd' && head[0] === 0x6b && must(head[17], 'reply flag') === 1;
}

function isCommitAfter({ type, head }: Frame, after: Lsn): boolean {
  return type === 'd' && head[0] === 0x77 && head[XLOG_HEADER_BYTES] === 0x43 && readLsn(head, XLOG_HEADER_BYTES + 2) > after;
}

/** A status update that confirms nothing: the slot stays where it is. */
function statusUpdate(): Buffer {
  const message = Buffer.alloc(5 + 34);
  message.write('d', 0, 'latin1');
  message.writeInt32BE(4 + 34, 1);
  message.write('r', 5, 'latin1');
  return message;
}
