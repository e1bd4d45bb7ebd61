// Looks at what a server sends before the driver does: the driver believes every length, and what it throws would end the process.
import type { Socket } from 'node:net';
import type pg from 'pg';
import { ProtocolError } from '../pg/protocol-error.ts';
import { FrameGuard } from '../pg/wire/frame-guard.ts';

/** From the first byte after TLS on, a broken message destroys the socket with a `ProtocolError`. Call it before `connect`. */
export function guardMessages(client: pg.Client): void {
  const { connection } = client;
  const attach = connection.attachListeners.bind(connection);
  connection.attachListeners = (stream: Socket): void => {
    attach(stream);
    const readers = stream.listeners('data');
    stream.removeAllListeners('data');
    const guard = new FrameGuard();
    stream.on('data', (chunk: Buffer) => {
      try {
        guard.check(chunk);
        for (const read of readers) read.call(stream, chunk);
      } catch (error) {
        stream.destroy(error instanceof ProtocolError ? error : new ProtocolError('a message that makes no sense', 0));
      }
    });
  };
}

/** Destroys the socket when `timeoutMs` have passed; returns what ends that. The driver's own limit does not cover the first query. */
export function cutAfter(client: pg.Client, timeoutMs: number): () => void {
  const timer = setTimeout(() => client.connection.stream.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  return () => clearTimeout(timer);
}
