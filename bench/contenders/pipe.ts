// The floor of a first copy: one COPY to one COPY, bytes passed on unread, the key built afterwards.
import type { Duplex } from 'node:stream';
import type { PgSession } from '../../server/src/db/session.ts';
import { ADD_ITEMS_KEY, CREATE_ITEMS, ITEMS } from '../dataset.sql.ts';
import { type Frame, FrameWalker, queryMessage } from '../frame-walker.ts';
import { type Effort, stopwatch } from '../measurement.ts';
import type { Workbench } from '../workbench.ts';

/** Copies the table into a new database. */
export async function copyByPipe(
  bench: Workbench,
  databases: { readonly source: string; readonly destination: string },
): Promise<() => Promise<Effort>> {
  await bench.createDatabase('destination', databases.destination);
  await bench.use('destination', databases.destination, async (session) => void (await session.query(CREATE_ITEMS)));
  return async () => {
    const elapsed = stopwatch();
    const cpuBefore = process.cpuUsage();
    await bench.use('source', databases.source, (from) => bench.use('destination', databases.destination, (to) => forward(from, to)));
    await bench.use('destination', databases.destination, async (session) => void (await session.query(ADD_ITEMS_KEY)));
    const cpu = process.cpuUsage(cpuBefore);
    return { seconds: elapsed(), wholeSeconds: null, process: { peakRssBytes: null, cpuSeconds: (cpu.user + cpu.system) / 1e6 } };
  };
}

/** CopyData and CopyDone look the same in both directions, so everything between the two answers is passed on as it is. */
async function forward(from: PgSession, to: PgSession): Promise<void> {
  const source = takeSocket(from);
  const destination = takeSocket(to);
  const accepted = answers(destination, 'G');
  destination.write(queryMessage(`COPY ${ITEMS} FROM STDIN (FORMAT binary)`));
  await accepted;
  const finished = answers(destination, 'Z');
  const sent = passOn(source, destination);
  source.write(queryMessage(`COPY ${ITEMS} TO STDOUT (FORMAT binary)`));
  await Promise.all([sent, finished]);
}

/** The socket of an idle session without the driver's reader; the session can only be closed afterwards. */
function takeSocket(session: PgSession): Duplex {
  session.socket.removeAllListeners('data');
  return session.socket;
}

/** Resolves at the first message of type `awaited`; rejects at an error or at the end of the connection. */
function answers(socket: Duplex, awaited: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const walker = new FrameWalker(ERROR_BYTES);
    const finish = (settle: () => void): void => {
      socket.off('data', onData);
      socket.off('close', onClose);
      settle();
    };
    const onClose = (): void => finish(() => reject(new Error('the server closed the connection')));
    const onData = (chunk: Buffer): void =>
      walker.push(chunk, (frame) => {
        if (frame.type === 'E') finish(() => reject(refusal(frame)));
        else if (frame.type === awaited) finish(resolve);
      });
    socket.on('data', onData);
    socket.once('close', onClose);
  });
}

/** Writes each chunk of the copy to `destination`, and waits while it is full. Resolves after CopyDone. */
function passOn(source: Duplex, destination: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    const walker = new FrameWalker(ERROR_BYTES);
    let from = Number.POSITIVE_INFINITY;
    let to = Number.POSITIVE_INFINITY;
    source.once('close', () => reject(new Error('the source closed the connection')));
    source.on('data', (chunk: Buffer) => {
      const start = walker.position;
      walker.push(chunk, (frame) => {
        if (frame.type === 'E') reject(refusal(frame));
        else if (frame.type === 'H') from = frame.endOffset;
        else if (frame.type === 'c') to = frame.endOffset;
        else if (frame.type === 'Z') resolve();
      });
      const part = chunk.subarray(Math.max(0, from - start), Math.max(0, Math.min(chunk.length, to - start)));
      if (part.length === 0 || destination.write(part)) return;
      source.pause();
      destination.once('drain', () => source.resume());
    });
  });
}

const ERROR_BYTES = 200;

function refusal(frame: Frame): Error {
  return new Error(`the server refused: ${frame.head.toString('utf8').split('\0').join(' ')}`);
}
