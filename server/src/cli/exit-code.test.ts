import type { ErrorReport, ExitCode, PipelineOutcome, SubjectFinding } from '@millrace/contract/report';
import { describe, expect, test } from 'vitest';
import { exitOfCheck, exitOfRun, exitOfVerify, worst } from './exit-code.ts';

function outcome(exit: ExitCode | null, failed: boolean): PipelineOutcome {
  const error = exit === null ? null : ({ exit } as ErrorReport);
  const objects = failed ? [{ state: 'failed' }, { state: 'streaming' }] : [{ state: 'streaming' }];
  return { pipeline: 'p', error, status: { objects } as unknown as PipelineOutcome['status'] };
}

function finding(status: SubjectFinding['status'], object: string | null): SubjectFinding {
  return { status, object, subject: 's', code: '1', name: 'n', title: 't', cause: '', fix: '', docs: '', sqlstate: null };
}

describe('the exit code', () => {
  test.each<[ExitCode[], ExitCode]>([
    [[], 0],
    [[0, 4], 4],
    [[4, 3], 3],
    [[3, 5, 1], 5],
  ])('of %j together is %d', (codes, expected) => expect(worst(codes)).toBe(expected));

  test('of a run is that of its worst pipeline; failed objects alone make it 4', () => {
    expect(exitOfRun([outcome(null, false)])).toBe(0);
    expect(exitOfRun([outcome(null, false), outcome(null, true)])).toBe(4);
    expect(exitOfRun([outcome(5, false), outcome(3, true)])).toBe(5);
  });

  test('of a check is 3 for a server, 4 for single objects, and 0 for warnings', () => {
    expect(exitOfCheck([finding('pass', null), finding('warn', null)])).toBe(0);
    expect(exitOfCheck([finding('fail', 'public.a')])).toBe(4);
    expect(exitOfCheck([finding('fail', 'public.a'), finding('fail', null)])).toBe(3);
  });

  test('of a verification is 4 as soon as one object is not known to be equal', () => {
    const equal = {
      object: 'a',
      source_rows: 1,
      destination_rows: 1,
      missing: 0,
      extra: 0,
      different: 0,
      unverified: null,
      sample_keys: [],
      position: '0/1',
    };
    expect(exitOfVerify([equal])).toBe(0);
    expect(exitOfVerify([equal, { ...equal, extra: 1 }])).toBe(4);
    expect(exitOfVerify([{ ...equal, unverified: 'no identity' }])).toBe(4);
  });
});
