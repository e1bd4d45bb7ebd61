// The parts of `pg` that its published types leave out and we rely on; `session.pg.test.ts` holds them to it.
import type { Socket } from 'node:net';

declare module 'pg' {
  interface Client {
    readonly connection: { readonly stream: Socket };
  }
}
