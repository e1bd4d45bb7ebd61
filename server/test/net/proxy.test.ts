import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FaultProxy, startProxy } from './proxy.ts';

let echo: Server;
let proxy: FaultProxy;
const served: Socket[] = [];
const clients: Client[] = [];

beforeEach(async () => {
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    served.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startProxy({ host: '127.0.0.1', port: (echo.address() as { port: number }).port });
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await proxy.close();
  for (const socket of served.splice(0)) socket.destroy();
  echo.close();
  await once(echo, 'close');
});

interface Client {
  readonly socket: Socket;
  received: Buffer;
  /** `end`, or the error's code. */
  fate: string;
}

async function open(): Promise<Client> {
  const socket = connect(proxy.port, '127.0.0.1');
  const client: Client = { socket, received: Buffer.alloc(0), fate: 'open' };
  clients.push(client);
  socket.on('data', (chunk: Buffer) => {
    client.received = Buffer.concat([client.received, chunk]);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    client.fate = error.code ?? 'error';
  });
  socket.on('end', () => {
    client.fate = 'end';
  });
  // A refused connection may be reset before it counts as made; `fate` tells.
  await once(socket, 'connect').catch(() => {});
  return client;
}

describe('the proxy', () => {
  test('passes bytes both ways, unchanged, and counts them', async () => {
    const client = await open();
    const sent = Buffer.alloc(5_000_000, 'Millrace');
    client.socket.end(sent);
    await vi.waitFor(() => expect(client.fate).toBe('end'), 10_000);
    expect(client.received.equals(sent)).toBe(true);
    expect([proxy.transferredBytes('to_server'), proxy.transferredBytes('to_client'), proxy.accepted]).toEqual([
      sent.length,
      sent.length,
      1,
    ]);
    await vi.waitFor(() => expect(proxy.open).toBe(0));
  });

  test.each([1, 1_000, 100_000])('cuts a connection exactly after %i bytes, and only that one', async (bytes) => {
    proxy.cutAfter('to_server', bytes);
    const client = await open();
    client.socket.write(Buffer.alloc(bytes + 50_000));
    await vi.waitFor(() => expect(client.fate).toBe('ECONNRESET'));
    expect(proxy.transferredBytes('to_server')).toBe(bytes);
    const next = await open();
    next.socket.write('hello');
    await vi.waitFor(() => expect(next.received.toString()).toBe('hello'));
  });

  test('in a black hole keeps connections open and silent, and passes everything on when healed', async () => {
    const client = await open();
    client.socket.write('before');
    await vi.waitFor(() => expect(client.received.toString()).toBe('before'));
    proxy.blackHole();
    client.socket.end(' during');
    const late = await open();
    late.socket.write('late');
    await vi.waitFor(() => expect(proxy.accepted).toBe(2));
    await new Promise((resolve) => setImmediate(resolve));
    expect([client.received.toString(), client.fate, late.received.toString(), late.fate]).toEqual(['before', 'open', '', 'open']);
    proxy.heal();
    await vi.waitFor(() =>
      expect([client.received.toString(), client.fate, late.received.toString()]).toEqual(['before during', 'end', 'late']),
    );
  });

  test('in a black hole hides a peer that is gone', async () => {
    const client = await open();
    await vi.waitFor(() => expect(served).toHaveLength(1));
    proxy.blackHole();
    served[0]?.resetAndDestroy();
    await once(served[0] as Socket, 'close');
    expect(client.fate).toBe('open');
    proxy.heal();
    await vi.waitFor(() => expect(client.fate).toBe('ECONNRESET'));
  });

  test('cuts with a goodbye or with a reset', async () => {
    const [first, second] = [await open(), await open()];
    await vi.waitFor(() => expect(proxy.open).toBe(2));
    proxy.cut('end');
    await vi.waitFor(() => expect([first.fate, second.fate]).toEqual(['end', 'end']));
    const third = await open();
    await vi.waitFor(() => expect(proxy.accepted).toBe(3));
    proxy.cut('reset');
    await vi.waitFor(() => expect(third.fate).toBe('ECONNRESET'));
  });

  test('delays every byte without slowing the flow', async () => {
    proxy.delay(60);
    const client = await open();
    const start = performance.now();
    client.socket.end(Buffer.alloc(3_000_000));
    await vi.waitFor(() => expect(client.fate).toBe('end'), 10_000);
    expect(performance.now() - start).toBeGreaterThanOrEqual(119);
    expect(client.received).toHaveLength(3_000_000);
  });

  test('throttles one direction', async () => {
    proxy.throttle('to_client', 100_000);
    const client = await open();
    const start = performance.now();
    client.socket.end(Buffer.alloc(20_000));
    await vi.waitFor(() => expect(client.fate).toBe('end'), 5_000);
    expect(performance.now() - start).toBeGreaterThanOrEqual(150);
    expect(client.received).toHaveLength(20_000);
  });

  test('refuses new connections when told to', async () => {
    proxy.refuse();
    const client = await open();
    await vi.waitFor(() => expect(client.fate).toBe('ECONNRESET'));
    expect(proxy.accepted).toBe(0);
  });
});
