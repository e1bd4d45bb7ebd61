// The parts of `pg` that its published types leave out and we rely on; `session.pg.test.ts` holds them to it.
import type { Socket } from 'node:net';

declare module 'pg' {
  interface Connection {
    /** Lets the driver read a stream: the socket, or TLS over it. */
    attachListeners(stream: Socket): void;
  }
  interface Client {
    readonly connection: { readonly stream: Socket };
  }
}
