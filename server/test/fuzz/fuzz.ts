// `npm run fuzz [-- --frames N --seed S --first I]`: the fuzz as a program, for runs longer than a test may take.
import { parseArgs } from 'node:util';
import { FuzzFailure, runFuzz } from './fuzz-run.ts';

const DEFAULT_FRAMES = 1_000_000;

const { values } = parseArgs({ options: { frames: { type: 'string' }, seed: { type: 'string' }, first: { type: 'string' } } });
const seed = wholeNumber('seed', values.seed, Date.now() % 2 ** 31);
const frameCount = wholeNumber('frames', values.frames, DEFAULT_FRAMES);
const firstFrame = wholeNumber('first', values.first, 0);

say(`fuzzing ${frameCount} frames with --seed ${seed}`);
try {
  const report = runFuzz({ seed, firstFrame, frameCount, onProgress: (done) => say(`${done} frames`) });
  const perSecond = Math.round(report.frames / (report.elapsedMs / 1_000));
  say(`${report.frames} frames in ${(report.elapsedMs / 1_000).toFixed(1)} s, ${perSecond} a second, seed ${report.seed}`);
  say(`accepted ${report.accepted}, refused ${report.refused}, by target ${JSON.stringify(report.framesByTarget)}`);
  say(`slowest call ${report.slowestMs.toFixed(1)} ms, largest allocation ${report.largestAllocationBytes} bytes`);
} catch (error) {
  if (!(error instanceof FuzzFailure)) throw error;
  say(error.message);
  process.exitCode = 1;
}

function wholeNumber(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d{1,10}$/.test(text)) throw new TypeError(`--${name} wants a whole number, not ${text}`);
  return Number(text);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
