// A TCP proxy inside the test process that does to a connection what networks do: cut it, freeze it, slow it down.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ConnectionSettings } from '../../src/model/connection.ts';
import { openGate, type Gate, Pump, type Rules } from './pump.ts';

export type Direction = 'to_server' | 'to_client';

/** How a connection is cut: `reset` sends RST (a killed peer), `end` says goodbye (FIN). */
export type Cut = 'reset' | 'end';

/** Starts a proxy on a free port of 127.0.0.1. Close it in the test. */
export async function startProxy(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
  const server = createServer({ allowHalfOpen: true });
  const proxy = new FaultProxy(server, target);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return proxy;
}

/** One listening port in front of one server. Faults hold for present and future connections. */
export class FaultProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #rules: Record<Direction, Rules> = { to_server: freeRules(), to_client: freeRules() };
  readonly #gate: Gate = openGate();
  readonly #transferred: Record<Direction, number> = { to_server: 0, to_client: 0 };
  #refuses = false;
  #accepted = 0;

  constructor(server: Server, target: { readonly host: string; readonly port: number }) {
    this.#server = server;
    server.on('connection', (client) => this.#accept(client, target));
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
    return address.port;
  }

  /** How many connections it has accepted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many connections are open now. */
  get open(): number {
    return this.#links.size;
  }

  /** Bytes passed on so far, over all connections. */
  transferredBytes(direction: Direction): number {
    return this.#transferred[direction];
  }

  /** The same server, by way of the proxy. */
  through(settings: ConnectionSettings): ConnectionSettings {
    return { ...settings, host: '127.0.0.1', port: this.port };
  }

  /** Resets the connection that carries the `bytes`-th byte from now on, exactly after that byte; then faults no more. */
  cutAfter(direction: Direction, bytes: number): void {
    this.#rules[direction].cutAfterBytes = bytes;
  }

  /** Cuts every open connection now. */
  cut(how: Cut = 'reset'): void {
    for (const link of this.#links) link.cut(how);
  }

  /** Passes nothing on, not even a goodbye, and keeps all connections open: each peer sees only silence. `heal` lets it flow. */
  blackHole(): void {
    this.#gate.shut();
  }

  /** Resets new connections at once, as if nothing listened. */
  refuse(): void {
    this.#refuses = true;
  }

  /** Delays every byte by `latencyMs`, in each direction. */
  delay(latencyMs: number): void {
    for (const rules of Object.values(this.#rules)) rules.latencyMs = latencyMs;
  }

  /** Lets at most `bytesPerSecond` pass in one direction of each connection. */
  throttle(direction: Direction, bytesPerSecond: number): void {
    this.#rules[direction].bytesPerSecond = bytesPerSecond;
  }

  /** Ends all faults. What a black hole held back now arrives. */
  heal(): void {
    this.#refuses = false;
    Object.assign(this.#rules.to_server, freeRules());
    Object.assign(this.#rules.to_client, freeRules());
    this.#gate.open();
  }

  /** Resets all connections and stops listening. */
  async close(): Promise<void> {
    this.heal();
    this.cut('reset');
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket, target: { readonly host: string; readonly port: number }): void {
    client.on('error', () => {});
    if (this.#refuses) {
      client.resetAndDestroy();
      return;
    }
    this.#accepted += 1;
    const upstream = connect({ ...target, allowHalfOpen: true });
    const link = new Link(client, upstream);
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
    this.#pump('to_server', client, upstream, link);
    this.#pump('to_client', upstream, client, link);
  }

  #pump(direction: Direction, from: Socket, to: Socket, link: Link): void {
    const pump = new Pump({
      from,
      to,
      rules: this.#rules[direction],
      gate: this.#gate,
      onPassed: (bytes) => {
        this.#transferred[direction] += bytes;
      },
      onCut: () => link.cut('reset'),
    });
    // A peer that resets its side resets the other, but nothing passes a black hole.
    from.on('error', () => void this.#gate.passed().then(() => link.cut('reset')));
    void pump.run();
  }
}

/** The two sockets of one proxied connection. */
class Link {
  readonly closed: Promise<unknown>;
  readonly #sockets: readonly [Socket, Socket];

  constructor(client: Socket, upstream: Socket) {
    this.#sockets = [client, upstream];
    this.closed = Promise.all(this.#sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  }

  cut(how: Cut): void {
    for (const socket of this.#sockets) {
      if (how === 'end') socket.destroySoon();
      else if (!socket.destroyed) reset(socket);
    }
  }
}

/**
 * libuv refuses to reset a socket whose goodbye is under way (`uv_tcp_close_reset` gives EINVAL while it is shutting down), and Node then
 * never closes its handle.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

function freeRules(): Rules {
  return { latencyMs: 0, bytesPerSecond: null, cutAfterBytes: null };
}
