// What every lane of the chaos works with: servers, application, the program under test, and the checks between the blows.
import { WireSession } from '../../src/db/wire-session.ts';
import type { FailpointName } from '../../src/lib/failpoint.ts';
import { Random } from '../fuzz/random.ts';
import { type Arena, type ArenaOptions, openArena, PIPELINE } from './arena.ts';
import { BankWatch } from './bank-watch.ts';
import { compareSides, describeDifference } from './equality.ts';
import { ExtraTables } from './extra-tables.ts';
import { findLeftovers, findRemains } from './leftovers.ts';
import { MillraceProcess, restartObjects, runCommand } from './millrace-process.ts';
import { beat } from './pulse.ts';
import type { Tally } from './report.ts';
import { untilCaughtUp } from './settle.ts';
import { Workload } from './workload/workload.ts';
import { runStep } from './workload/writer.ts';

export interface RigOptions extends ArenaOptions {
  /** `millrace.mjs`, or a bundle of the same program. */
  readonly program: string;
  readonly seed: number;
  readonly writers: number;
  readonly rowsPerSecond: number;
  readonly say: (line: string) => void;
}

/** How long nothing may arrive after a start before the run is given up. */
const RESUME_TIMEOUT_MS = 60_000;

/** Opens the arena and begins to watch it; the application rests, and the program does not run. Close it. */
export async function openRig(options: RigOptions): Promise<Rig> {
  const arena = await openArena(options);
  const file = await arena.writeFile('millrace.yaml');
  return new Rig(options, arena, file);
}

export class Rig {
  readonly arena: Arena;
  readonly workload: Workload;
  readonly extras: ExtraTables;
  readonly watch: BankWatch;
  readonly say: (line: string) => void;
  readonly #options: RigOptions;
  readonly #file: string;
  readonly #processes: MillraceProcess[] = [];

  constructor(options: RigOptions, arena: Arena, file: string) {
    this.arena = arena;
    this.say = options.say;
    this.#options = options;
    this.#file = file;
    this.workload = new Workload({ ...options, connection: arena.connection('source') });
    this.extras = new ExtraTables(arena);
    this.watch = new BankWatch(arena);
  }

  /** The choices of one lane: the same whatever other lanes ran before. */
  randomOf(lane: string): Random {
    return Random.forFrame(this.#options.seed, Buffer.from(lane).reduce((sum, byte) => sum * 31 + byte, 7) % 1_000_003);
  }

  /** Starts the program. */
  start(
    how: { readonly failpoint?: { readonly name: FailpointName; readonly nth: number }; readonly file?: string } = {},
  ): MillraceProcess {
    const { program } = this.#options;
    const started = new MillraceProcess(this.arena, { program, file: how.file ?? this.#file, failpoint: how.failpoint });
    this.#processes.push(started);
    return started;
  }

  /** Waits until changes flow, and notes how long that took since `sinceMs` (the process's start when absent). */
  async resumed(process: MillraceProcess, tally: Tally, sinceMs: number = process.startedAtMs): Promise<void> {
    tally.resumeMs.push(await beat(this.arena, process, { sinceMs, timeoutMs: RESUME_TIMEOUT_MS }));
  }

  /** Holds the application still and compares everything; rejects when a row is lost, doubled or different. */
  async check(process: MillraceProcess, tally: Tally): Promise<void> {
    await this.workload.rest();
    const startMs = performance.now();
    await untilCaughtUp(this.arena, process);
    tally.settleMs.push(performance.now() - startMs);
    const comparison = await compareSides(this.arena);
    tally.checks++;
    tally.rowsCompared += comparison.rows;
    if (comparison.differences.length > 0)
      throw new Error(`the sides differ:\n${comparison.differences.map(describeDifference).join('\n')}\n${process.lastWords}`);
    const seen = this.watch.violations.splice(0);
    if (seen.length > 0) throw new Error(`a reader of the destination saw what never was:\n${seen.join('\n')}`);
    this.workload.go();
  }

  /** Asks for historical loads of some tables, whether the program runs or not. */
  async restartSome(random: Random, count: number): Promise<void> {
    const tables = new Set(Array.from({ length: count }, () => random.pick(RELOADED)));
    await restartObjects(this.arena, { program: this.#options.program, file: this.#file, tables: [...tables] });
  }

  /**
   * One transaction that COPY writes: thousands of its rows share a position in the log with others, so nobody may go on from the
   * middle of it.
   */
  async copyMany(random: Random): Promise<void> {
    const rows = Array.from({ length: LARGE_COPY_ROWS }, (_, i) => `large ${random.uint32()}\t{"i": ${i}}\n`).join('');
    const wire = new WireSession(await this.arena.open('source', 'large copy'));
    try {
      await runStep(wire, { kind: 'copy', into: 'chaos.events (kind, detail)', rows });
    } finally {
      await wire.close();
    }
  }

  /** Removes the pipeline and what it brought to the destination, so that the next start is the first. No process may run. */
  async beginAnew(): Promise<void> {
    await this.workload.rest();
    await runCommand(this.arena, this.#options.program, ['drop', '-f', this.#file, '--pipeline', PIPELINE]);
    const remains = await findRemains(this.arena);
    if (remains.length > 0) throw new Error(`drop left behind: ${remains.join(', ')}`);
    this.watch.forget();
    await this.arena.query('destination', 'SET client_min_messages = error; DROP SCHEMA IF EXISTS chaos CASCADE');
    this.workload.go();
  }

  /** Stops the program as an operator would; nothing may be left of it. */
  async finish(process: MillraceProcess): Promise<void> {
    await this.workload.rest();
    const { ended, tookMs } = await process.stop();
    if (ended.code !== 0)
      throw new Error(`millrace did not stop cleanly (${JSON.stringify(ended)} after ${Math.round(tookMs)} ms):\n${process.lastWords}`);
    await this.expectNothingLeft();
  }

  /** The program has stopped: only the pipeline's state, slot and publications may be there. */
  async expectNothingLeft(): Promise<void> {
    const leftovers = await findLeftovers(this.arena);
    if (leftovers.length > 0) throw new Error(`left behind:\n${leftovers.join('\n')}`);
  }

  /** Kills every process that was started here. */
  async killAll(): Promise<void> {
    for (const process of this.#processes.splice(0)) {
      if (process.isRunning) await process.kill();
    }
  }

  async close(): Promise<void> {
    await this.killAll();
    await this.watch.stop();
    try {
      await this.workload.stop();
    } finally {
      await this.arena.close();
    }
  }
}

const LARGE_COPY_ROWS = 20_000;

/** Tables whose historical load is asked for again: one of each kind. */
const RELOADED = [
  'wide',
  'toasty',
  'composite',
  'bag',
  'readings',
  'kinds',
  'movers',
  'seats',
  'indexed',
  'events',
  'zoo',
  'scratch',
  'bank',
  'ledger',
] as const;
