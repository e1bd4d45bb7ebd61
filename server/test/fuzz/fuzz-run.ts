// Runs the fuzz: makes frame after frame from a seed and holds the parsers to what they promise about any input.
import { ProtocolError } from '../../src/pg/protocol-error.ts';
import { watchAllocations } from './allocations.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import type { Target } from './targets.ts';
import { TARGETS } from './targets.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly firstFrame: number;
  readonly frameCount: number;
  /** Called every so often with the number of frames done. */
  readonly onProgress?: (framesDone: number) => void;
}

export interface FuzzReport {
  readonly seed: number;
  readonly frames: number;
  readonly accepted: number;
  readonly refused: number;
  readonly framesByTarget: Readonly<Record<string, number>>;
  readonly slowestMs: number;
  readonly largestAllocationBytes: number;
  readonly elapsedMs: number;
}

/** A promise that was broken, with what is needed to break it again. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';

  constructor(
    why: string,
    where: { readonly seed: number; readonly frame: number; readonly target: string; readonly bytes: Buffer },
    cause?: unknown,
  ) {
    const input = where.bytes.toString('hex');
    super(`${why}\n  target ${where.target}, replay with --seed ${where.seed} --first ${where.frame} --frames 1\n  input ${input}`, {
      cause,
    });
  }
}

/**
 * Reads `frameCount` frames. Throws a `FuzzFailure` when anything but a `ProtocolError` comes out, when a call takes over
 * 100 ms, when an input that can't be right is accepted, or when one makes us allocate out of proportion to its size.
 */
export function runFuzz(options: FuzzOptions): FuzzReport {
  const startedAt = performance.now();
  const framesByTarget: Record<string, number> = Object.fromEntries(TARGETS.map(({ name }) => [name, 0]));
  let accepted = 0;
  let slowestMs = 0;
  const allocations = watchAllocations();
  try {
    for (let done = 0; done < options.frameCount; done++) {
      const frame = makeFrame(options.seed, options.firstFrame + done);
      const outcome = readFrame(frame, allocations.takeLargestBytes);
      framesByTarget[frame.target.name] = (framesByTarget[frame.target.name] ?? 0) + 1;
      if (outcome.accepted) accepted++;
      slowestMs = Math.max(slowestMs, outcome.elapsedMs);
      if (done % PROGRESS_FRAMES === PROGRESS_FRAMES - 1) options.onProgress?.(done + 1);
    }
  } finally {
    allocations.stop();
  }
  return {
    seed: options.seed,
    frames: options.frameCount,
    accepted,
    refused: options.frameCount - accepted,
    framesByTarget,
    slowestMs,
    largestAllocationBytes: allocations.largestEverBytes(),
    elapsedMs: performance.now() - startedAt,
  };
}

const MAX_CALL_MS = 100;
/** What a parser may allocate whatever its input is, and per byte of it. */
const ALLOWED_BYTES = 64 * 1024;
const ALLOWED_PER_INPUT_BYTE = 8;
const PROGRESS_FRAMES = 100_000;
/** Of ten frames: six of pgoutput, two of the wire, one each of the others. */
const TARGET_OF_TEN = [0, 0, 0, 0, 0, 0, 1, 1, 2, 3];

interface Frame {
  readonly seed: number;
  readonly index: number;
  readonly target: Target;
  readonly bytes: Buffer;
  readonly mustBeRefused: boolean;
  readonly mustBeAccepted: boolean;
}

function makeFrame(seed: number, index: number): Frame {
  const random = Random.forFrame(seed, index);
  const target = TARGETS[random.pick(TARGET_OF_TEN)] as Target;
  const { mutation, bytes } = mutate(random, target.generate(random));
  return { seed, index, target, bytes, mustBeRefused: target.refuses.includes(mutation), mustBeAccepted: mutation === 'none' };
}

function readFrame(frame: Frame, takeLargestBytes: () => number): { accepted: boolean; elapsedMs: number } {
  takeLargestBytes();
  let outcome = readOnce(frame);
  if (takeLargestBytes() > ALLOWED_BYTES + ALLOWED_PER_INPUT_BYTE * frame.bytes.length)
    throw failure(frame, 'an allocation out of proportion');
  // A pause of the machine is no fault of the parser: only a frame that is slow every time is.
  for (let again = 0; again < 3 && outcome.elapsedMs > MAX_CALL_MS; again++) outcome = readOnce(frame);
  if (outcome.elapsedMs > MAX_CALL_MS) throw failure(frame, `a call of ${outcome.elapsedMs.toFixed(0)} ms`);
  if (outcome.accepted && frame.mustBeRefused) throw failure(frame, 'input that was cut off or extended was accepted');
  if (!outcome.accepted && frame.mustBeAccepted) throw failure(frame, 'correct input was refused');
  return outcome;
}

function readOnce(frame: Frame): { accepted: boolean; elapsedMs: number } {
  const random = Random.forFrame(~frame.seed, frame.index);
  const startedAt = performance.now();
  let accepted = true;
  try {
    frame.target.read(frame.bytes, random);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw failure(frame, `${String(error)} instead of a ProtocolError`, error);
    accepted = false;
  }
  return { accepted, elapsedMs: performance.now() - startedAt };
}

function failure(frame: Frame, why: string, cause?: unknown): FuzzFailure {
  return new FuzzFailure(why, { seed: frame.seed, frame: frame.index, target: frame.target.name, bytes: frame.bytes }, cause);
}
