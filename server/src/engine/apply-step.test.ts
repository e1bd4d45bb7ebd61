// The order of the loop's work: written once as a function, and held here against what would go wrong otherwise.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LoopFacts, nextStep } from './apply-step.ts';

const IDLE: LoopFacts = {
  stopping: false,
  hasReadyBatch: false,
  reshapeIsDue: false,
  destinationTransactionOpen: false,
  atCleanBoundary: true,
  catchUpBytes: 0,
  idleBytes: 0,
  msSinceCheckpoint: 0,
  unsettledObjects: 0,
  checkpointWanted: false,
};

describe('nextStep', () => {
  test.each([
    ['waits when there is nothing to do', {}, 'wait'],
    ['flushes a batch that is ready', { hasReadyBatch: true, atCleanBoundary: false }, 'flush'],
    ['commits at a boundary what was flushed in parts', { destinationTransactionOpen: true }, 'commit'],
    [
      'has a table follow inside a transaction that is flushed in part',
      { reshapeIsDue: true, destinationTransactionOpen: true, atCleanBoundary: false },
      'reshape',
    ],
    ['flushes what came before the table follows', { reshapeIsDue: true, hasReadyBatch: true, atCleanBoundary: false }, 'flush'],
    ['waits for the rest of a transaction that was flushed in part', { destinationTransactionOpen: true, atCleanBoundary: false }, 'wait'],
    ['writes the new state of an object at once', { unsettledObjects: 1 }, 'checkpoint'],
    ['lets an object catch up when the stream has nothing', { catchUpBytes: 1 }, 'catch_up'],
    ['keeps the lane for an open transaction', { catchUpBytes: 1, destinationTransactionOpen: true, atCleanBoundary: false }, 'wait'],
    ['does not write a checkpoint for every byte of others', { idleBytes: 1 }, 'wait'],
    ['writes a checkpoint when much was written by others', { idleBytes: 8 * 1024 * 1024 }, 'checkpoint'],
    ['writes a checkpoint when time has passed', { idleBytes: 1, msSinceCheckpoint: 5_000 }, 'checkpoint'],
    ['writes a checkpoint for who waits for it', { idleBytes: 1, checkpointWanted: true }, 'checkpoint'],
    ['has no checkpoint to write where it stands', { checkpointWanted: true, msSinceCheckpoint: 60_000 }, 'wait'],
    ['never writes a checkpoint beyond changes in hand', { idleBytes: 1, checkpointWanted: true, atCleanBoundary: false }, 'wait'],
    ['stops when nothing is in hand', { stopping: true }, 'stop'],
    ['stops after the batch that is ready', { stopping: true, hasReadyBatch: true, atCleanBoundary: false }, 'flush'],
    ['stops after the commit that is due', { stopping: true, destinationTransactionOpen: true }, 'commit'],
    [
      'gives a transaction up that is only partly here',
      { stopping: true, destinationTransactionOpen: true, atCleanBoundary: false },
      'stop',
    ],
  ] as const)('%s', (_, facts, step) => {
    expect(nextStep({ ...IDLE, ...facts })).toBe(step);
  });

  test('never uses the lane for anything else while a transaction is open, and always ends when it is told to', () => {
    fc.assert(
      fc.property(
        fc.record({
          stopping: fc.boolean(),
          hasReadyBatch: fc.boolean(),
          reshapeIsDue: fc.boolean(),
          destinationTransactionOpen: fc.boolean(),
          atCleanBoundary: fc.boolean(),
          catchUpBytes: fc.nat(9),
          idleBytes: fc.nat(20_000_000),
          msSinceCheckpoint: fc.nat(10_000),
          unsettledObjects: fc.nat(2),
          checkpointWanted: fc.boolean(),
        }),
        (facts) => {
          const step = nextStep(facts);
          if (facts.destinationTransactionOpen) expect(['checkpoint', 'catch_up']).not.toContain(step);
          if (facts.stopping) expect(['stop', 'flush', 'commit']).toContain(step);
          if (step === 'commit') expect(facts.atCleanBoundary).toBe(true);
        },
      ),
    );
  });
});
