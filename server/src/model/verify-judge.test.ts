import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { doubtfulRows, judgeRunning, judgeStopped, type Reading, type Readings } from './verify-judge.ts';

const NONE: Reading = [];

describe('judgeRunning, with a key', () => {
  test('takes a row for equal when the destination shows either of the values that the source had', () => {
    const readings = {
      firstSource: row('a', '1'),
      firstDestination: row('b', '7'),
      secondSource: row('b', '2'),
      secondDestination: row('b', '7'),
    };
    expect(judgeRunning(readings, true)).toEqual({ kind: 'equal' });
    expect(judgeRunning({ ...readings, firstSource: row('b', '1'), secondSource: row('c', '2') }, true)).toEqual({ kind: 'equal' });
  });

  test('finds a row missing that the source had all the time', () => {
    expect(judge(row('a', '1'), NONE, row('a', '1'), NONE)).toEqual({ kind: 'differs', missing: 1, extra: 0, different: 0 });
  });

  test('finds a row too many that the destination had all the time', () => {
    expect(judge(NONE, row('a', '7'), NONE, row('a', '7'))).toEqual({ kind: 'differs', missing: 0, extra: 1, different: 0 });
  });

  test('finds a row with another value', () => {
    expect(judge(row('a', '1'), row('b', '7'), row('a', '1'), row('b', '7'))).toEqual({
      kind: 'differs',
      missing: 0,
      extra: 0,
      different: 1,
    });
  });

  test('finds a value that the destination keeps while the source changes again and again', () => {
    expect(judge(row('a', '1'), row('x', '7'), row('b', '2'), row('x', '7'))).toEqual({
      kind: 'differs',
      missing: 0,
      extra: 0,
      different: 1,
    });
  });

  test('does not trust a value that comes back in another physical row', () => {
    expect(judge(row('a', '1'), row('b', '7'), row('a', '3'), row('c', '8'))).toEqual({ kind: 'unsettled' });
    expect(judge(NONE, row('a', '7'), NONE, row('a', '9'))).toEqual({ kind: 'unsettled' });
    expect(judge(row('a', '1'), NONE, row('a', '2'), NONE)).toEqual({ kind: 'unsettled' });
  });

  test('counts a second row under one key as one too many', () => {
    const twins: Reading = [{ digest: 'a', count: 2, versions: '7' }];
    expect(judge(row('a', '1'), twins, row('a', '1'), twins)).toEqual({ kind: 'differs', missing: 0, extra: 1, different: 0 });
    const unlike = [...row('a', '7'), ...row('b', '8')];
    expect(judge(row('a', '1'), unlike, row('a', '1'), unlike)).toEqual({ kind: 'differs', missing: 0, extra: 1, different: 0 });
  });

  test('never finds fault with a destination that follows the source, however rows change in between', () => {
    // The source's states one after another; the destination shows them in the same order, anywhere from what a reading waited for up to
    // the newest state. Values repeat on purpose, physical rows never do.
    const values = fc.array(fc.constantFrom('a', 'b', null), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(values, fc.array(fc.nat(), { minLength: 4, maxLength: 4 }), (states, picks) => {
        const history = states.map((value, i): Reading => (value === null ? NONE : row(value, String(versionOf(states, i)))));
        let at = 0;
        const readings = picks.map((pick) => {
          at += pick % (history.length - at);
          return history[at] ?? NONE;
        });
        const [firstSource = NONE, firstDestination = NONE, secondSource = NONE, secondDestination = NONE] = readings;
        const verdict = judgeRunning({ firstSource, firstDestination, secondSource, secondDestination }, true);
        expect(verdict.kind).not.toBe('differs');
      }),
    );
  });
});

describe('judgeRunning, without a key', () => {
  test('counts copies', () => {
    const three: Reading = [{ digest: 'a', count: 3, versions: '1' }];
    const one: Reading = [{ digest: 'a', count: 1, versions: '7' }];
    expect(judgeRunning(all(three, one, three, one), false)).toEqual({ kind: 'differs', missing: 2, extra: 0, different: 0 });
    expect(judgeRunning(all(one, three, one, three), false)).toEqual({ kind: 'differs', missing: 0, extra: 2, different: 0 });
  });

  test('waits while copies come and go', () => {
    const three: Reading = [{ digest: 'a', count: 3, versions: '1' }];
    const others: Reading = [{ digest: 'a', count: 3, versions: '2' }];
    const one: Reading = [{ digest: 'a', count: 1, versions: '7' }];
    expect(judgeRunning(all(three, one, others, []), false)).toEqual({ kind: 'unsettled' });
  });
});

test('judgeStopped compares what stands still, with all its copies', () => {
  expect(judgeStopped(row('a', '1'), row('a', '7'), true)).toEqual({ kind: 'equal' });
  expect(judgeStopped(row('a', '1'), row('b', '7'), true)).toEqual({ kind: 'differs', missing: 0, extra: 0, different: 1 });
  expect(judgeStopped(row('a', '1'), NONE, true)).toEqual({ kind: 'differs', missing: 1, extra: 0, different: 0 });
  expect(judgeStopped(NONE, row('a', '1'), false)).toEqual({ kind: 'differs', missing: 0, extra: 1, different: 0 });
});

test('doubtfulRows counts a row once under a key, and copies without one', () => {
  expect(doubtfulRows(row('a', '1'), row('b', '2'), true)).toBe(1);
  expect(doubtfulRows([{ digest: 'a', count: 5, versions: '' }], row('a', '2'), false)).toBe(4);
});

function row(digest: string, versions: string): Reading {
  return [{ digest, count: 1, versions }];
}

function judge(firstSource: Reading, firstDestination: Reading, secondSource: Reading, secondDestination: Reading) {
  return judgeRunning({ firstSource, firstDestination, secondSource, secondDestination }, true);
}

function all(firstSource: Reading, firstDestination: Reading, secondSource: Reading, secondDestination: Reading): Readings {
  return { firstSource, firstDestination, secondSource, secondDestination };
}

/** Equal states next to each other are one physical row. */
function versionOf(states: readonly (string | null)[], at: number): number {
  let version = at;
  while (version > 0 && states[version - 1] === states[at]) version -= 1;
  return version;
}
