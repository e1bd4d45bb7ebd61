// Picks a port for a server to listen on that nothing uses now and that the kernel gives to nobody by itself.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port of 127.0.0.1 that was free a moment ago. It lies below the ephemeral ranges of Linux and macOS, so that no
 * outgoing connection takes it while the server is down for a restart. Whoever binds it must still be ready to lose a race.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST_PORT, FIRST_EPHEMERAL_PORT);
    if (await canListen(port)) return port;
  }
}

const FIRST_PORT = 15_000;
const FIRST_EPHEMERAL_PORT = 32_768;

async function canListen(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ host: '127.0.0.1', port, exclusive: true });
    await once(probe, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}
