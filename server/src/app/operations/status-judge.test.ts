import { describe, expect, test } from 'vitest';
import type { ObjectState } from '../../model/object-state.ts';
import { lagSeconds, pipelineStateOf } from './status-judge.ts';

describe('the state of a pipeline', () => {
  test.each([
    ['stopped', ['copying'], true, 'stopped'],
    ['streaming', ['copying'], false, 'idle'],
    ['streaming', ['streaming', 'pending'], true, 'loading'],
    ['streaming', ['streaming', 'catching_up'], true, 'loading'],
    ['loading', ['streaming', 'paused', 'failed', 'skipped', 'ineligible'], true, 'streaming'],
    ['new', [], true, 'loading'],
    ['streaming', [], true, 'streaming'],
  ] as const)('that notes itself %s, with objects %j and running: %s, is %s', (recorded, states, running, expected) => {
    const objects = states.map((state: ObjectState) => ({ state }));
    expect(pipelineStateOf(recorded, objects, running)).toBe(expected);
  });
});

describe('the lag in seconds', () => {
  test.each([
    ['unknown without the source', { lagBytes: null, ageSeconds: 5, running: true }, null],
    ['nothing at the very end of the log', { lagBytes: 0, ageSeconds: 5_000, running: false }, 0],
    ['nothing while others write a little', { lagBytes: 200, ageSeconds: 4, running: true }, 0],
    ['what it is where a little has been waiting', { lagBytes: 200, ageSeconds: 60, running: true }, 60],
    ['what it is where much is waiting', { lagBytes: 10_000_000, ageSeconds: 4, running: true }, 4],
    ['what it is when nothing runs', { lagBytes: 200, ageSeconds: 4, running: false }, 4],
    ['unknown before the first commit', { lagBytes: 200, ageSeconds: null, running: true }, null],
  ])('is %s', (_what, facts, expected) => {
    expect(lagSeconds(facts)).toBe(expected);
  });
});
