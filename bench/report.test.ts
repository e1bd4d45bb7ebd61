import { expect, test } from 'vitest';
import type { Measurement } from './measurement.ts';
import { renderTable, summarise } from './report.ts';

function measurement(contender: Measurement['contender'], round: number, seconds: number): Measurement {
  return {
    scenario: 'b',
    contender,
    round,
    units: 300,
    seconds,
    wholeSeconds: contender === 'millrace' ? seconds + 0.1 : null,
    process: contender === 'millrace' ? { peakRssBytes: round * 1024 * 1024, cpuSeconds: 1 } : null,
    lag: null,
    processors: null,
    othersShare: null,
  };
}

const measurements = [
  measurement('millrace', 1, 2),
  measurement('native', 1, 8),
  measurement('native', 2, 10),
  measurement('millrace', 2, 4),
  measurement('millrace', 3, 5),
  measurement('native', 3, 90),
];

test('medians are compared, so that one disturbed round decides nothing', () => {
  const [native, millrace] = summarise(measurements);
  expect(native).toMatchObject({ contender: 'native', rounds: 3, seconds: 10, mostSeconds: 90, timesNative: 1 });
  expect(millrace).toMatchObject({ contender: 'millrace', seconds: 4, timesNative: 2.5 });
});

test('rounds in which others kept the machine busy are left out of the medians, unless there are no others', () => {
  const disturbed = (seconds: number): Measurement => ({ ...measurement('native', 1, seconds), othersShare: 0.4 });
  const quiet = { ...measurement('native', 2, 5), othersShare: 0.01 };
  expect(summarise([disturbed(20), quiet, disturbed(30)])[0]).toMatchObject({ seconds: 5, mostSeconds: 5, rounds: 3, quietRounds: 1 });
  expect(summarise([disturbed(20), disturbed(30)])[0]).toMatchObject({ seconds: 25, rounds: 2, quietRounds: 0 });
});

test('memory is the greatest of all rounds, disturbed ones too, because a limit must hold in each', () => {
  const last = { ...measurement('millrace', 4, 9), othersShare: 0.9 };
  expect(summarise([...measurements, last])[1]?.peakRssBytes).toBe(4 * 1024 * 1024);
});

test('without a native measurement there is no ratio', () => {
  expect(summarise([measurement('millrace', 1, 2)])[0]?.timesNative).toBeNull();
});

test('the table has one line for each contender and all lines are equally long', () => {
  const lines = renderTable(summarise(measurements)).split('\n');
  expect(lines).toHaveLength(4);
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  expect(lines[3]).toContain('4.00 (2.00–5.00)');
});
