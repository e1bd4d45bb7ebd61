// Shows progress while pipelines run: a block that is drawn again on a terminal, plain lines now and then elsewhere.
import type { RunEvent } from '@millrace/contract/run-event';
import type { Output } from './context.ts';
import { errorText } from './error-text.ts';
import { LiveModel } from './live-model.ts';
import { findingLines, stateCell } from './report-text.ts';
import { type Paint, printable } from './terminal-text.ts';

const REDRAW_EVERY_MS = 250;
const PLAIN_EVERY_MS = 5_000;
const PLAIN_LIMIT = 20;
const DEFAULT_COLUMNS = 100;
const DEFAULT_ROWS = 24;

/** A running view. Call `stop` when done. */
export interface LiveView {
  readonly onEvent: (event: RunEvent) => void;
  /** Writes lines of others (logs) without breaking the block. */
  readonly print: (line: string) => void;
  /** Ends the view: `clear` takes the block away, because a report follows that says the same. */
  readonly stop: (end: 'clear' | 'keep') => void;
}

/** Starts the view on `output`. */
export function startLiveView(output: Output, paint: Paint, now: () => number): LiveView {
  const model = new LiveModel();
  const screen = output.isTty ? new Screen(output) : null;
  const draw = (): void => {
    if (screen === null) {
      for (const line of model.takeChanged(now(), PLAIN_LIMIT)) output.write(`${clockTime(now())} ${line}\n`);
    } else {
      const size = { columns: output.columns ?? DEFAULT_COLUMNS, rows: output.rows ?? DEFAULT_ROWS };
      screen.show(model.render(size, now(), paint));
    }
  };
  const print = (line: string): void => {
    if (screen === null) output.write(`${line}\n`);
    else screen.printAbove(line);
  };
  const timer = setInterval(draw, screen === null ? PLAIN_EVERY_MS : REDRAW_EVERY_MS);
  return {
    onEvent: (event) => {
      model.apply(event, now());
      for (const line of spokenLines(event, screen === null, paint)) print(`${clockTime(now())} ${line}`);
    },
    print,
    stop: (end) => {
      clearInterval(timer);
      if (end === 'clear' && screen !== null) screen.show([]);
      else draw();
    },
  };
}

/** What is said once, in its own lines, rather than shown in the block. */
function spokenLines(event: RunEvent, isPlain: boolean, paint: Paint): string[] {
  switch (event.type) {
    case 'notice':
      return [printable(event.message)];
    case 'error':
      return [`${event.pipeline === null ? '' : `${printable(event.pipeline)} `}${errorText(event.error, paint)}`];
    case 'finding':
      return [`${printable(event.pipeline)}\n${findingLines(event.finding, paint).join('\n')}`];
    case 'state': {
      const reason = event.reason === null ? '' : `: ${event.reason.code} ${printable(event.reason.cause)}`;
      return isPlain || event.reason !== null ? [`${printable(event.pipeline)} is ${stateCell(event.state).text}${reason}`] : [];
    }
    case 'progress':
      return [];
  }
}

/** Local time of day, for lines that people read as they come. */
function clockTime(nowMs: number): string {
  return new Date(nowMs).toTimeString().slice(0, 8);
}

/** A block of lines at the bottom of the terminal. */
class Screen {
  readonly #output: Output;
  #shown: readonly string[] = [];

  constructor(output: Output) {
    this.#output = output;
  }

  show(lines: readonly string[]): void {
    this.#output.write(`${this.#erase()}${joined(lines)}`);
    this.#shown = lines;
  }

  printAbove(line: string): void {
    this.#output.write(`${this.#erase()}${line}\n${joined(this.#shown)}`);
  }

  /** Goes up over the block and clears to the end of the screen. */
  #erase(): string {
    return this.#shown.length === 0 ? '' : `\x1b[${this.#shown.length}A\r\x1b[0J`;
  }
}

function joined(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}
