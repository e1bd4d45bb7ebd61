// A server that lets anybody in and then breaks the protocol: what a hijacked address or a broken proxy may do to us.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** What the server does instead of answering the first query. */
export type Mischief =
  | 'garbage'
  | 'huge_length'
  | 'negative_length'
  | 'wrong_message'
  | 'endless_notices'
  | 'goodbye'
  | 'reset'
  | 'wrong_rows'
  | 'http';

/** Listens on a free port of 127.0.0.1. Close it in the test. */
export class RogueServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(mischief: Mischief): Promise<RogueServer> {
    const server = createServer();
    const rogue = new RogueServer(server);
    server.on('connection', (socket) => rogue.#meet(socket, mischief));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return rogue;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server is closed');
    return address.port;
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #meet(socket: Socket, mischief: Mischief): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    socket.resume();
    if (mischief === 'http') return void socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n');
    // The start-up packet is the only message without a type; whatever it says is accepted.
    socket.once('data', () => {
      socket.write(
        Buffer.concat([
          message('R', int32(0)),
          message('S', cString('server_version'), cString('17.0')),
          message('K', int32(1), int32(2)),
          READY,
        ]),
      );
      socket.once('data', () => misbehave(socket, mischief));
    });
  }
}

function misbehave(socket: Socket, mischief: Exclude<Mischief, 'http'>): void {
  switch (mischief) {
    case 'garbage':
      socket.write(Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 167 + 13) % 256)));
      return;
    case 'huge_length':
      socket.write(Buffer.concat([Buffer.from('D'), int32(0x7fffffff), Buffer.alloc(65_536)]));
      return;
    case 'negative_length':
      socket.write(Buffer.concat([Buffer.from('T'), int32(-5), Buffer.alloc(64)]));
      return;
    case 'wrong_message':
      return void socket.end(Buffer.concat([message('G', Buffer.from([0, 0, 0])), message('d', Buffer.from('data')), message('c'), READY]));
    case 'wrong_rows':
      socket.write(Buffer.concat([message('D', Buffer.from([0, 1, 0, 0, 0, 1, 65])), message('C', cString('SELECT 1')), READY]));
      return;
    case 'endless_notices':
      return flood(socket);
    case 'goodbye':
      return void socket.end();
    case 'reset':
      socket.resetAndDestroy();
  }
}

function flood(socket: Socket): void {
  const notice = message('N', Buffer.from('SNOTICE\0C00000\0M'), Buffer.alloc(8_000, 'x'), Buffer.from('\0\0'));
  const pump = (): void => {
    while (!socket.destroyed && socket.write(notice));
    if (!socket.destroyed) socket.once('drain', pump);
  };
  pump();
}

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

function cString(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

const READY = message('Z', Buffer.from('I'));
