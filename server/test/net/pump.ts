// Moves bytes from one socket to another under rules: how late, how fast, how many, and whether at all.
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The rules of one direction; the proxy changes them while bytes flow. */
export interface Rules {
  latencyMs: number;
  bytesPerSecond: number | null;
  /** The connection is cut once this many more bytes have passed. */
  cutAfterBytes: number | null;
}

/** Something to wait at while nothing may pass. */
export interface Gate {
  open(): void;
  shut(): void;
  /** Resolves at once while the gate is open, else when it opens. */
  passed(): Promise<void>;
}

/** A gate that is open. */
export function openGate(): Gate {
  let opened: Promise<void> | null = null;
  let release: () => void = () => {};
  return {
    open() {
      opened = null;
      release();
    },
    shut() {
      opened ??= new Promise((resolve) => {
        release = resolve;
      });
    },
    async passed() {
      while (opened !== null) await opened;
    },
  };
}

export interface PumpOptions {
  readonly from: Socket;
  readonly to: Socket;
  readonly rules: Rules;
  readonly gate: Gate;
  readonly onPassed: (bytes: number) => void;
  readonly onCut: () => void;
}

/** One direction of one connection. */
export class Pump {
  readonly #options: PumpOptions;
  readonly #arrived: { readonly chunk: Buffer; readonly atMs: number }[] = [];
  #arrivedBytes = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(options: PumpOptions) {
    this.#options = options;
    const { from } = options;
    from.on('data', (chunk: Buffer) => this.#arrive(chunk));
    from.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    // The loop ends with its sockets, whichever closes.
    for (const socket of [from, options.to]) socket.on('close', () => this.#wake());
  }

  /** Runs until either socket is gone, or until all is passed on after a goodbye. Never rejects. */
  async run(): Promise<void> {
    const { from, to, gate } = this.#options;
    while (!to.destroyed && !(from.destroyed && this.#arrived.length === 0 && !this.#ended)) {
      const next = this.#arrived.shift();
      if (next !== undefined) await this.#passOn(next.chunk, next.atMs);
      else if (this.#ended) {
        await gate.passed();
        to.end();
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #arrive(chunk: Buffer): void {
    this.#arrived.push({ chunk, atMs: performance.now() });
    this.#arrivedBytes += chunk.length;
    // Like a full receive window: the sender is held back.
    if (this.#arrivedBytes > WINDOW_BYTES) this.#options.from.pause();
    this.#wake();
  }

  async #passOn(chunk: Buffer, atMs: number): Promise<void> {
    const { from, to, rules, gate, onCut, onPassed } = this.#options;
    await pause(atMs + rules.latencyMs - performance.now());
    for (let rest = chunk; rest.length > 0; ) {
      await gate.passed();
      if (to.destroyed) return;
      const piece = rest.subarray(0, pieceBytes(rest.length, rules));
      rest = rest.subarray(piece.length);
      await written(to, piece);
      onPassed(piece.length);
      if (rules.cutAfterBytes !== null) {
        rules.cutAfterBytes -= piece.length;
        if (rules.cutAfterBytes <= 0) {
          rules.cutAfterBytes = null;
          onCut();
          return;
        }
      }
      if (rules.bytesPerSecond !== null) await pause((piece.length * MS_PER_SECOND) / rules.bytesPerSecond);
    }
    this.#arrivedBytes -= chunk.length;
    if (this.#arrivedBytes <= WINDOW_BYTES) from.resume();
  }
}

const WINDOW_BYTES = 1024 * 1024;
const MS_PER_SECOND = 1000;
const THROTTLE_SLICES_PER_SECOND = 50;

function pieceBytes(available: number, rules: Rules): number {
  const slice = rules.bytesPerSecond === null ? available : Math.max(1, Math.ceil(rules.bytesPerSecond / THROTTLE_SLICES_PER_SECOND));
  return Math.min(available, slice, rules.cutAfterBytes ?? available);
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await delay(ms);
}

/** Resolves when the kernel has taken the bytes (a reset throws away what it has not), or when it never will. */
function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.write(bytes, () => resolve());
  });
}
