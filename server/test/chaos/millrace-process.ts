// The program under test as an operator runs it: a process of its own, to be killed in every way.
import { type ChildProcess, spawn } from 'node:child_process';
import type { RunLine } from '@millrace/contract/run-event';
import type { FailpointName } from '../../src/lib/failpoint.ts';
import { type Arena, PASSWORD_VARIABLE, PIPELINE } from './arena.ts';

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  /** `millrace.mjs`, or a bundle of the same program. */
  readonly program: string;
  readonly file: string;
  /** Dies at the `nth` pass of a crash point. */
  readonly failpoint?: { readonly name: FailpointName; readonly nth: number } | undefined;
}

/** One `millrace run`. */
export class MillraceProcess {
  readonly startedAtMs = performance.now();
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #said: string[] = [];
  readonly #lines: RunLine[] = [];
  #listener: () => void = () => {};
  #killed = false;
  #outcome: Ended | null = null;

  constructor(arena: Arena, { program, file, failpoint }: StartOptions) {
    this.#child = spawn(process.execPath, [program, 'run', '-f', file, '--json'], {
      env: {
        ...environmentOf(arena),
        ...(failpoint === undefined ? {} : { MILLRACE_FAILPOINT: `${failpoint.name}:${failpoint.nth}` }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const child = this.#child;
    this.ended = new Promise((resolve) => {
      child.once('error', () => resolve({ code: -1, signal: null }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    void this.ended.then((outcome) => {
      this.#outcome = outcome;
      this.#listener();
    });
    // A harness that is killed itself must not leave the program running.
    const killAtExit = (): void => void child.kill('SIGKILL');
    process.once('exit', killAtExit);
    void this.ended.then(() => process.off('exit', killAtExit));
    readLines(child.stdout, (line) => this.#heard(line));
    readLines(child.stderr, (line) => this.#remember(line));
  }

  /** Whether it ended without having been killed. */
  get endedByItself(): boolean {
    return this.#outcome !== null && !this.#killed;
  }

  get isRunning(): boolean {
    return this.#outcome === null;
  }

  /** The last things that it said. */
  get lastWords(): string {
    return this.#said.slice(-LAST_WORDS).join('\n');
  }

  /** Sends a signal. After SIGKILL its end is no surprise any more. */
  signal(name: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void {
    if (name === 'SIGKILL' || name === 'SIGTERM') this.#killed = true;
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }

  /** Asks it to stop; resolves to how it ended, and how long that took. */
  async stop(): Promise<{ readonly ended: Ended; readonly tookMs: number }> {
    const startMs = performance.now();
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS);
    const ended = await this.ended;
    clearTimeout(timer);
    return { ended, tookMs: performance.now() - startMs };
  }

  /** Resolves to the first line after `since` lines that is wanted; null when it ended or the time is over. */
  async line(
    isWanted: (line: RunLine) => boolean,
    options: { readonly since?: number; readonly timeoutMs: number },
  ): Promise<RunLine | null> {
    const deadline = performance.now() + options.timeoutMs;
    let next = options.since ?? 0;
    for (;;) {
      for (; next < this.#lines.length; next++) {
        const line = this.#lines[next];
        if (line !== undefined && isWanted(line)) return line;
      }
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.#outcome !== null) return null;
      await this.#more(leftMs);
    }
  }

  /** How many lines it has printed. */
  get lineCount(): number {
    return this.#lines.length;
  }

  /** Resolves when there may be more to read. */
  #more(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#listener = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #heard(text: string): void {
    const line = JSON.parse(text) as RunLine;
    this.#lines.push(line);
    if (line.type !== 'progress') this.#remember(text);
    this.#listener();
  }

  #remember(text: string): void {
    this.#said.push(text.slice(0, LINE_LIMIT));
    if (this.#said.length > 2 * LAST_WORDS) this.#said.splice(0, LAST_WORDS);
  }
}

/** Runs another command of the program to its end; rejects with what it said unless it ended with 0. */
export async function runCommand(arena: Arena, program: string, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [program, ...args], { env: environmentOf(arena), stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  const printed: string[] = [];
  readLines(child.stdout, (line) => printed.push(line));
  readLines(child.stderr, (line) => said.push(line));
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(-1));
    child.once('close', (exit) => resolve(exit));
  });
  if (code !== 0) throw new Error(`millrace ${args.join(' ')} ended with ${code}:\n${[...printed, ...said].join('\n')}`);
  return printed.join('\n');
}

/** `millrace objects restart` of tables of the schema `chaos`. */
export async function restartObjects(arena: Arena, options: { program: string; file: string; tables: readonly string[] }): Promise<void> {
  const names = options.tables.map((table) => `chaos.${table}`);
  await runCommand(arena, options.program, ['objects', 'restart', '-f', options.file, '--pipeline', PIPELINE, ...names]);
}

/** A little more than the ten seconds that a clean stop may take. */
const STOP_LIMIT_MS = 11_000;
const LAST_WORDS = 40;
const LINE_LIMIT = 2_000;

function environmentOf(arena: Arena): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: arena.directory,
    TMPDIR: arena.temporaryDirectory,
    [PASSWORD_VARIABLE]: arena.password.reveal(),
  };
}

function readLines(stream: NodeJS.ReadableStream | null, take: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') take(line);
  });
}
